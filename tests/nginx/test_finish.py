"""What was submitted is finished, or stopped at once, whichever way its client goes and whatever nginx is doing at that moment. Work is held until nginx
has noticed."""

import concurrent.futures
import itertools
import socket
import time

import pytest
from places import CONF
from server import Nginx, Stalled, Stream, connect, ended, finish, go, over_tls, rest, submit, wait_for

ENDS = {"finish": "done", "raw": "done", "stream": "done", "small": "done", "stop": "lost", "off": "lost"}


@pytest.fixture(scope="module")
def nginx(back):
    with Nginx(CONF.replace("@BACKEND@", str(back.port)), http="client_max_body_size 10m;", tls=True) as one:
        yield one


def way(nginx, back, place, silent, how):
    name, end = f"{place}-{how}{silent[1:]}", ENDS[place]
    path = f"/{place}/{name}"
    client = nginx.client(f"{path}?held{silent}", "POST", b"x=1")
    if silent or place == "small":
        wait_for(f"{name} has begun", lambda: name in back.begun)
    else:
        client.read(b"step 0")
    go(client, how)
    if end == "done":
        nginx.noticed(path)
        time.sleep(0.11)  # so long it works without its client, at least: the access log has the time
        back.released.add(name)
    assert ended(back, name) == end, (name, back.ends[name])
    line = nginx.log_line(path).split()
    if place == "off":
        assert line[2:] == ["-", "-", "-"], line
        return
    assert line[2:4] == (["completed", "1"] if end == "done" else ["aborted", "1"]), (name, line)
    assert end == "lost" or float(line[4]) > 0.1, (name, line)
    # One line of ours for each client that went, with what decided.
    nginx.noticed(path, f"the request goes on: outlive_disconnect finish in {nginx.conf}" if end == "done" else f"stopped: outlive_disconnect stop in {nginx.conf}")
    if how == "half-close":
        whole = rest(client.socket).endswith(b"0\r\n\r\n")
        assert whole == (end == "done"), f"{name}: the answer was {'complete' if whole else 'cut'}"


WAYS = list(itertools.product(ENDS, ("", "&silent"), ("reset", "close", "half-close")))


@pytest.fixture(scope="module")
def ways(nginx, back):
    """What went wrong in each: many at once."""
    with concurrent.futures.ThreadPoolExecutor(18) as pool:
        begun = {one: pool.submit(way, nginx, back, *one) for one in WAYS}
    return {one: future.exception() for one, future in begun.items()}


@pytest.mark.parametrize("place, silent, how", WAYS)
def test_way(ways, place, silent, how):
    """HTTP/1.1: reset, closed, half-closed, while the server writes and while it is silent."""
    if error := ways[place, silent, how]:
        raise error


@pytest.mark.parametrize("method, body, end", [("GET", b"", "lost"), ("POST", b"x=1", "done")])
def test_method(nginx, back, method, body, end):
    client = nginx.client(f"/auto/{method}?held", method, body)
    client.read(b"step 0")
    client.go()
    if end == "done":
        finish(nginx, back, f"/auto/{method}")
    else:
        assert ended(back, method) == end, back.ends[method]


def test_rate(nginx, back):
    """limit_rate is for clients: what works without one is not slowed down."""
    client = nginx.client("/slow/rate?held&size=20000")
    client.read(b"200 OK")
    client.go()
    finish(nginx, back, "/slow/rate")
    assert nginx.log_line("/slow/rate").split()[2:4] == ["completed", "1"]


@pytest.mark.parametrize("place", ["raw", "small"])
def test_stalled(nginx, back, place):
    """A client that stays, and reads nothing: send_timeout is its end, and not that of the work."""
    client = Stalled(nginx.port, f"/{place}/stalled-{place}?steps=300&pause=0.005&size=40000")
    assert ended(back, f"stalled-{place}") == "done"
    assert nginx.log_line(f"/{place}/stalled-{place}").split()[2:4] == ["completed", "1"], nginx.logged(f"/{place}/stalled-{place}")
    client.go()


@pytest.mark.parametrize("place, end", [("finish", "done"), ("raw", "done"), ("stream", "done"), ("stop", "lost")])
@pytest.mark.parametrize("kind", ["h2c", "h2"])
def test_streams(nginx, back, kind, place, end):
    """HTTP/2, in clear and through TLS: a stream that is reset beside one that is not, and the whole connection."""
    def over(number):
        path = f"/{place}/{name}{number}"
        if end == "done":
            finish(nginx, back, path)
        else:
            assert ended(back, f"{name}{number}") == end, back.ends
    name = f"{kind}-{place}"
    client = Stream(connect(nginx.h2c) if kind == "h2c" else over_tls(nginx.tls, ("h2",)))
    writing = client.post(f"/{place}/{name}1?held", b"x=1")
    client.get(f"/{place}/{name}2?held&silent")
    kept = client.get(f"/{place}/{name}3?held")
    client.read(writing, b"step 1")
    wait_for("the silent one has begun", lambda: f"{name}2" in back.begun)
    client.reset(writing)
    client.reset(writing + 2)
    over(1)
    over(2)
    back.released.add(f"{name}3")
    client.read(kept, b"the end")
    last = client.post(f"/{place}/{name}4?held", b"x=1")
    client.read(last, b"step 1")
    client.go()
    over(4)


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("place, end", [("finish", "done"), ("raw", "done"), ("stop", "lost")])
def test_tls(nginx, back, place, end, how):
    name = f"tls-{place}-{how}"
    client = submit(nginx, f"/{place}/{name}?held", b"Content-Length: 3\r\n\r\nx=1", over_tls(nginx.tls))
    if place == "raw":
        client.read(b"step 0")
    else:
        wait_for(f"{name} has begun", lambda: name in back.begun)  # nginx fills a record of TLS before it sends it
    go(client, how)
    if end == "done":
        finish(nginx, back, f"/{place}/{name}")
    else:
        assert ended(back, name) == end, (name, back.ends)


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("place", ["finish", "stream"])
def test_incomplete(nginx, back, place, how):
    """A request that did not come completely was not submitted: it is not finished, buffered or streamed."""
    name = f"incomplete-{place}-{how}"
    client = submit(nginx, f"/{place}/{name}", b"Content-Length: 100\r\n\r\nabc")
    time.sleep(0.1)  # the first piece goes its way; nothing depends on it
    go(client, how)
    assert nginx.log_line(f"/{place}/{name}").split() == ["400", "0", "aborted", "0", "-"], nginx.logged(f"/{place}/{name}")
    assert back.ends.get(name) != "done", back.ends


def test_incomplete_stream(nginx):
    client = Stream(connect(nginx.h2c))
    one = client.post("/stream/incomplete-h2", b"abc", end=False, length=100)
    time.sleep(0.1)
    client.reset(one)
    assert nginx.log_line("/stream/incomplete-h2").split()[2:4] == ["aborted", "0"], nginx.logged("/stream/incomplete-h2")
    client.go()


@pytest.mark.parametrize("place", ["finish", "stream"])
def test_late(nginx, back, place):
    """What came completely before the client closed was submitted, though it was read by nginx only then."""
    name, body = f"late-{place}", b"x" * 2_000_000
    client = submit(nginx, f"/{place}/{name}?steps=4", f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    client.socket.shutdown(socket.SHUT_WR)
    client.socket.close()
    assert ended(back, name) == "done", (name, back.ends)
    assert nginx.log_line(f"/{place}/{name}").split()[2] == "completed", nginx.logged(f"/{place}/{name}")
