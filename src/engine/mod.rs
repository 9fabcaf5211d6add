//! Clocks, threads and sockets for the machine.
