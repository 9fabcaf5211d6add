"""Policy written in Python: the middleware's keywords, and decorators for single views."""

from __future__ import annotations

import difflib
import functools
import inspect
import logging
from dataclasses import dataclass
from typing import Any, AsyncIterator, Callable, Dict, Literal, Mapping, Optional, Sequence, Tuple, TypeVar

from .errors import AccessError, ArgumentError, LockedError, NoRequest
from .request import Request, _current


__all__ = ["Policy", "ViewPolicy", "finish", "held", "policy", "stop"]

log = logging.getLogger("outlive")

V = TypeVar("V", bound=Callable[..., Any])
Disconnect = Literal["finish", "stop", "auto", "php"]
Detect = Literal["watch", "write"]
Clock = Literal["wall", "cpu"]
Streaming = Literal["stop", "disconnect"]
Accept = Literal["on", "required", "off"]
Duplicates = Literal["conflict", "off"]

CHOICES: Dict[str, Tuple[str, ...]] = {
    "disconnect": ("finish", "stop", "auto", "php"),
    "detect": ("watch", "write"),
    "clock": ("wall", "cpu"),
    "streaming": ("stop", "disconnect"),
    "accept": ("on", "required", "off"),
    "duplicates": ("conflict", "off"),
}
DIRECTIVES = {
    "disconnect": "outlive.disconnect",
    "detect": "outlive.detect",
    "clock": "outlive.clock",
    "time_limit": "max_execution_time",
    "max_detached": "outlive.max_detached",
    "max_detached_time": "outlive.max_detached_time",
    "scoreboard": "outlive.scoreboard",
    "accept": "outlive.accept",
    "duplicates": "outlive.duplicates",
}
# The defaults if a keyword is given and no file: waiting time counts, and work for clients that have gone is bounded.
DEFAULTS = {
    "outlive.detect": "watch",
    "outlive.clock": "wall",
    "max_execution_time": "0",
    "outlive.max_detached": "200",
    "outlive.max_detached_time": "300",
}
_MOST_SECONDS = 2**32 - 1


def _checked(name: str, value: Any) -> Any:
    """The value, if this keyword accepts it. ArgumentError."""
    if value is None:
        return value
    choices = CHOICES.get(name)
    if choices is not None:
        if value not in choices:
            near = difflib.get_close_matches(str(value), choices, 1)
            hint = f": did you mean {near[0]!r}?" if near else ": it is one of " + ", ".join(map(repr, choices))
            raise ArgumentError(-1, f"{name}={value!r} is no choice{hint}")
    elif name != "scoreboard":
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_SECONDS:
            what = "requests" if name == "max_detached" else "seconds"
            raise ArgumentError(-1, f"{name}={value!r}: it takes whole {what}, 0 (none at all is set) or more")
    return value


@dataclass(frozen=True)
class Policy:
    """The middleware's keywords; None: not given."""

    disconnect: Optional[Disconnect] = None
    time_limit: Optional[int] = None
    detect: Optional[Detect] = None
    clock: Optional[Clock] = None
    streaming: Optional[Streaming] = None
    max_detached: Optional[int] = None
    max_detached_time: Optional[int] = None
    scoreboard: Optional[str] = None
    accept: Optional[Accept] = None
    duplicates: Optional[Duplicates] = None

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            object.__setattr__(self, name, _checked(name, getattr(self, name)))

    @property
    def said(self) -> Dict[str, str]:
        """As directives."""
        given = ((directive, getattr(self, name)) for name, directive in DIRECTIVES.items())
        return {directive: str(value) for directive, value in given if value is not None}

    def values(self, values: Optional[Mapping[str, Any]], has_files: bool) -> Optional[Dict[str, Any]]:
        """Together with the middleware's `values`, as those of a `Config`. ArgumentError: both say the same thing."""
        said, others = self.said, dict(values or {})
        for directive in said:
            if directive in others:
                raise ArgumentError(-1, f"{directive} is in values and is a keyword, too: say it once")
        if not said and self.streaming is None:
            return None if values is None else others
        return {**({} if has_files else DEFAULTS), **others, **said}

    @property
    def streams_stop(self) -> bool:
        """Whether streaming responses stop when the client has gone, whatever the other keywords say."""
        return self.streaming == "stop" or (self.streaming is None and bool(self.said))


class ViewPolicy:
    """What one view says: a decorator for functions, coroutine functions and classes of views, below the route's decorator.

    It acts from the view's call on, to the request's end; what an administrator's file locks stays as it is. Outside of a request
    a decorated view is just the view.
    """

    __slots__ = ("disconnect", "time_limit", "max_detached_time", "streaming")

    def __init__(
        self,
        disconnect: Optional[Disconnect] = None,
        time_limit: Optional[int] = None,
        max_detached_time: Optional[int] = None,
        streaming: Optional[Streaming] = None,
    ) -> None:
        self.disconnect = _checked("disconnect", disconnect)
        self.time_limit = _checked("time_limit", time_limit)
        self.max_detached_time = _checked("max_detached_time", max_detached_time)
        self.streaming = _checked("streaming", streaming)

    def apply(self) -> None:
        """For places that call functions before a view: FastAPI's `Depends(outlive.stop.apply)`, Flask's and Quart's
        `before_request(outlive.stop.apply)`. A safe point."""
        request = _current.get()
        if request is None or request.ended:
            return
        if self.disconnect is not None:
            self._set(request, "outlive.disconnect", self.disconnect)
            request._streams_stop = False
            if request._host is not None and self.disconnect != "finish":
                request._host.notice_at_once()
        if self.streaming is not None:
            request._streams_stop = self.streaming == "stop"
        if self.max_detached_time is not None:
            self._set(request, "outlive.max_detached_time", str(self.max_detached_time))
        if self.time_limit is not None:
            try:
                request.set_time_limit(self.time_limit)
            except LockedError:
                log.debug("time_limit=%s has no effect: an administrator's file has locked it", self.time_limit)
        request.check()

    @staticmethod
    def _set(request: Request, directive: str, value: str) -> None:
        try:
            request.ini_set(directive, value)
            if directive == "outlive.disconnect" and request.is_gone and not request.ignore_user_abort():
                request._stop_for_the_gone()
        except (LockedError, AccessError):
            log.debug("%s = %s has no effect: an administrator's file has locked it", directive, value)

    def __call__(self, view: V) -> V:
        """The same view, under this policy. TypeError: it is no view."""
        return self._wrapped(view)  # type: ignore[no-any-return]

    def _wrapped(self, view: Any) -> Any:
        wrapped: Any
        if isinstance(view, type):
            return self._class(view)
        if not (inspect.isroutine(view) or isinstance(view, functools.partial)):
            raise TypeError(f"{view!r} is no function: put this decorator below the route's, next to the view")
        if inspect.iscoroutinefunction(view) and _is_coroutine_by_code(view):

            async def wrapped(*args: Any, **kwargs: Any) -> Any:
                self.apply()
                return await view(*args, **kwargs)
        else:

            def wrapped(*args: Any, **kwargs: Any) -> Any:
                self.apply()
                return view(*args, **kwargs)

        try:
            functools.update_wrapper(wrapped, view)
        except AttributeError:
            pass
        return wrapped

    def _class(self, view: Any) -> Any:
        """Django's and Starlette's classes dispatch with `dispatch`, Flask's and Quart's with `dispatch_request`."""
        for name in ("dispatch_request", "dispatch"):
            method = getattr(view, name, None)
            if inspect.isfunction(method):
                setattr(view, name, self(method))
                return view
        raise TypeError(f"{view!r} is no class of views that is known here: decorate its methods")

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__ if getattr(self, name) is not None)
        return f"outlive.policy({said})"


def _is_coroutine_by_code(view: Any) -> bool:
    """Not merely marked as one: then the mark is copied with the rest."""
    while isinstance(view, functools.partial):
        view = view.func
    code = getattr(inspect.unwrap(view) if not hasattr(view, "__code__") else view, "__code__", None)
    return code is not None and bool(code.co_flags & inspect.CO_COROUTINE)


def policy(
    *,
    disconnect: Optional[Disconnect] = None,
    time_limit: Optional[int] = None,
    max_detached_time: Optional[int] = None,
    streaming: Optional[Streaming] = None,
) -> ViewPolicy:
    """For views: `@outlive.policy(disconnect="finish", time_limit=2)`. Other settings stay as in the middleware.

    time_limit: seconds from here on, 0: none; elapsed time where the middleware's `clock` is "wall". streaming: "stop": a streaming
    response ends once its client has gone; "disconnect": it goes on as `disconnect` says. ArgumentError.
    """
    return ViewPolicy(disconnect, time_limit, max_detached_time, streaming)


finish = ViewPolicy(disconnect="finish")
"""For views: the work is finished, even if the client has gone."""

stop = ViewPolicy(disconnect="stop")
"""For views: the work stops at its next safe point once the client has gone."""


async def held() -> AsyncIterator[None]:
    """For FastAPI's `Depends(outlive.held)`: no stop is delivered to the view and to the dependencies before it; a stop that waited is delivered
    after them."""
    request = _current.get()
    if request is None:
        raise NoRequest("no request is current here: is the middleware in place?")
    async with request.hold():
        yield


def text_of(headers: Sequence[Tuple[Any, Any]], wanted: str) -> Optional[str]:
    """A header's value, of either kind of server."""
    for name, value in headers:
        if (name.decode("latin-1") if isinstance(name, bytes) else str(name)).lower() == wanted:
            return value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return None


class Stream:
    """Whether a response streams: its type says so (text/event-stream), or it has no length and a second part. From then on its
    request stops for a client that has gone. A response of one part never streams: its work is done when it is sent."""

    __slots__ = ("request", "parts")

    def __init__(self, request: Request) -> None:
        self.request, self.parts = request, 0

    def started(self, headers: Sequence[Tuple[Any, Any]]) -> None:
        if (text_of(headers, "content-type") or "").lower().startswith("text/event-stream"):
            self._streams()
        elif text_of(headers, "content-length") is not None:
            self.request._streams_stop = False

    def part(self) -> None:
        self.parts += 1
        if self.parts == 2:
            self._streams()

    def _streams(self) -> None:
        request = self.request
        if request._streams_stop and not request.ended:
            request._streams_stop = False
            ViewPolicy._set(request, "outlive.disconnect", "stop")
            request.check()
