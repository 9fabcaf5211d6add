//! The pure connection-handling machine.
#![forbid(unsafe_code)]
