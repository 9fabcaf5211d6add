"""The two calls that every request makes: by the compiled module where the wheel has one, else by ctypes, at ten times the cost."""

from __future__ import annotations

from ctypes import addressof, c_uint32, c_void_p, cast, sizeof
from typing import Any, Callable, Optional, Sequence, Tuple

from . import _structs as s
from ._eventfd import EVENTFD_WRITE
from ._library import c

try:
    from ._quick import begin as _quick_begin, bind, end as _quick_end

    IS_COMPILED = True
except ImportError:  # a source tree, or a wheel that was built where there was no compiler
    IS_COMPILED = False


_FlagWord = c_uint32 * 1


def flag_word(address: int) -> Sequence[int]:
    """The word there, read anew each time: an index into a memoryview is the fastest read of memory that Python has."""
    return memoryview(_FlagWord.from_address(address)).cast("B").cast("I")


class Form:
    """What a request is begun with, but for its label: one thread's while it begins one."""

    __slots__ = ("options", "given", "method", "shape")

    def __init__(self) -> None:
        self.options = s.RequestOptions(size=sizeof(s.RequestOptions), socket=-1)
        self.given: Any = addressof(self.options) if IS_COMPILED else self
        """It, for `begin`."""
        self.method: Optional[str] = None
        self.shape: Tuple[int, bool, int] = (-1, False, -1)

    def set_shape(self, socket: int, reading_input: bool, notify: int) -> None:
        given, self.shape = self.options, (socket, reading_input, notify)
        given.socket, given.reading_input = socket, reading_input
        given.on_stop = given.on_forced = None if notify < 0 else EVENTFD_WRITE
        given.userdata = None if notify < 0 else notify

    def set_method(self, method: Optional[str]) -> None:
        self.method = method
        self.options.method = None if method is None else method.encode("utf-8", "surrogateescape")


def _begin(engine: int, settings: int, form: Form, label: Optional[str]) -> int:
    out = c_void_p()
    form.options.label = None if label is None else label.encode("utf-8", "surrogateescape")
    answer: int = c.request_begin_by_address(engine, settings, addressof(form.options), addressof(out), None)
    return answer if answer < 0 else out.value or 0


begin: Callable[[int, Any, Any, Optional[str]], int] = _begin
"""Of an engine, settings, a form (`given`) and a label: the new request's address. Less than 0: an error."""
end: Callable[[int, None], int] = c.request_end_by_address
"""Of a request's address."""

if IS_COMPILED:
    _begin_at, _end_at = (cast(function, c_void_p).value or 0 for function in (c.request_begin, c.request_end))
    bind(_begin_at, _end_at, s.RequestOptions.label.offset)
    begin, end = _quick_begin, _quick_end
