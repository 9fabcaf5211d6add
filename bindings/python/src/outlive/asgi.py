"""ASGI middleware: what happens to a request whose client has gone is what its configuration says.

    from outlive.asgi import OutliveMiddleware
    app = OutliveMiddleware(app, httpd_conf="/etc/apache2/apache2.conf")
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, List, Mapping, Optional, Sequence, Tuple, Union

from ._eager import begin_task
from ._exchange import App, Exchange, Message, Receive, Scope, Send
from ._notifier import Notifier
from ._policy import Clock, Detect, Disconnect, Policy, Streaming
from ._middleware import MiddlewareCore, in_own_thread, log
from ._targets import from_scope, text
from ._text import Path, Value
from .config import Config, Settings
from .engine import Row

__all__ = ["OutliveMiddleware"]

_NO_ASYNCIO = "outlive needs asyncio's event loop (or uvloop), and this server runs another one, such as trio"


class OutliveMiddleware:
    """Gives an ASGI application's HTTP requests PHP's connection handling. WebSockets pass through as they are.

    Needs asyncio (uvloop included). The application's task is not the server's: when the server cancels, it goes on where
    the configuration says finish, and is cancelled where it says stop, at an await outside of every `outlive.hold()`.
    """

    def __init__(
        self,
        app: App,
        config: Optional[Config] = None,
        *,
        disconnect: Optional[Disconnect] = None,
        time_limit: Optional[int] = None,
        detect: Optional[Detect] = None,
        clock: Optional[Clock] = None,
        streaming: Optional[Streaming] = None,
        max_detached: Optional[int] = None,
        max_detached_time: Optional[int] = None,
        scoreboard: Optional[Path] = None,
        php_ini: Union[None, bool, Path, Sequence[Path]] = None,
        httpd_conf: Union[None, Path, Sequence[Path]] = None,
        values: Optional[Mapping[str, Value]] = None,
        root: Optional[Path] = None,
        drain: float = 10.0,
        cleanup: float = 5.0,
    ) -> None:
        """disconnect, time_limit (seconds) and the other words: the policy, in Python; see README.md. As soon as one of them is given,
        without files, what is not said is: detect="watch", clock="wall", no time limit, max_detached=200, max_detached_time=300, and
        streaming responses stop when the client has gone. The files' way: config, or what one is made of: see `Config`. root: the directory that URLs are files below, for <Directory> sections and
        .htaccess; None: only what Apache's files say of URLs (server, virtual host, <Location>) applies. drain: seconds that
        requests in flight, detached ones included, may take at lifespan shutdown before they are told to stop. cleanup:
        seconds that a stopped request's clean-up may take before it is told again. ConfigError: with file and line."""
        self.app = app
        self.drain_seconds, self.cleanup = drain, cleanup
        self._has_lifespan = False  # the server has told of one
        policy = Policy(
            disconnect, time_limit, detect, clock, streaming, max_detached, max_detached_time, None if scoreboard is None else os.fsdecode(scoreboard)
        )
        self._core = MiddlewareCore(config, php_ini, httpd_conf, values, root, policy)
        self._notifier: Optional[Notifier] = None  # of the loop that came last
        self._notifiers: List[Notifier] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            if asyncio._get_running_loop() is None:
                return await _refuse_loop(receive, send)
            self._has_lifespan = True
            return await _Lifespan(self, receive, send).run(scope)
        if kind != "http":
            return await self.app(scope, receive, send)
        loop = asyncio._get_running_loop()
        if loop is None:
            raise RuntimeError(_NO_ASYNCIO)
        notifier = self._notifier
        if notifier is None or notifier.loop is not loop:
            notifier = self._notifier_of(loop)
        core, name = self._core, None
        for key, value in scope["headers"]:
            if key == b"host":
                name = value if type(value) is bytes else text(value)
                break
        settings = core.of_name.get(name)
        ways: Optional[Tuple[bool, bool]] = None
        look_up = None
        if settings is not None:
            ways = settings.ways or _ways(settings)
        elif core.may_block(scope.get("path")):

            def look_up() -> Tuple[Settings, Tuple[bool, bool]]:
                found = core.settings(lambda: from_scope(scope, name, core.root), name)
                core.has_read(scope["path"])
                return found, found.ways or _ways(found)
        else:
            settings = core.settings(lambda: from_scope(scope, name, core.root), name)
            ways = settings.ways or _ways(settings)
        exchange = Exchange(self.app, scope, receive, send, notifier)
        if core.streams_stop:
            exchange.streams_stop = True
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
                    "outlive was told of no lifespan (the application is mounted, or the server gives none): call `await middleware.adrain()` where "
                    "the process ends, or requests that work on for clients that have gone end with it"
                )
        self._notifier = notifier
        return notifier

    async def adrain(self, seconds: Optional[float] = None) -> bool:
        """Waits so many seconds (None: `drain`) for the requests in flight, then tells the rest to stop (SHUTDOWN) and waits two more.
        True: none is left. The lifespan's shutdown does it; call it where the server gives none. Later requests are served all the
        same. What blocks waits in a thread of its own, so the loop goes on."""
        return await in_own_thread(lambda: self._core.engine.drain(self.drain_seconds if seconds is None else seconds))

    def drain(self, seconds: Optional[float] = None) -> bool:
        """`adrain` for a thread that no event loop runs in: for hooks of servers. RuntimeError: on a loop, where it would wait for itself."""
        if asyncio._get_running_loop() is not None:
            raise RuntimeError("on an event loop, say: await middleware.adrain()")
        return self._core.engine.drain(self.drain_seconds if seconds is None else seconds)

    def requests(self) -> List[Row]:
        """The live table of this process."""
        engine = self._core.engine.now
        return [] if engine is None else engine.requests()

    def metrics(self) -> str:
        """This process's numbers as Prometheus text."""
        return self._core.engine.get().metrics()


def _ways(settings: Settings) -> Tuple[bool, bool]:
    """Whether CPU time counts, and whether a client that has gone is noticed at once; remembered with the settings."""
    ways = settings.ways = (settings.get("outlive.clock").lower() == "cpu", settings.get("outlive.detect").lower() == "watch")
    return ways


async def _refuse_loop(receive: Receive, send: Send) -> None:
    """The server does not start, rather than fail every request."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": _NO_ASYNCIO})


class _Lifespan:
    """Passes the lifespan through, and drains before the application hears of the shutdown. For an application that knows
    no lifespan (Django's), it answers in its place."""

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
