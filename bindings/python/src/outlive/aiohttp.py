"""aiohttp, with its handlers' cancellation on or off.

    app = web.Application(middlewares=[outlive.aiohttp.middleware(disconnect="auto")])
"""

from __future__ import annotations

import asyncio
from typing import Any, Awaitable, Callable

from .handlers import Handlers, Stopped

try:
    from aiohttp import web
except ImportError as why:
    raise ImportError("outlive.aiohttp is for aiohttp, which is not installed") from why

__all__ = ["middleware"]

# Seconds between two looks at whether the connection is still there, which aiohttp tells nobody where it does not cancel.
LOOK = 0.1


def middleware(*, drain: float = 10.0, **options: Any) -> Any:
    """A middleware for `web.Application(middlewares=[…])`; the first is best. options: the policy, as of the ASGI middleware. drain:
    seconds that requests in flight, detached ones included, may take at the application's clean-up before they are told to stop:
    for applications that have `app.on_shutdown.append(middleware.drain)`.

    A handler that streams ends with its first write to a client that has gone, as always.
    """
    handlers = Handlers(**options)

    @web.middleware
    async def outlive_middleware(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        gone = asyncio.Event()
        watcher = asyncio.ensure_future(_watch(request, gone))
        try:
            return await handlers.run(
                lambda: _handled(request, handler, gone), method=request.method, path=request.path, headers=request.raw_headers, gone=gone,
                scope={"raw_path": request.raw_path.split("?")[0].encode(), "query_string": request.query_string.encode()},
            )
        except Stopped as why:
            return web.Response(status=why.status, text=why.text)
        except ConnectionError:
            if not gone.is_set():
                raise
            return web.Response(status=499)  # which goes nowhere
        finally:
            watcher.cancel()

    async def drained(app: Any) -> None:
        await handlers.drain(drain)

    attached: Any = outlive_middleware
    attached.handlers, attached.drain = handlers, drained
    return attached


async def _handled(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]], gone: asyncio.Event
) -> web.StreamResponse:
    try:
        return await handler(request)
    except ConnectionError:
        if _has_gone(request):
            gone.set()
        raise


def _has_gone(request: web.Request) -> bool:
    transport = request.transport
    return transport is None or transport.is_closing()


async def _watch(request: web.Request, gone: asyncio.Event) -> None:
    while not gone.is_set():
        await asyncio.sleep(LOOK)
        if _has_gone(request):
            gone.set()
