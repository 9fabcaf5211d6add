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


def plain_wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


INNER = Starlette(routes=[Route("/{which:path}", hello)])
MIDDLEWARE = {"/outlive": OutliveMiddleware(INNER), "/base": BaseHTTPMiddleware(INNER, nothing)}
APPS = {"/bare": INNER, **MIDDLEWARE}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return await APPS["/outlive"](scope, receive, send)
    if scope["path"] == "/cpu":
        return await PlainTextResponse(repr(time.process_time()))(scope, receive, send)
    await APPS[scope["path"]](scope, receive, send)
