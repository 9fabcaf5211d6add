"""One Starlette application three times: bare, under outlive, under a BaseHTTPMiddleware that does nothing."""

import time

from outlive.asgi import OutliveMiddleware
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def hello(request):
    return PlainTextResponse("hello")


async def nothing(request, call_next):
    return await call_next(request)


inner = Starlette(routes=[Route("/{which}", hello)])
APPS = {"/bare": inner, "/outlive": OutliveMiddleware(inner), "/base": BaseHTTPMiddleware(inner, nothing)}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return await APPS["/outlive"](scope, receive, send)
    if scope["path"] == "/cpu":
        return await PlainTextResponse(repr(time.process_time()))(scope, receive, send)
    await APPS[scope["path"]](scope, receive, send)
