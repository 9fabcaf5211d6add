#!/usr/bin/env python3
"""What was submitted is finished, or stopped at once, whichever way its client goes and whatever nginx is doing at that moment: finish.py."""

import concurrent.futures
import itertools
import socket
import sys
import time

from server import Client, Nginx, Stalled, Stream, backend, connect, go, over_tls, wait_for

CONF = """
send_timeout 1s;
location /finish/ { outlive_disconnect finish; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /raw/ { outlive_disconnect finish; proxy_buffering off; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /stream/ { outlive_disconnect finish; proxy_request_buffering off; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /small/ { outlive_disconnect finish; proxy_max_temp_file_size 0; gzip on; gzip_min_length 0; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /slow/ { outlive_disconnect finish; limit_rate 100; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /auto/ { outlive_disconnect auto; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /stop/ { outlive_disconnect stop; proxy_ignore_client_abort on; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /off/ { outlive_disconnect off; proxy_pass http://127.0.0.1:@BACKEND@/; }
"""


def ended(back, name):
    return wait_for(f"{name} is over", lambda: back.ends.get(name)).split()[0]


def rest(connection):
    """What still comes, to the end of the connection."""
    seen = b""
    try:
        while more := connection.recv(65536):
            seen += more
    except ConnectionResetError:
        pass
    return seen


ENDS = {"finish": "done", "raw": "done", "stream": "done", "small": "done", "stop": "lost", "off": "lost"}


def way(nginx, back, place, silent, how):
    name, end = f"{place}-{how}{silent[1:]}", ENDS[place]
    client = nginx.client(f"/{place}/{name}?steps=6{silent}", "POST", b"x=1")
    if silent or place == "small":
        wait_for(f"{name} has begun", lambda: name in back.begun)
    else:
        client.read(b"step 0")
    go(client, how)
    assert ended(back, name) == end, (name, back.ends[name])
    line = nginx.log_line(f"/{place}/{name}").split()
    if place == "off":
        assert line[2:] == ["-", "-", "-"], line
        return
    assert line[2:4] == (["completed", "1"] if end == "done" else ["aborted", "1"]), (name, line)
    assert end == "lost" or float(line[4]) > 0.1, (name, line)
    if how == "half-close":
        whole = rest(client.socket).endswith(b"0\r\n\r\n")
        assert whole == (end == "done"), f"{name}: the answer was {'complete' if whole else 'cut'}"


def ways(nginx, back):
    """HTTP/1.1: reset, closed, half-closed, while the server writes and while it is silent; many at once."""
    with concurrent.futures.ThreadPoolExecutor(18) as pool:
        all_ways = itertools.product(ENDS, ("", "&silent"), ("reset", "close", "half-close"))
        for done in [pool.submit(way, nginx, back, *one) for one in all_ways]:
            done.result()


def methods(nginx, back):
    for method, body, end in (("GET", b"", "lost"), ("POST", b"x=1", "done")):
        client = nginx.client(f"/auto/{method}?steps=10", method, body)
        client.read(b"step 0")
        client.go()
        assert ended(back, method) == end, (method, back.ends[method])


def rates(nginx, back):
    """limit_rate is for clients: what works without one is not slowed down."""
    client = nginx.client("/slow/rate?steps=10&size=1000")
    client.read(b"200 OK")
    client.go()
    assert ended(back, "rate") == "done"
    assert nginx.log_line("/slow/rate").split()[2:4] == ["completed", "1"]


def stalled(nginx, back):
    """A client that stays, and reads nothing: send_timeout is its end, and not that of the work."""
    for place in ("raw", "small"):
        client = Stalled(nginx.port, f"/{place}/stalled-{place}?steps=300&pause=0.005&size=40000")
        assert ended(back, f"stalled-{place}") == "done"
        assert nginx.log_line(f"/{place}/stalled-{place}").split()[2:4] == ["completed", "1"], nginx.logged(f"/{place}/stalled-{place}")
        client.go()


def streams(nginx, back):
    """HTTP/2, in clear and through TLS: a stream that is reset beside one that is not, and the whole connection."""
    for kind, client_of in (("h2c", lambda: Stream(connect(nginx.h2c))), ("h2", lambda: Stream(over_tls(nginx.tls, ("h2",))))):
        for place, end in {"finish": "done", "raw": "done", "stream": "done", "stop": "lost"}.items():
            name = f"{kind}-{place}"
            client = client_of()
            writing = client.post(f"/{place}/{name}1?steps=8", b"x=1")
            client.get(f"/{place}/{name}2?steps=8&silent")
            kept = client.get(f"/{place}/{name}3?steps=10")
            client.read(writing, b"step 1")
            wait_for("the silent one has begun", lambda: f"{name}2" in back.begun)
            client.reset(writing)
            client.reset(writing + 2)
            assert ended(back, f"{name}1") == ended(back, f"{name}2") == end, (name, back.ends)
            client.read(kept, b"the end")
            last = client.post(f"/{place}/{name}4?steps=8", b"x=1")
            client.read(last, b"step 1")
            client.go()
            assert ended(back, f"{name}4") == end, (name, back.ends)


def tls(nginx, back):
    for place, end in {"finish": "done", "raw": "done", "stop": "lost"}.items():
        for how in ("reset", "close"):
            name = f"tls-{place}-{how}"
            client = Client.__new__(Client)
            client.socket = over_tls(nginx.tls)
            client.socket.sendall(f"POST /{place}/{name}?steps=8 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nx=1".encode())
            if place == "raw":
                client.read(b"step 0")
            else:
                wait_for(f"{name} has begun", lambda: name in back.begun)  # nginx fills a record of TLS before it sends it
            go(client, how)
            assert ended(back, name) == end, (name, back.ends)


def incomplete(nginx, back):
    """A request that did not come completely was not submitted: it is not finished, buffered or streamed."""
    for place in ("finish", "stream"):
        for how in ("reset", "close"):
            name = f"incomplete-{place}-{how}"
            client = Client.__new__(Client)
            client.socket = connect(nginx.port)
            client.socket.sendall(f"POST /{place}/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc".encode())
            time.sleep(0.1)  # the first piece goes its way; nothing depends on it
            go(client, how)
            assert nginx.log_line(f"/{place}/{name}").split() == ["400", "0", "aborted", "0", "-"], nginx.logged(f"/{place}/{name}")
            assert back.ends.get(name) != "done", back.ends
    client = Stream(connect(nginx.h2c))
    one = client.post("/stream/incomplete-h2", b"abc", end=False, length=100)
    time.sleep(0.1)
    client.reset(one)
    assert nginx.log_line("/stream/incomplete-h2").split()[2:4] == ["aborted", "0"], nginx.logged("/stream/incomplete-h2")
    client.go()
    # What came completely before the client closed was submitted, though it was read by nginx only then.
    for place in ("finish", "stream"):
        name = f"late-{place}"
        body = b"x" * 2_000_000
        client = Client.__new__(Client)
        client.socket = connect(nginx.port)
        client.socket.sendall(f"POST /{place}/{name}?steps=4 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        client.socket.shutdown(socket.SHUT_WR)
        client.socket.close()
        assert ended(back, name) == "done", (name, back.ends)
        assert nginx.log_line(f"/{place}/{name}").split()[2] == "completed", nginx.logged(f"/{place}/{name}")


def main():
    with backend() as back, Nginx(CONF.replace("@BACKEND@", str(back.port)), http="client_max_body_size 10m;", tls=True) as nginx:
        for test in (ways, methods, rates, stalled, streams, tls, incomplete):
            begun = time.monotonic()
            test(nginx, back)
            print(f"finish: {test.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
        # One line of ours for each client that went, with what decided.
        assert "outlive: the client has gone, stopped: outlive_disconnect stop in " + str(nginx.conf) in nginx.said()
        assert "outlive: the client has gone, the request goes on: outlive_disconnect finish in " + str(nginx.conf) in nginx.said()


if __name__ == "__main__":
    sys.exit(main())
