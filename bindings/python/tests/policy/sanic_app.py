import outlive
import sanic
from outlive.asgi import OutliveMiddleware
from work import LIMIT, POLICY, awords, awork

app = sanic.Sanic("policy")
app.config.RESPONSE_TIMEOUT = 600


@app.post("/finish")
@outlive.finish
async def finish(request):
    return sanic.text(await awork("finish"))


@app.post("/stop")
@outlive.stop
async def stop(request):
    return sanic.text(await awork("stop"))


@app.post("/limit")
@LIMIT
async def limit(request):
    return sanic.text(await awork("limit"))


@app.route("/auto", methods=["GET", "POST"])
async def auto(request):
    return sanic.text(await awork("auto-" + request.method))


@app.post("/events")
async def events(request):
    response = await request.respond(content_type="text/event-stream")
    async for word in awords("events"):
        await response.send(word)


below = sanic.Blueprint("below")


@below.on_request
async def before(request):
    outlive.stop.apply()


@below.post("/below")
async def view(request):
    return sanic.text(await awork("below"))


app.blueprint(below)
asgi_application = OutliveMiddleware(app, **POLICY)
