"""What the tests of every server share: waiting for what another process does, and reading to the end of a connection."""

import contextlib
import time


def wait_for(what, condition, seconds=60, pause=0.02):
    """The first true answer of condition, or a failure that says what was waited for."""
    until = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)


def rest(connection):
    """All bytes that still come, up to the end of the connection or its reset."""
    seen = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65536):
            seen += more
    return seen
