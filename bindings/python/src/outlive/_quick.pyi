"""native/quick.c: in wheels, where Python's headers and a C compiler were at hand when they were built."""

from typing import Optional

def bind(begin: int, end: int, label_offset: int, /) -> None:
    """Says where the library's two functions are, and where a request's options have their label."""

def begin(engine: int, settings: int, options: int, label: Optional[str], /) -> int:
    """A new request's address; less than 0: an error."""

def end(request: int, error: None, /) -> int:
    """As outlive_request_end."""
