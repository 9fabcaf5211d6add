"""The fixtures as a user's tests have them: Flask, FastAPI and Django without a server."""

import asyncio
import time

import fastapi
import fastapi.testclient
import flask
import outlive
import outlive.asgi
import outlive.testing
import outlive.wsgi
import pytest
from outlive.testing import Ending, time_is_up
from starlette.testclient import TestClient

written = []


def work(note):
    del written[:]
    for table in "AB":
        written.append(table)
        until = time.monotonic() + 1.0
        while time.monotonic() < until and not outlive.current().is_gone:
            outlive.check()
            time.sleep(0.01)
        outlive.check()
    return note


async def awork(note):
    del written[:]
    for table in "AB":
        written.append(table)
        until = time.monotonic() + 1.0
        while time.monotonic() < until and not outlive.connection_aborted():
            await asyncio.sleep(0.01)
    return note


def blocking():
    app = flask.Flask(__name__)
    app.post("/finish")(outlive.finish(lambda: work("finish")))
    app.add_url_rule("/stop", "stop", outlive.stop(lambda: work("stop")), methods=["POST"])
    return outlive.wsgi.OutliveMiddleware(app, disconnect="auto")


def asynchronous():
    app = fastapi.FastAPI()

    @app.post("/finish")
    @outlive.finish
    async def finish():
        return await awork("finish")

    @app.post("/stop")
    @outlive.stop
    async def stop():
        return await awork("stop")

    return outlive.asgi.OutliveMiddleware(app, disconnect="auto")


@pytest.fixture(params=[blocking, asynchronous])
def client(request, outlive_client):
    return outlive_client(request.param())


def test_finish(client):
    with client.post("/finish") as exchange:
        exchange.leave()
        assert exchange.result().ending == Ending.COMPLETED
    assert written == ["A", "B"]


def test_stop(client):
    with client.post("/stop") as exchange:
        exchange.leave()
        answer = exchange.result()
    assert (answer.ending, answer.body, written) == (Ending.ABORTED, b"", ["A"])


def test_a_client_that_stays(client):
    answer = client.post("/stop").result()
    assert answer.status == 200 and b"stop" in answer.body and answer.ending == Ending.COMPLETED


def test_time_is_up(client):
    with client.post("/finish") as exchange:
        exchange.time_is_up()
        answer = exchange.result()
    assert (answer.status, answer.body, answer.ending) == (500, b"stopped: time limit\n", Ending.TIME_LIMIT)


def test_a_current_request(outlive_request):
    with pytest.raises(outlive.Stop), outlive.hold():
        outlive_request.client_gone()
        outlive.check()
        written.append("held")
    assert outlive_request.ending == Ending.ABORTED


def test_a_limit_of_a_current_request():
    with outlive.testing.request() as request:
        time_is_up(request)
        while True:
            outlive.check()
    assert request.ending == Ending.TIME_LIMIT


def test_starlettes_client_needs_no_server():
    assert TestClient(asynchronous()).post("/finish").json() == "finish"


def test_flasks_client_needs_no_server():
    app = flask.Flask(__name__)
    app.post("/")(outlive.finish(lambda: "saved"))
    app.wsgi_app = outlive.wsgi.OutliveMiddleware(app.wsgi_app, disconnect="auto")
    assert app.test_client().post("/").data == b"saved"


def test_without_the_middleware(outlive_client):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    exchange = outlive_client(app).get("/")
    assert (exchange.result().status, exchange.result().ending) == (204, Ending.NONE)
    with pytest.raises(LookupError, match="is the middleware in place"):
        exchange.request
