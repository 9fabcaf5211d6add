import flask
import flask.views
import outlive
from outlive.wsgi import OutliveMiddleware
from work import KEPT, LIMIT, POLICY, words, work

app = flask.Flask(__name__)


@app.post("/finish")
@outlive.finish
def finish():
    return work("finish")


@app.post("/stop")
@outlive.stop
def stop():
    return work("stop")


@app.post("/limit")
@LIMIT
def limit():
    return work("limit")


@app.route("/auto", methods=["GET", "POST"])
def auto():
    return work("auto-" + flask.request.method)


@app.post("/events")
def events():
    return flask.Response(words("events"), content_type="text/event-stream")


@app.post("/parts")
def parts():
    return flask.Response(words("parts"), content_type="text/plain")


@app.post("/kept")
@KEPT
def kept():
    return flask.Response(words("kept"), content_type="text/event-stream")


@outlive.stop
class Classy(flask.views.MethodView):
    def post(self):
        return work("classy")


app.add_url_rule("/classy", view_func=Classy.as_view("classy"))
below = flask.Blueprint("below", __name__)
below.before_request(outlive.stop.apply)


@below.post("/below")
def view():
    return work("below")


app.register_blueprint(below)
application = OutliveMiddleware(app, **POLICY)
