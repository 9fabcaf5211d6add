"""The same through TLS, and through HTTP/2: a stream that is reset, and a connection that is closed."""

import random
import socket
import struct

import pytest
from http2 import TLS, Http2, certificate, over_tls
from lib import Httpd, backend, free_port, wait_for

CONF = """
ProxyPass /finish/ http://127.0.0.1:@BACKEND@/
ProxyPass /stop/ http://127.0.0.1:@BACKEND@/
<Location /finish>
  php_flag ignore_user_abort on
</Location>
<Location /stop>
  php_value outlive.disconnect stop
  php_value outlive.detect watch
</Location>
""" + TLS


def ended(back, name):
    return wait_for(f"{name} is over", lambda: back.ends.get(name))


def tls(port, back):
    def begin(path):
        client = over_tls(port)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return client
    client, seen = begin("/finish/t1?steps=10"), b""
    while b"step 1" not in seen:
        seen += client.recv(65536)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert ended(back, "t1") == "done"
    client = begin("/stop/t2?steps=1&pause=3600&silent")
    wait_for("t2 has begun", lambda: "t2" in back.begun)
    client.close()
    assert ended(back, "t2").startswith("lost")


def http2(connect, back, name):
    client = Http2(connect())
    # A stream that is reset, beside one that is not.
    reset, kept = client.get(f"/finish/{name}1?steps=10"), client.get(f"/finish/{name}2?steps=10")
    client.read(reset, b"step 1")
    client.reset(reset)
    client.read(kept, b"the end")
    assert ended(back, f"{name}1") == "done" and ended(back, f"{name}2") == "done"
    reset, kept = client.get(f"/stop/{name}3?steps=1&pause=3600&silent"), client.get(f"/stop/{name}4?held&silent")
    wait_for("both have begun", lambda: {f"{name}3", f"{name}4"} <= set(back.begun))
    client.reset(reset)
    assert ended(back, f"{name}3").startswith("lost")
    back.released.add(f"{name}4")
    client.read(kept, b"the end")
    assert ended(back, f"{name}4") == "done"
    # The whole connection.
    finish, stop = client.get(f"/finish/{name}5?steps=20"), client.get(f"/stop/{name}6?steps=1&pause=3600&silent")
    client.read(finish, b"step 1")
    wait_for("the other has begun", lambda: f"{name}6" in back.begun)
    assert stop != finish
    client.go()
    assert ended(back, f"{name}6").startswith("lost")
    assert ended(back, f"{name}5") == "done"


def storm(connect, back, batches, streams=20):
    """Streams that are reset at any moment, some of them while the handler has just looked away: what is to be finished is finished."""
    chance = random.Random(20)
    for batch in range(batches):
        client = Http2(connect())
        client.send(8, 0, 0, struct.pack(">I", 1 << 30))  # no stream waits for another one's window
        left = {f"r{batch}.{number}": client.get(f"/finish/r{batch}.{number}?steps=150&pause=0.001&size=300") for number in range(streams)}
        names = list(left)
        while left:
            # A stream that is reset before it has begun never begins.
            name = chance.choice(wait_for("another has begun", lambda: client.drained() and [name for name in left if name in back.begun]))
            client.reset(left.pop(name))
        for name in names:
            assert ended(back, name) == "done", (name, back.ends)
        client.go()


@pytest.fixture(scope="module")
def server():
    port = free_port()
    with backend() as back:
        conf = CONF.replace("@BACKEND@", str(back.port)).replace("@TLS@", str(port))
        server = Httpd(conf, mpm="event", modules=["ssl", "http2"])
        server.tls, server.back = port, back
        certificate(server)
        with server:
            yield server


def in_clear(server):
    return socket.create_connection(("127.0.0.1", server.port), 60)


def test_tls(server, back):
    tls(server.tls, back)


def test_http2_in_clear(server, back):
    http2(lambda: in_clear(server), back, "c")


def test_http2_over_tls(server, back):
    http2(lambda: over_tls(server.tls, ["h2"]), back, "s")


def test_storm_of_resets(server, back):
    storm(lambda: in_clear(server), back, 15)
