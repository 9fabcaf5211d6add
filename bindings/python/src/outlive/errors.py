"""The errors, with file and line, and `Stop`, which is no error."""

from __future__ import annotations

import ctypes
from typing import Any, Dict, NoReturn, Optional, Type

from ._library import c
from ._structs import ErrorRecord
from .enums import Ending

__all__ = [
    "AccessError", "ArgumentError", "BusyError", "ConfigError", "DrainingError", "EndedError", "Error", "ForkedError", "LockedError",
    "NoRequest", "NotFoundError", "NotServedError", "StageError", "Stop", "ValueRefusedError",
]

OK, STOP, ALREADY, NOT_FOUND, TOO_LARGE, TIMEOUT = 0, 1, 2, -2, -4, -18


class Error(Exception):
    """A call failed. The subclass says how; `code` is the number of outlive.h."""

    code: int
    """OUTLIVE_ERROR_… of outlive.h: negative."""
    name: str
    """Its name there."""
    message: str
    """For people, without the place."""
    file: Optional[str]
    """The file that the error is in, or None."""
    line: Optional[int]
    """Its line, counted from 1, or None."""
    column: Optional[int]
    """Its column, counted from 1, or None."""

    def __init__(
        self, code: int, message: str = "", file: Optional[str] = None, line: Optional[int] = None, column: Optional[int] = None
    ) -> None:
        self.code, self.file, self.line, self.column = code, file or None, line or None, column or None
        self.name = c.result_name(code).text()
        self.message = message or c.result_text(code).text()
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        super().__init__(f"{place}: {self.message}" if self.file else self.message)

    def __reduce__(self) -> Any:
        return (type(self), (self.code, self.message, self.file, self.line, self.column))


class ArgumentError(Error, ValueError):
    """An argument is invalid."""


class NotFoundError(Error, KeyError):
    """No directive of that name."""

    __str__ = Exception.__str__  # KeyError would quote it


class ConfigError(Error):
    """A file cannot be read, is too large, breaks its language's rules, or Apache or FPM would refuse to start with it."""


class NotServedError(Error):
    """Apache itself would answer this request (an error status or a redirect): no settings are in force."""


class LockedError(Error):
    """An admin layer has locked the directive."""


class AccessError(Error):
    """The directive cannot be changed from here."""


class ValueRefusedError(Error, ValueError):
    """The directive does not take this value."""


class StageError(Error):
    """The call does not fit the stage that the request is in."""


class EndedError(Error):
    """The request has ended."""


class BusyError(Error):
    """Another thread is inside a call on this request, or a callback made a call that it may not make."""


class ForkedError(Error):
    """The engine was made in the parent of this process: make one here."""


class DrainingError(Error):
    """The engine takes no new requests."""


class NoRequest(LookupError):
    """No request is current here: outside of the middleware, or in a thread that was not given its context."""


class Stop(BaseException):
    """The request should end now: raised at a safe point, again at each later one.

    Let it pass: the middleware catches it. Not an Exception, so that an `except Exception` on the way does not swallow it.
    """

    ending: Ending
    """Why."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending
        super().__init__(f"the request is stopped: {ending}")


_KINDS: Dict[int, Type[Error]] = {
    -1: ArgumentError, -2: NotFoundError, -3: ConfigError, -4: ConfigError, -5: ConfigError, -6: ConfigError,
    -7: NotServedError, -8: LockedError, -9: AccessError, -10: ValueRefusedError, -11: StageError, -12: EndedError,
    -13: BusyError, -14: ForkedError, -15: DrainingError,
}


def fail(code: int, record: Optional[ErrorRecord] = None) -> NoReturn:
    """Raises what a negative result means."""
    kind = _KINDS.get(code, Error)
    if record is None or record.code != code:
        raise kind(code)
    text = [part.decode("utf-8", "surrogateescape") for part in (record.message, record.file)]
    raise kind(code, text[0], text[1], record.line, record.column)


def check_of(answer: int, name: str, value: Optional[str] = None) -> int:
    """For what concerns a directive: the error names it, and the value."""
    if answer < 0:
        kind = _KINDS.get(answer, Error)
        said = name if value is None else f"{name} = {value!r}"
        raise kind(answer, f"{said}: {c.result_text(answer).text()}")
    return answer


def call(function: Any, *arguments: Any) -> int:
    """Calls a C function whose last parameter is the error record. Its answer, or what it means raised."""
    record = ErrorRecord()
    answer: int = function(*arguments, ctypes.byref(record))
    if answer < 0:
        fail(answer, record)
    return answer


def check(answer: int) -> int:
    """For C functions without a record."""
    if answer < 0:
        fail(answer)
    return answer
