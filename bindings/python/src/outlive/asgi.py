"""ASGI middleware: the configuration decides what happens to a request whose client has gone.

    from outlive.asgi import OutliveMiddleware
    app = OutliveMiddleware(app, httpd_conf="/etc/apache2/apache2.conf")
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, List, Optional, Tuple

from ._eager import begin_task
from ._exchange import App, Message, Receive, Scope, Send, exchange_of
from ._middleware import AsgiOptions, Middleware, Options, Ways, log, ways_of
from ._notifier import Notifier
from ._own_thread import in_own_thread
from ._targets import from_scope, text
from .config import Config, Settings

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["OutliveMiddleware"]

_running_loop = asyncio._get_running_loop
_NO_ASYNCIO = "outlive needs asyncio's event loop (or uvloop), and this server runs another one, such as trio"


class OutliveMiddleware(Middleware):
    """Gives an ASGI application's HTTP requests PHP's connection handling. WebSockets pass through as they are.

    Needs asyncio (uvloop included). The application runs in a task of its own: when the server cancels, it goes on if the configuration says
    finish, and if it says stop it is cancelled at an await outside of every `outlive.hold()`.
    """

    app: App
    _keywords = frozenset(AsgiOptions.__annotations__)

    def __init__(self, app: App, config: Optional[Config] = None, *, cleanup: float = 5.0, **options: Unpack[Options]) -> None:
        """The keywords of every middleware (`Middleware`), and: cleanup: seconds that a stopped request's clean-up may take before it is cancelled
        again. drain: at lifespan shutdown."""
        super().__init__(app, config, **options)
        self.cleanup = cleanup
        self._has_lifespan = False  # the server has told of one
        self._notifier: Optional[Notifier] = None  # of the loop that came last
        self._notifiers: List[Notifier] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            if _running_loop() is None:
                return await _refuse_loop(receive, send)
            self._has_lifespan = True
            return await _Lifespan(self, receive, send).run(scope)
        if kind != "http":
            return await self.app(scope, receive, send)
        loop = _running_loop()
        if loop is None:
            raise RuntimeError(_NO_ASYNCIO)
        notifier = self._notifier
        if notifier is None or notifier.loop is not loop:
            notifier = self._notifier_of(loop)
        core = self._core
        settings = core.of_all
        if settings is None:
            name = None
            for key, value in scope["headers"]:
                if key == b"host":
                    name = value if type(value) is bytes else text(value)
                    break
            settings = core.of_name.get(name)
        ways: Optional[Ways] = None
        look_up = None
        if settings is not None:
            ways = settings.ways or ways_of(settings)
        elif core.reads_files:  # a disk may be slow, which the loop must not be

            def look_up() -> Tuple[Settings, Ways]:
                found = core.settings(lambda: from_scope(scope, name, core.root), name)
                return found, found.ways or ways_of(found)
        else:
            settings = core.settings(lambda: from_scope(scope, name, core.root), name)
            ways = settings.ways or ways_of(settings)
        exchange = exchange_of(self.app, scope, receive, send, notifier)
        if core.streams_stop:
            exchange.streams_stop = True
        if ways is None or ways[2]:
            exchange.core = core
        engine = core.engine.now or core.engine.get()
        work = exchange.work(engine, settings, ways) if look_up is None else exchange.look_up_and_work(engine, look_up)
        task = begin_task(notifier, exchange, work)
        if exchange.is_over:
            return None if exchange.raised is None else exchange.result()
        await exchange.wait(task)

    def _notifier_of(self, loop: asyncio.AbstractEventLoop) -> Notifier:
        self._notifiers = [notifier for notifier in self._notifiers if not notifier.loop.is_closed()]
        for notifier in self._notifiers:
            if notifier.loop is loop:
                break
        else:
            notifier = Notifier(loop, self.cleanup)
            self._notifiers.append(notifier)
            if not self._has_lifespan:
                self._has_lifespan = True  # said once
                log.warning(
                    "no lifespan event has come (the application is mounted, or the server sends none): call `await middleware.adrain()` where the "
                    "process ends; otherwise requests whose clients have gone end with the process"
                )
        self._notifier = notifier
        return notifier

    async def adrain(self, seconds: Optional[float] = None) -> bool:
        """Waits this many seconds (None: `drain`) for the requests in flight, then tells the rest to stop (SHUTDOWN) and waits two more.
        True: none is left. The lifespan's shutdown does this; call it if the server has no lifespan. Later requests are still served. Blocking
        parts run in a thread, so the loop goes on."""
        drained = await in_own_thread(lambda: Middleware.drain(self, seconds), "outlive-drain")
        close = getattr(self.journal, "aclose", None)
        if close is not None:
            await close()
        return drained

    def drain(self, seconds: Optional[float] = None) -> bool:
        """`adrain` for a thread that no event loop runs in: for hooks of servers. RuntimeError: on a loop, where it would wait for itself."""
        if _running_loop() is not None:
            raise RuntimeError("on an event loop, say: await middleware.adrain()")
        return super().drain(seconds)


async def _refuse_loop(receive: Receive, send: Send) -> None:
    """The server does not start, rather than fail every request."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": _NO_ASYNCIO})


class _Lifespan:
    """Passes the lifespan through, and drains before the application gets the shutdown. For an application without lifespan (Django's), it answers
    itself."""

    def __init__(self, middleware: OutliveMiddleware, receive: Receive, send: Send) -> None:
        self.middleware, self.server_receive, self.server_send = middleware, receive, send
        self.has_answered = False
        self.has_started = False

    async def run(self, scope: Scope) -> None:
        try:
            await self.middleware.app(scope, self.receive, self.send)
        except Exception:
            if self.has_answered:
                raise
        if not self.has_answered:
            await self._answer()

    async def receive(self) -> Message:
        message: Message = await self.server_receive()
        if message["type"] == "lifespan.startup":
            self.has_started = True
        elif message["type"] == "lifespan.shutdown":
            await self._drain()
        return message

    async def send(self, message: Message) -> None:
        self.has_answered = True
        await self.server_send(message)

    async def _answer(self) -> None:
        if not self.has_started:
            await self.server_receive()
        await self.server_send({"type": "lifespan.startup.complete"})
        message = await self.server_receive()
        if message["type"] == "lifespan.shutdown":
            await self._drain()
        await self.server_send({"type": "lifespan.shutdown.complete"})

    async def _drain(self) -> None:
        middleware = self.middleware
        await middleware.adrain()
