import fastapi
import fastapi.responses
import outlive
from outlive.asgi import OutliveMiddleware
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from work import KEPT, LIMIT, POLICY, awords, awork, mark, work

app = fastapi.FastAPI()


@app.post("/finish")
@outlive.finish
async def finish(note: str = "finish"):
    return await awork(note)


@app.post("/stop")
@outlive.stop
async def stop():
    return await awork("stop")


@app.post("/blocking")
@outlive.stop
def blocking():
    return work("blocking")


@app.post("/limit")
@LIMIT
async def limit():
    return await awork("limit")


@app.api_route("/auto", methods=["GET", "POST"])
async def auto(request: fastapi.Request):
    return await awork("auto-" + request.method)


@app.post("/events")
async def events():
    return fastapi.responses.StreamingResponse(awords("events"), media_type="text/event-stream")


@app.post("/parts")
async def parts():
    return fastapi.responses.StreamingResponse(awords("parts"), media_type="text/plain")


@app.post("/kept")
@KEPT
async def kept():
    return fastapi.responses.StreamingResponse(awords("kept"), media_type="text/event-stream")


@app.post("/held", dependencies=[fastapi.Depends(outlive.stop.apply), fastapi.Depends(outlive.held)])
async def held():
    await awork("held")
    mark("held", "in one piece")


@app.post("/below", dependencies=[fastapi.Depends(outlive.stop.apply)])
async def below():
    return await awork("below")


@outlive.stop
class Classy(HTTPEndpoint):
    async def post(self, request):
        return PlainTextResponse(await awork("classy"))


app.router.add_route("/classy", Classy)
asgi_application = OutliveMiddleware(app, **POLICY)
