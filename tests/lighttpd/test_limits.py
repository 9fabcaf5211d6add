"""Time limits and caps: 504 where nothing was sent, otherwise a response that can be told to be incomplete. The backend hears of it."""

import re

import pytest
from server import backend, rest, wait_for
from work import LIMITED, left, server_for, soon_enough


@pytest.fixture(scope="module")
def server(fpm, shared):
    """Each request says how long it may take."""
    with server_for("", fpm, shared, stream=2, more=LIMITED) as one:
        one.file("run/locked", "")
        yield one


@pytest.fixture(scope="module")
def shared():
    with backend() as one:
        yield one


def test_silent(server, shared):
    for path in ("/work/silent?held&silent&limit=1", "/form.php?name=limit&limit=1"):
        assert server.ask(path)[0] == 504, path
    assert wait_for("the backend is over", lambda: shared.ends.get("silent", "lost")).startswith("lost")
    assert len(re.findall("stopped, as outlive.time-limit = 1 says", server.said())) == 2, server.said()


def test_script(server):
    """504 for a CGI script that has begun. It hears of the limit."""
    def attempt(limit):
        assert server.ask(f"/cgi/work.py?name=script{limit}&silent&limit={limit}")[0] == 504
        if not (server.root / f"run/script{limit}.begun").exists():
            return False
        assert left(server, f"script{limit}") == "lost"
        return True
    soon_enough("the script begins", attempt)


def test_response(server, shared):
    """A response that has begun can be told to be incomplete."""
    def attempt(limit):
        client = server.client(f"/work/begun{limit}?steps=2000&pause=0.05&limit={limit}")
        seen = rest(client.socket)
        client.go()
        if seen.startswith(b"HTTP/1.1 504") or b"step 1" not in seen:
            return False
        assert seen.startswith(b"HTTP/1.1 200") and not seen.endswith(b"0\r\n\r\n"), seen[-200:]
        assert wait_for("the backend is over", lambda: shared.ends.get(f"begun{limit}")).startswith("lost")
        return True
    soon_enough("a response begins", attempt)


def test_gathered(fpm, back):
    """What was gathered so far is not sent as if it were the whole."""
    with server_for("", fpm, back, stream=0, more=LIMITED) as server:
        def attempt(limit):
            name = f"gathered{limit}"
            status, _, body = server.ask(f"/work/{name}?steps=2000&pause=0.05&limit={limit}")
            assert status == 504 and b"step" not in body, (status, body)
            if name not in back.begun:
                return False
            return wait_for("the backend is over", lambda: back.ends.get(name)) not in ("lost", "lost 0")
        soon_enough("the backend's second step", attempt)
        status, _, body = server.ask("/work/after?steps=2&pause=0.05")  # the backend is none the worse for it
        assert status == 200 and b"the end" in body, (status, body)


def test_detached(fpm, back):
    """A limit holds for what works on without its client, too."""
    with server_for("finish", fpm, back, more=LIMITED) as server:
        def attempt(limit):
            name = f"detached{limit}"
            client = server.client(f"/work/{name}?held&silent&limit={limit}")
            if wait_for("it has begun", lambda: back.begun.get(name) or f"time-limit = {limit} says" in server.said()) is not True:
                return False
            client.go()
            detached = wait_for("it is detached", lambda: (server.live()["detached"] == 1 and "detached") or name in back.ends)
            assert wait_for("the backend is over", lambda: back.ends.get(name)).startswith("lost")
            return detached == "detached"
        soon_enough("the client goes", attempt)


def test_cap(fpm, back):
    """Of all workers together."""
    with server_for("finish", fpm, back, more='server.max-worker = 3\noutlive.max-detached = 2\n') as server:
        names = [f"cap{number}" for number in range(6)]
        clients = [server.client(f"/work/{name}?held&silent") for name in names]
        wait_for("all have begun", lambda: set(names) <= set(back.begun))
        assert server.live()["notes"] == [] and server.live()["in_flight"] == 6
        status, headers, _ = server.ask("/live?metrics")
        assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4"), (status, headers)
        # Each worker says four times a second what it has.
        wait_for("the series count them all", lambda: b"\noutlive_requests_in_flight 6\n" in server.ask("/live?metrics")[2])
        status, headers, body = server.ask("/live")
        assert status == 200 and headers["Content-Type"].startswith("text/html") and b"lighttpd" in body and b"/work/cap5" in body, body
        for client in clients:
            client.go()
        wait_for("what is beyond the cap has stopped", lambda: sum(back.ends.get(name, "").startswith("lost") for name in names) == 4)
        wait_for("the log says so", lambda: server.said().count("the client has gone; stopped by a cap: outlive.max-detached = 2\n") == 4)
        wait_for("two work on", lambda: server.live()["in_flight"] == server.live()["detached"] == 2)
        back.released.update(names)
        wait_for("the others work on", lambda: sum(back.ends.get(name) == "done" for name in names) == 2)


def test_cap_of_time(fpm, back):
    with server_for("finish", fpm, back, more='server.max-worker = 3\noutlive.max-detached = 9\noutlive.max-detached-time = 1\n') as server:
        client = server.client("/work/long?held&silent")
        wait_for("it has begun", lambda: "long" in back.begun)
        client.go()
        assert wait_for("its time is over", lambda: back.ends.get("long")).startswith("lost")
        wait_for("the log says so", lambda: "stopped by a cap: outlive.max-detached = 9 or outlive.max-detached-time = 1\n" in server.said())
        wait_for("nothing is in flight", lambda: server.live()["in_flight"] == 0)
