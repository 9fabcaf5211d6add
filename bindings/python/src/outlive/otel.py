"""OpenTelemetry: notes the outcome of a request on its span. It stands inside of OpenTelemetry's own middleware, and that inside of outlive's,
so that the span is open for as long as the work goes on for a client that has gone:

    app = outlive.otel.AsgiMiddleware(app)                # innermost
    app = OpenTelemetryMiddleware(app)
    app = outlive.asgi.OutliveMiddleware(app, …)          # outermost

On the span: `outlive.ending`, `outlive.client.gone`, `outlive.accepted`, `outlive.key` (its first eight digits), `outlive.detached.duration` (seconds), and
an event `outlive.client.gone` at the time when the client went. A client that leaves is no error, and neither is a stop.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Callable, Iterable, Iterator, Optional

from ._tasks import has_stop
from .enums import Ending
from .errors import Error, Stop
from .request import Request, _current

try:
    from opentelemetry import trace
except ImportError as why:
    raise ImportError("outlive.otel is for OpenTelemetry, which is not installed: pip install opentelemetry-api") from why

__all__ = ["AsgiMiddleware", "WsgiMiddleware"]


class AsgiMiddleware:
    """For ASGI applications, inside of OpenTelemetry's middleware."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = _current.get()
        if scope["type"] != "http" or request is None:
            return await self.app(scope, receive, send)  # type: ignore[no-any-return]
        span, failed = trace.get_current_span(), False

        async def noting(message: Any) -> None:
            nonlocal failed
            if message["type"] == "http.response.start" and message["status"] >= 500:
                failed = True
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                _tell(span, request, failed)  # OpenTelemetry's middleware ends the span with the last part
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except BaseException as why:
            stops = has_stop(why) or isinstance(why, asyncio.CancelledError) and _should_stop(request)
            _tell(span, request, isinstance(why, Exception) and not stops)
            if not stops:
                raise
            # OpenTelemetry would take it for an error; outlive's middleware knows that it has stopped.
        else:
            _tell(span, request, failed)


class WsgiMiddleware:
    """For WSGI applications, inside of OpenTelemetry's middleware."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = _current.get()
        if request is None:
            return self.app(environ, start_response)  # type: ignore[no-any-return]
        parts = _Parts(request)

        def started(status: str, headers: Any, exc_info: Any = None) -> Any:
            parts.failed = status[:1] == "5"
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        try:
            parts.given = self.app(environ, started)
            parts.each = iter(parts.given)
        except BaseException as why:
            parts.raised(why)
            raise
        return parts


class _Parts:
    """A response, at whose end its span is told what became of it."""

    given: Any = None
    failed = False

    def __init__(self, request: Request) -> None:
        self.request, self.span = request, trace.get_current_span()
        self.each: Iterator[bytes] = iter(())
        self.is_told = False

    def __iter__(self) -> _Parts:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self.each)
        except StopIteration:
            raise
        except BaseException as why:
            self.raised(why)
            raise

    def close(self) -> None:
        try:
            if hasattr(self.given, "close"):
                self.given.close()
        finally:
            self.tell(self.failed)

    def raised(self, why: BaseException) -> None:
        self.tell(isinstance(why, Exception))
        if isinstance(why, Stop):
            self.span.end()  # OpenTelemetry's middleware ends it for an Exception only

    def tell(self, failed: bool) -> None:
        if not self.is_told:
            self.is_told = True
            _tell(self.span, self.request, failed)


def _should_stop(request: Request) -> bool:
    try:
        return request.should_stop()
    except (Error, Stop):
        return True


def _tell(span: Any, request: Request, failed: bool) -> None:
    """failed: an exception, or an answer of 5xx. The shutdown functions come behind it."""
    if not span.is_recording():
        return
    ending = request.ending
    if ending == Ending.NONE:
        ending = Ending.HOST_ERROR if failed else Ending.FINISHED if request._finished else Ending.COMPLETED
    span.set_attribute("outlive.ending", str(ending))
    span.set_attribute("outlive.accepted", request.accepted)
    if request.key:
        span.set_attribute("outlive.key", request.key[:8].decode("utf-8", "replace"))
    gone = _gone_for(request)
    span.set_attribute("outlive.client.gone", gone is not None)
    if gone is not None:
        span.set_attribute("outlive.detached.duration", gone)
        span.add_event("outlive.client.gone", timestamp=time.time_ns() - int(gone * 1e9))


def _gone_for(request: Request) -> Optional[float]:
    """Seconds since its client went; None: it is there."""
    try:
        if not request.is_gone:
            return None
        number = request.id
    except (Error, Stop):
        return None
    engine: Any = request._engine
    return next((row.gone for row in engine.requests() if row.id == number), 0.0)
