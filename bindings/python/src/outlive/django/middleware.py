"""The class for Django's MIDDLEWARE, under WSGI and under ASGI."""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Dict, Iterable, Optional

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import FileResponse, HttpResponse

from .._policy import Stream, ViewPolicy
from ..errors import ArgumentError, Error
from ..handlers import Handlers, Stopped
from ..request import _current
from ..enums import Ending
from ..wsgi import OutliveMiddleware as Guard
from .options import options


class OutliveMiddleware:
    """Runs what stands below it in MIDDLEWARE, and the view, as settings.OUTLIVE and the view's own decorators say.

    Where the whole application is wrapped already, it does nothing. Under ASGI, Django cancels a view whose client has gone: that
    reaches this class and ends here, and Django's own task waits until the work is over. The response is not complete before
    the view has returned: `outlive.finish_request` needs the wrapped application (`get_wsgi_application`, `get_asgi_application`).
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if options().get("journal") is not None:
            raise ArgumentError(
                -1, "OUTLIVE[\"journal\"]: the class in MIDDLEWARE does not see what is submitted: use outlive.django.get_wsgi_application or "
                "get_asgi_application in its place"
            )
        self.guard: Optional[Guard] = None
        if self.is_async:
            markcoroutinefunction(self)
            self.handlers = Handlers(**options(is_async=True))
        else:
            self.guard = Guard(self._blocking, **options())

    def __call__(self, request: Any) -> Any:
        if _current.get() is not None:
            return self.get_response(request)
        return self._awaiting(request) if self.is_async else self._guarded(request)

    def process_exception(self, request: Any, exception: Exception) -> None:
        """Django answers with an error: the request has failed."""
        request._outlive_failed = True

    @staticmethod
    def _tell_failure(request: Any) -> None:
        current = _current.get()
        if getattr(request, "_outlive_failed", False) and current is not None:
            try:
                current.exit(Ending.HOST_ERROR)
            except Error:
                pass

    # ---- WSGI ----

    def _guarded(self, request: Any) -> Any:
        """The middleware for WSGI, asked from within: what would go to the server is put into Django's response."""
        started: Dict[str, Any] = {}

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
            started["status"] = int(status.split()[0])
            return _cannot_write

        environ = {**request.META, "outlive.request": request}
        environ.pop("wsgi.file_wrapper", None)
        assert self.guard is not None
        result: Any = self.guard(environ, start_response)
        response = environ.get("outlive.response")
        if response is None:  # it was stopped
            response = HttpResponse(b"".join(result), status=started.get("status", 500), content_type="text/plain")
            result.close()
        elif _streams(response) and not response.is_async:
            response.streaming_content = result
            closers = response._resource_closers
            closers.insert(0, closers.pop())  # its close, before the parts' own: what is left of them may have to be worked off
        else:
            for _ in result:
                pass
            response._resource_closers.append(result.close)
        return response

    def _blocking(self, environ: Dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = environ["outlive.request"]
        response = self.get_response(request)
        streams = _streams(response) and not response.is_async
        parts = iter(response.streaming_content) if streams else ()
        if streams:
            start_response(f"{response.status_code} Streaming", list(response.items()))
        environ["outlive.response"] = response
        self._tell_failure(request)
        return parts

    # ---- ASGI ----

    async def _awaiting(self, request: Any) -> Any:
        gone = asyncio.Event()
        scope = _plain(request)
        try:
            return await self.handlers.run(
                lambda: self._respond(request, gone), method=request.method, path=request.path, gone=gone, scope=scope
            )
        except Stopped as why:
            return HttpResponse(why.text, status=why.status, content_type="text/plain")

    async def _respond(self, request: Any, gone: asyncio.Event) -> Any:
        response = await self.get_response(request)
        self._tell_failure(request)
        if _streams(response) and response.is_async:
            response.streaming_content = await self._streamed(request, response, gone)
        return response

    async def _streamed(self, request: Any, response: Any, gone: asyncio.Event) -> AsyncIterator[bytes]:
        """The parts come from work of their own, under the same policy as the view: Django reads them from a queue."""
        parts = response.streaming_content
        view = _current.get()
        assert view is not None
        ruled, stops = view._streams_stop, view.ini_get("outlive.disconnect")
        queue: asyncio.Queue[Optional[bytes]] = asyncio.Queue()
        room = asyncio.Semaphore(1)
        left = asyncio.Event()

        async def produce() -> None:
            current = _current.get()
            assert current is not None
            current._streams_stop = ruled
            ViewPolicy._set(current, "outlive.disconnect", stops)
            stream = Stream(current)
            try:
                if ruled:
                    stream.started(list(response.items()))
                async for part in parts:
                    if ruled:
                        stream.part()
                    current.check()
                    if not left.is_set():
                        await room.acquire()
                        queue.put_nowait(part)
            finally:
                queue.put_nowait(None)
                close = getattr(parts, "aclose", None)
                if close is not None:
                    await close()

        running = asyncio.ensure_future(self.handlers.run(produce, method=request.method, path=request.path, gone=left, scope=_plain(request)))

        async def consume() -> AsyncIterator[bytes]:
            ended = False
            try:
                while True:
                    part = await queue.get()
                    room.release()
                    if part is None:
                        ended = True
                        break
                    yield part
                try:
                    await running
                except Stopped:
                    pass
            finally:
                if not ended:
                    left.set()
                    room.release()
                    running.add_done_callback(_forget)

        return consume()


def _plain(request: Any) -> Dict[str, Any]:
    return {name: value for name, value in request.scope.items() if name not in ("method", "path", "extensions")}


def _forget(task: Any) -> None:
    if not task.cancelled():
        task.exception()


def _streams(response: Any) -> bool:
    return bool(response.streaming) and not isinstance(response, FileResponse)


def _cannot_write(data: bytes) -> None:
    raise RuntimeError(
        "a class in MIDDLEWARE cannot complete the response early: use outlive.django.get_wsgi_application or get_asgi_application"
    )
