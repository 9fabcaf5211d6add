"""PHP's own function names, for the current request.

The request is found through contextvars: it follows `await`, tasks, asyncio.to_thread, and what Django and Starlette run in
threads. A thread of your own needs `contextvars.copy_context().run`. Where there is none, these raise NoRequest.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Tuple, TypeVar, Union

from ._on_stop import OnStop
from .errors import EndedError, NoRequest
from .request import Hold, Request, _current
from .enums import Connection, Ending

__all__ = [
    "afinish_request", "check", "connection_aborted", "connection_status", "current", "current_or_none", "ending", "finish_request",
    "flush", "hold", "ignore_user_abort", "ini_get", "ini_restore", "ini_set", "on_stop", "register_shutdown_function", "set_time_limit", "should_stop",
]

F = TypeVar("F", bound=Callable[..., object])


def current() -> Request:
    """The current request. NoRequest: there is none."""
    request = _current.get()
    if request is None:
        raise NoRequest(
            "no request is current here: is the middleware in place, and was this thread started with the request's context?"
        )
    return request


def current_or_none() -> Optional[Request]:
    """The current request, or None: for code that also runs outside of requests."""
    request = _current.get()
    return None if request is None or request.ended else request


def check(*, strict: bool = True) -> None:
    """A safe point: raises Stop if the request should end now. strict=False: does nothing where there is no request."""
    if strict:
        return current().check()
    request = _current.get()
    if request is not None:
        try:
            request.check()
        except EndedError:
            pass  # it was served; what works on is nobody's


def should_stop() -> bool:
    """As `check`, but returns whether the request should end."""
    return current().should_stop()


class NoHold:
    """A hold where there is no request: nothing."""

    __slots__ = ()

    def __enter__(self) -> NoHold:
        return self

    def __exit__(self, kind: object, why: object, where: object) -> None:
        """Nothing."""

    async def __aenter__(self) -> NoHold:
        return self

    async def __aexit__(self, kind: object, why: object, where: object) -> None:
        """Nothing."""


def hold(*, strict: bool = True) -> Union[Hold, NoHold]:
    """A section in which no stop is delivered: `with outlive.hold():` or `async with outlive.hold():`. strict=False: does nothing where
    there is no request, as in a management command that shares the code."""
    request = current() if strict else current_or_none()
    return NoHold() if request is None else request.hold()


def ending() -> Ending:
    """Why the request ends: for shutdown functions."""
    return current().ending


def connection_status() -> Connection:
    """PHP's: NORMAL 0, ABORTED 1, TIMEOUT 2; bits."""
    return current().connection_status


def connection_aborted() -> bool:
    """PHP's: whether the client has gone, and that was noticed."""
    return bool(current().connection_status & Connection.ABORTED)


def ignore_user_abort(enable: Optional[bool] = None) -> bool:
    """PHP's: sets it (None: leaves it), and returns the previous value."""
    return current().ignore_user_abort(enable)


def set_time_limit(seconds: int) -> None:
    """PHP's: this many seconds from now; 0: no limit. LockedError."""
    current().set_time_limit(seconds)


def register_shutdown_function(function: F, *args: Any, **kwargs: Any) -> F:
    """PHP's: runs when the request ends, whatever the ending, once, in order."""
    return current().register_shutdown_function(function, *args, **kwargs)


def on_stop(function: Callable[..., object], *args: Any, **kwargs: Any) -> OnStop:
    """Calls it once the request should end, outside of every hold, to cancel a call that blocks: `with outlive.on_stop(connection.cancel_safe):`.
    See `Request.on_stop`."""
    return current().on_stop(function, *args, **kwargs)


def finish_request(body: bytes = b"", *, status: int = 200, headers: Sequence[Tuple[str, str]] = ()) -> bool:
    """PHP's fastcgi_finish_request(): the response is complete, the work goes on; later output is dropped. A safe point.

    Under the middleware, this is the response. False: the response was complete before, or has begun in a way that the server cannot complete
    (WSGI). On an event loop: `await afinish_request(…)`.
    """
    request = current()
    return request.finish() if request._host is None else request._host.finish(status, headers, body)


async def afinish_request(body: bytes = b"", *, status: int = 200, headers: Sequence[Tuple[str, str]] = ()) -> bool:
    """`finish_request` for coroutines under the ASGI middleware; `body` is the last part of a response that has begun."""
    request = current()
    return request.finish() if request._host is None else await request._host.finish_async(status, headers, body)


def flush() -> None:
    """PHP's: a safe point. Under the middleware, the server sends output at once anyway."""
    current().flush()


def ini_get(name: str) -> str:
    """PHP's: the present value of a directive in this request."""
    return current().ini_get(name)


def ini_set(name: str, value: Union[str, int, float, bool]) -> str:
    """PHP's: sets a directive for this request, and gives the value before. LockedError, AccessError, ValueRefusedError."""
    return current().ini_set(name, value)


def ini_restore(name: str) -> None:
    """PHP's: back to the value at start-up."""
    current().ini_restore(name)
