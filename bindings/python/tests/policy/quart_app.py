import outlive
import quart
import quart.views
from outlive.asgi import OutliveMiddleware
from work import KEPT, LIMIT, POLICY, awords, awork

app = quart.Quart(__name__)
app.config["RESPONSE_TIMEOUT"] = None


@app.post("/finish")
@outlive.finish
async def finish():
    return await awork("finish")


@app.post("/stop")
@outlive.stop
async def stop():
    return await awork("stop")


@app.post("/limit")
@LIMIT
async def limit():
    return await awork("limit")


@app.route("/auto", methods=["GET", "POST"])
async def auto():
    return await awork("auto-" + quart.request.method)


@app.post("/events")
async def events():
    return quart.Response(awords("events"), content_type="text/event-stream")


@app.post("/parts")
async def parts():
    return quart.Response(awords("parts"), content_type="text/plain")


@app.post("/kept")
@KEPT
async def kept():
    return quart.Response(awords("kept"), content_type="text/event-stream")


@outlive.stop
class Classy(quart.views.MethodView):
    async def post(self):
        return await awork("classy")


app.add_url_rule("/classy", view_func=Classy.as_view("classy"))
below = quart.Blueprint("below", __name__)
below.before_request(outlive.stop.apply)


@below.post("/below")
async def view():
    return await awork("below")


app.register_blueprint(below)
app.asgi_app = OutliveMiddleware(app.asgi_app, **POLICY)
asgi_application = app
