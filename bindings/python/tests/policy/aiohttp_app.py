import os
import sys

import outlive
import outlive.aiohttp
from aiohttp import web
from work import LIMIT, POLICY, awords, awork

routes = web.RouteTableDef()


@routes.post("/finish")
@outlive.finish
async def finish(request):
    return web.Response(text=await awork("finish"))


@routes.post("/stop")
@outlive.stop
async def stop(request):
    return web.Response(text=await awork("stop"))


@routes.post("/limit")
@LIMIT
async def limit(request):
    return web.Response(text=await awork("limit"))


async def auto(request):
    return web.Response(text=await awork("auto-" + request.method))


async def streamed(request, note):
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    async for word in awords(note):
        await response.write(word)
    return response


@routes.post("/events")
async def events(request):
    return await streamed(request, "events")


def main():
    guard = outlive.aiohttp.middleware(**POLICY)
    app = web.Application(middlewares=[guard])
    app.on_shutdown.append(guard.drain)
    app.add_routes(routes)
    app.add_routes([web.get("/auto", auto), web.post("/auto", auto)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), handler_cancellation=os.environ["STORY_VIEW"] == "on", print=None)


if __name__ == "__main__":
    main()
