"""A view, the status page and the numbers: the same application for ASGI and for WSGI."""

import os

import outlive
from outlive.asgi import OutliveMiddleware
from outlive.wsgi import OutliveMiddleware as Blocking
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

BOARD = os.environ["BOARD"]


async def view(request):
    return PlainTextResponse("%d" % os.getpid())


async def numbers(request):
    return PlainTextResponse(asgi_application.metrics())


STATUS = outlive.status_app(BOARD, title="the shop")
starlette = Starlette(routes=[Route("/view", view, methods=["POST"]), Route("/numbers", numbers), Mount("/status", STATUS)])
asgi_application = OutliveMiddleware(starlette, disconnect="auto", scoreboard=BOARD)


def flat(environ, start_response):
    if environ["PATH_INFO"].startswith("/status"):
        return STATUS(environ, start_response)
    body = application.metrics() if environ["PATH_INFO"] == "/numbers" else "%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body.encode()]


application = Blocking(flat, disconnect="auto", scoreboard=BOARD)
