"""Spans say what became of a request: by OpenTelemetry's SDK, with the exporter that keeps them in memory, and its own middleware."""

import asyncio
import time

import outlive
import pytest
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware as OpenTelemetryWsgi
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from outlive import asgi, otel, wsgi
from outlive.testing import Client, Ending


class Board:
    def __init__(self):
        self.exporter, self.provider = InMemorySpanExporter(), TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def span(self):
        """The one of the server's."""
        found, = [span for span in self.exporter.get_finished_spans() if span.kind == SpanKind.SERVER]
        return found


def work(path):
    if path == "/fails":
        raise LookupError("seen")
    until = time.monotonic() + (1.0 if path == "/waits" else 0)
    while time.monotonic() < until:
        outlive.check()
        time.sleep(0.01)
    return 503 if path == "/busy" else 200


def blocking(environ, start_response):
    start_response("%d Said" % work(environ["PATH_INFO"]), [("Content-Type", "text/plain")])
    return [b"saved"]


async def awaiting(scope, receive, send):
    await receive()
    if scope["path"] == "/waits":
        await asyncio.sleep(1)
    status = work("/" if scope["path"] == "/waits" else scope["path"])
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"saved"})


@pytest.fixture(params=["wsgi", "asgi"])
def made(request):
    board = Board()

    def make(**policy):
        if request.param == "wsgi":
            inner = OpenTelemetryWsgi(otel.WsgiMiddleware(blocking), tracer_provider=board.provider)
            return Client(wsgi.OutliveMiddleware(inner, **policy))
        inner = OpenTelemetryMiddleware(otel.AsgiMiddleware(awaiting), tracer_provider=board.provider)
        return Client(asgi.OutliveMiddleware(inner, **policy))

    return board, make


def test_completed(made):
    board, make = made
    assert make(disconnect="auto").post("/").result().body == b"saved"
    said = board.span().attributes
    assert (said["outlive.ending"], said["outlive.client.gone"], said["outlive.accepted"]) == ("completed", False, False)


@pytest.mark.parametrize("path", ["/fails", "/busy"])
def test_failures(made, path):
    board, make = made
    assert make(disconnect="auto").post(path).result().ending == Ending.HOST_ERROR
    assert board.span().attributes["outlive.ending"] == "host error"
    assert board.span().status.status_code == StatusCode.ERROR


@pytest.mark.parametrize("decision, ending", [("finish", "completed"), ("stop", "aborted")])
def test_the_client_leaves(made, decision, ending):
    board, make = made
    with make(disconnect=decision).post("/waits") as exchange:
        time.sleep(0.2)
        before = time.time_ns()
        exchange.leave()
        assert str(exchange.result().ending) == ending
    span = board.span()
    assert (span.attributes["outlive.ending"], span.attributes["outlive.client.gone"]) == (ending, True)
    event, = [event for event in span.events if event.name == "outlive.client.gone"]
    assert before - 5e8 < event.timestamp < span.end_time + 1e7
    assert span.attributes["outlive.detached.duration"] < 2
    assert span.status.status_code != StatusCode.ERROR and not [event for event in span.events if event.name == "exception"]


def test_accepted_and_its_key(made):
    class Journal:
        max_body, wants_answer = 1000, False

        def accept(self, submission):
            self.key = submission.key

        def done(self, submission, outcome):
            pass

        failed = again = done

    board, make = made
    journal = Journal()
    assert make(journal=journal).post("/", b"milk").result().ending == Ending.COMPLETED
    said = board.span().attributes
    assert (said["outlive.accepted"], said["outlive.key"]) == (True, journal.key[:8])


def test_without_outlives_middleware():
    board = Board()
    inner = OpenTelemetryMiddleware(otel.AsgiMiddleware(awaiting), tracer_provider=board.provider)
    assert Client(inner).post("/").result().body == b"saved"
    assert "outlive.ending" not in board.span().attributes
