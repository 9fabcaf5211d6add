"""The descriptor through which an engine, whose thread runs no Python, reports that a stop is due."""

from __future__ import annotations

import ctypes
import os
from ctypes import c_void_p, cast

# The engine tells of a due stop from its own thread, where no Python may run: it would have to wait for the interpreter, and
# must not after that has ended. So it calls the C library itself: eventfd_write(int fd, uint64_t value) gets what
# outlive_notice_function hands over, (void *userdata, int ending), as the same two registers.
_libc = ctypes.CDLL(None, use_errno=True)
EVENTFD_WRITE = cast(_libc.eventfd_write, c_void_p).value
_NONBLOCKING = os.O_NONBLOCK | os.O_CLOEXEC


def make_notify() -> int:
    """A descriptor for `Engine.begin(notify=…)`: readable once a stop is due for one of its requests. The caller closes it."""
    fd: int = _libc.eventfd(0, _NONBLOCKING)
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return fd
