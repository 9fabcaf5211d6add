import outlive
from litestar import Controller, Litestar, Request, post, route
from litestar.response import Stream
from outlive.asgi import OutliveMiddleware
from work import KEPT, LIMIT, POLICY, awords, awork


@post("/finish")
@outlive.finish
async def finish() -> str:
    return await awork("finish")


@post("/stop")
@outlive.stop
async def stop() -> str:
    return await awork("stop")


@post("/limit")
@LIMIT
async def limit() -> str:
    return await awork("limit")


@route("/auto", http_method=["GET", "POST"])
async def auto(request: Request) -> str:
    return await awork("auto-" + request.method)


@post("/events")
async def events() -> Stream:
    return Stream(awords("events"), media_type="text/event-stream")


@post("/parts")
async def parts() -> Stream:
    return Stream(awords("parts"), media_type="text/plain")


@post("/kept")
@KEPT
async def kept() -> Stream:
    return Stream(awords("kept"), media_type="text/event-stream")


class Classy(Controller):
    path = "/classy"

    @post()
    @outlive.stop
    async def save(self) -> str:
        return await awork("classy")


asgi_application = OutliveMiddleware(Litestar([finish, stop, limit, auto, events, parts, kept, Classy]), **POLICY)
