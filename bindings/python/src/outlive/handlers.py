"""For servers that are neither WSGI nor ASGI, and for frameworks from within: one coroutine function is the request's work.

    handlers = Handlers(disconnect="auto")
    answer = await handlers.run(work, method="POST", path="/save", gone=event)
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Dict, Generic, List, Mapping, Optional, Sequence, Set, Tuple, TypeVar

from ._middleware import AsgiOptions
from .asgi import OutliveMiddleware
from .engine import Row
from .errors import ArgumentError, Error
from .php_api import current
from .enums import Ending

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Handlers", "Stopped"]

T = TypeVar("T")


class Stopped(Exception):
    """The work was stopped before there was an answer. `status` is what a client that is still there should get: 500, or 503 where
    the server ends."""

    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text
        super().__init__(text.strip())


class Handlers:
    """Work that runs as requests do under the ASGI middleware, by the same policy; keywords as there. Needs asyncio."""

    def __init__(self, **options: Unpack[AsgiOptions]) -> None:
        if options.get("journal") is not None or options.get("accept") == "required":
            raise ArgumentError(-1, "journal=: what is submitted is not seen from here; put outlive.asgi.OutliveMiddleware around the application")
        self.guard = OutliveMiddleware(_work, **options)
        self.guard._has_lifespan = True  # whoever runs these drains them himself
        self._tasks: Set[asyncio.Task[None]] = set()

    async def run(
        self,
        work: Callable[[], Awaitable[T]],
        *,
        method: str,
        path: str,
        headers: Sequence[Tuple[bytes, bytes]] = (),
        gone: Optional[asyncio.Event] = None,
        scope: Optional[Mapping[str, Any]] = None,
    ) -> T:
        """Returns what `work` returns, at once; its shutdown functions run after that. Stopped: the work was stopped and returned nothing.

        gone: set it when the client has gone. When the caller is cancelled, the client counts as gone, too, and the cancellation takes effect once
        the work is over, as the policy says. headers, scope: for the conditions of Apache's files.
        """
        call = _Call(work, gone or asyncio.Event())
        asked: Dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "query_string": b"", "headers": headers,
            **(scope or {}), "method": method, "path": path, "outlive.call": call,
        }
        outer = asyncio.ensure_future(self.guard(asked, call.receive, call.send))
        self._tasks.add(outer)
        outer.add_done_callback(self._over)
        cancelled: Optional[asyncio.CancelledError] = None
        while not outer.done() and (cancelled is not None or not call.answer.done()):
            try:
                awaited: List[asyncio.Future[Any]] = [outer] if cancelled is not None else [outer, call.answer]
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError as why:
                cancelled = why
                call.gone.set()
        if cancelled is not None:
            raise cancelled
        if not call.answer.done():
            outer.result()
            raise Stopped(call.status, call.body.decode())
        answer: T = call.answer.result()
        return answer

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # the caller has been told, or it was logged

    async def drain(self, seconds: float = 10.0) -> bool:
        """At the server's end: waits this many seconds for requests in flight, then tells them to stop. False: something still runs."""
        return await self.guard.adrain(seconds)

    def requests(self) -> List[Row]:
        """The live table of this process."""
        return self.guard.requests()

    def metrics(self) -> str:
        """Numbers as Prometheus text: of all processes that share the scoreboard; without one, of this process."""
        return self.guard.metrics()


class _Call(Generic[T]):
    """One run: its work as the application of an exchange, and the caller as the server."""

    def __init__(self, work: Callable[[], Awaitable[T]], gone: asyncio.Event) -> None:
        self.work, self.gone = work, gone
        self.answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.has_sent_body = False
        self.status, self.body = 500, b"stopped\n"

    async def receive(self) -> Dict[str, Any]:
        if not self.has_sent_body:
            self.has_sent_body = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Dict[str, Any]) -> None:
        """The middleware's answer for a stopped request."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body = message.get("body", b"")


async def _work(scope: Any, receive: Any, send: Any) -> None:
    call: _Call[Any] = scope["outlive.call"]
    await receive()  # a body that is there: from here on a client can only leave
    try:
        answer = await call.work()
    except Exception as why:
        # The caller gets it, and answers; the request has failed, unless it is its client that has.
        if not call.answer.done():
            call.answer.set_exception(why)
        request = current()
        if isinstance(why, ConnectionError) and call.gone.is_set():
            request.client_gone()
        try:
            request.exit(Ending.ABORTED if isinstance(why, ConnectionError) and call.gone.is_set() else Ending.HOST_ERROR)
        except Error:
            pass
    else:
        if not call.answer.done():
            call.answer.set_result(answer)
