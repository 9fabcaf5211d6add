"""Streams of HTTP/2, in clear and through TLS."""

import socket

import pytest
from server import Http2, Stopped, over_tls, wait_for
from work import LIMITED, finished, server_for


@pytest.fixture(params=["clear", "tls"])
def connect(request):
    """A client of HTTP/2 for a server."""
    return lambda server: Http2(over_tls(server.tls, ["h2"]) if request.param == "tls" else socket.create_connection(("127.0.0.1", server.port), 60))


def test_each_for_itself(fpm, back, connect):
    """lighttpd itself ends a stream that is reset, and no other; the limit is each one's own."""
    with server_for("stop", fpm, back, more=LIMITED) as server:
        client = connect(server)
        reset, kept = (client.get(f"/work/h{number}?held&silent") for number in (1, 2))
        wait_for("both have begun", lambda: {"h1", "h2"} <= set(back.begun))
        assert server.live()["in_flight"] == 2
        client.reset(reset)
        assert wait_for("h1 is over", lambda: back.ends.get("h1")).startswith("lost")
        late = client.get("/work/h3?held&silent&limit=1")
        client.read(late, b"504")
        wait_for("h2 is alone", lambda: server.live()["in_flight"] == 1)
        assert "h2" not in back.ends and back.ends.get("h3", "lost").startswith("lost"), back.ends
        back.released.add("h2")
        client.read(kept, b"the end")
        assert wait_for("h2 is over", lambda: back.ends.get("h2")) == "done"
        wait_for("nothing is in flight", lambda: server.live()["in_flight"] == 0)
        client.go()


@pytest.mark.parametrize("way", ["reset", "connection"])
@pytest.mark.parametrize("how", ["silent", "size=30000"])
def test_finished(fpm, back, connect, how, way):
    """Streams that are to be finished: reset, or their connection lost; silent and writing. Others on the connection get their answers."""
    with server_for('outlive.disconnect = "auto"', fpm, back, stream=2) as server:
        server.file("www/f.txt", "plain\n")
        client = connect(server)
        first, second = (client.post(f"/work/{path}?held&{how}") for path in ("one", "two"))
        asks, kept = (client.get(f"/work/{path}?held&silent") for path in ("asks", "kept"))
        wait_for("all have begun", lambda: {"one", "two", "asks", "kept"} <= set(back.begun))
        if way == "reset":
            for stream in (first, second, asks):
                client.reset(stream)
            wait_for("two are detached", lambda: server.live()["detached"] == 2)
            back.released.add("kept")
            client.read(kept, b"the end")
            client.read(client.get("/f.txt"), b"plain")
            client.read(client.post("/work/again?steps=1&silent"), b"the end")
        else:
            client.go()
        finished(server, back, "one", "two")
        assert wait_for("asks is over", lambda: back.ends.get("asks")).startswith("lost")
        wait_for("nothing is in flight", lambda: server.live()["in_flight"] == 0)
        if way == "reset":
            client.go()
        text = server.ask("/live?metrics")[2].decode()
        assert 'outlive_requests_ended_total{ending="host_error"} 0' in text, text


def test_submitted_and_lost(fpm, back, connect):
    """A busy lighttpd learns in one turn of requests and of the reset of their connection: they came completely, so they were submitted."""
    with server_for("finish", fpm, back) as server:
        server.file("www/f.txt", "plain\n")
        client = connect(server)
        client.read(client.get("/f.txt"), b"plain")
        with Stopped(server):
            for name in ("one", "two"):
                client.post(f"/work/{name}?held&silent", b"a=b")
            client.go()
        finished(server, back, "one", "two")


@pytest.mark.parametrize("way", ["reset", "connection"])
def test_cap_of_time(fpm, back, connect, way):
    with server_for('outlive.disconnect = "finish"\noutlive.max-detached-time = 1', fpm, back) as server:
        client = connect(server)
        stream = client.post("/work/cap?held&silent")
        wait_for("it has begun", lambda: "cap" in back.begun)
        if way == "reset":
            client.reset(stream)
        else:
            client.go()
        assert wait_for("it is over", lambda: back.ends.get("cap")).startswith("lost")
        wait_for("the log says so", lambda: "/work/cap?held&silent: the client has gone; stopped by a cap: outlive.max-detached-time = 1\n" in server.said())
        wait_for("nothing is in flight", lambda: server.live()["in_flight"] == 0)
        assert "504" not in server.said()
