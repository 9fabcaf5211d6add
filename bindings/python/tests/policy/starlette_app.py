import outlive
from outlive.asgi import OutliveMiddleware
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from work import KEPT, LIMIT, POLICY, awords, awork


@outlive.finish
async def finish(request):
    return PlainTextResponse(await awork("finish"))


@outlive.stop
async def stop(request):
    return PlainTextResponse(await awork("stop"))


@LIMIT
async def limit(request):
    return PlainTextResponse(await awork("limit"))


async def auto(request):
    return PlainTextResponse(await awork("auto-" + request.method))


async def events(request):
    return StreamingResponse(awords("events"), media_type="text/event-stream")


async def parts(request):
    return StreamingResponse(awords("parts"), media_type="text/plain")


@KEPT
async def kept(request):
    return StreamingResponse(awords("kept"), media_type="text/event-stream")


@outlive.stop
class Classy(HTTPEndpoint):
    async def post(self, request):
        return PlainTextResponse(await awork("classy"))


views = (finish, stop, limit, events, parts, kept)
routes = [Route("/" + view.__name__, view, methods=["POST"]) for view in views]
routes += [Route("/auto", auto, methods=["GET", "POST"]), Route("/classy", Classy)]
asgi_application = Starlette(routes=routes, middleware=[Middleware(OutliveMiddleware, **POLICY)])
