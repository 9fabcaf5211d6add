"""What was submitted is finished or stopped when its client goes, however it goes and whatever lighttpd does at that moment."""

import http.client
import os
import signal
import socket
import struct

import pytest
from server import Stopped, over_tls, rest, wait_for
from work import finished, listed, seen_by, server_for


def written(server, name):
    path = server.root / f"run/{name}.tables"
    return path.read_text() if path.exists() else ""


def test_form(fpm, back):
    """The founding story: A, B, then C, which is locked, then D. The browser is closed while it waits for C."""
    with server_for('outlive.disconnect = "auto"', fpm, back) as server:
        lock = server.file("run/locked", "")
        client = server.client("/form.php?name=one", "POST", b"a=b")
        wait_for("A and B are written", lambda: written(server, "one") == "AB")
        client.go()
        wait_for("it is listed, without its client", lambda: server.live()["detached"] == 1)
        lock.unlink()
        wait_for("all are written", lambda: written(server, "one") == "ABCD")
        wait_for("the log says so", lambda: "/form.php?name=one: the client has gone; worked on to the end, as outlive.disconnect = \"auto\" says" in server.said())
        # Who only asks may leave: PHP looks at its connection when it writes.
        lock = server.file("run/locked", "")
        client = server.client("/form.php?name=two&writes=")
        wait_for("A and B are written", lambda: written(server, "two") == "AB")
        client.go(reset=False)
        wait_for("the log says so", lambda: "/form.php?name=two&writes=: the client has gone; stopped, as outlive.disconnect = \"auto\" says" in server.said())
        wait_for("nothing is in flight", lambda: server.live()["in_flight"] == 0)
        # PHP writes all the time, so it is ended, before C and D.
        wait_for("PHP has ended", (server.root / "run/two.over").exists)
        lock.unlink()
        assert written(server, "two") == "AB", written(server, "two")


@pytest.mark.parametrize("policy, answered", [('outlive.disconnect = "finish"', True), ('outlive.disconnect = "stop"\noutlive.half-close = "open"', True),
                                              ('outlive.disconnect = "stop"', False), ("lighttpd alone", True)])
def test_half_closed(fpm, back, policy, answered):
    """Who only stops sending gets an answer under finish, and where half-close is open; under stop it has gone."""
    with server_for(policy, fpm, back) as server:
        client = server.client(f"/work/half?steps=1&pause={1 if answered else 3600}&silent")
        client.socket.shutdown(socket.SHUT_WR)
        seen = rest(client.socket)
        client.socket.close()
        assert (b"the end" in seen) == answered, seen


def test_kept(fpm, back):
    """Connections that are kept, and requests one after the other, are as ever; so is a body that does not come."""
    with server_for("stop", fpm, back) as server:
        server.file("www/f.txt", "plain\n")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for number in range(20):
            server.file(f"run/kept{number}.released", "")
            path = ("/f.txt", "/work/kept?steps=1&pause=0", f"/work.php?name=kept{number}&silent", "/none")[number % 4]
            connection.request("POST" if number % 3 == 0 else "GET", path, b"x" * 100 if number % 3 == 0 else None)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == (404 if path == "/none" else 200), (path, answer.status)
        connection.close()
        client = server.client("/f.txt")
        client.socket.sendall(b"GET /f.txt HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        seen = b""
        while seen.count(b"plain") < 3:
            seen += client.socket.recv(65536)
        client.socket.sendall(b"POST /work/never HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
        client.go()
        assert wait_for("the page answers", lambda: server.ask("/live")[0]) == 200
        wait_for("nothing is in flight", lambda: server.live()["in_flight"] == 0)
        assert "never" not in back.begun


@pytest.mark.parametrize("stream, silent", [(0, True), (2, False)])
@pytest.mark.parametrize("policy, end", [("finish", "done"), ("stop", "lost")])
def test_tls(fpm, back, policy, end, stream, silent):
    with server_for(policy, fpm, back, stream) as server:
        for reset in (True, False):
            name, seen = f"t{reset}", b""
            client = over_tls(server.tls)
            client.sendall(f"GET /work/{name}?held{'&silent' if silent else '&size=20000'} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            wait_for("it has begun", lambda: name in back.begun)
            while not silent and b"step 1" not in seen:
                seen += client.recv(65536)
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            seen_by(server, policy, 1)
            if end == "done":
                back.released.add(name)
            assert wait_for("the backend is over", lambda: back.ends.get(name)).split()[0] == end, f"reset: {reset}"


def read_all(connection):
    """What has come, until nothing comes for a moment: the server is stopped."""
    connection.settimeout(0.2)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        pass


def test_closed_while_written_to(fpm, back):
    """A busy lighttpd learns in one turn that its client has closed and that there is more to write to it."""
    with server_for("finish", fpm, back, stream=2) as server:
        client = server.client("/work/closed?held&size=20000")
        client.read(b"step 1")
        with Stopped(server):
            read_all(client.socket)
            client.go(reset=False)
        finished(server, back, "closed")


def test_submitted_and_reset(fpm, back):
    """A busy lighttpd learns in one turn of a request and of the reset of its connection: it came completely, so it was submitted."""
    with server_for("finish", fpm, back) as server:
        server.file("www/f.txt", "plain\n")
        client = server.client("/f.txt")
        client.read(b"plain")
        with Stopped(server):
            client.socket.sendall(b"POST /work/late?held&silent HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\na=b")
            client.go()
        finished(server, back, "late")


def test_killed(fpm, back):
    """A worker that is killed leaves its requests in the table; one that is told to end does not say that they were completed."""
    with server_for("finish", fpm, back, more="server.max-worker = 2\n") as server:
        client = server.client("/work/killed?steps=1&pause=3600&silent")
        wait_for("it has begun", lambda: "killed" in back.begun)
        pid = server.live()["requests"][0]["process"]
        os.kill(pid, signal.SIGKILL)
        wait_for("another worker answers, and lists what it left", lambda: listed(server) == [("/work/killed", "unfinished")])
        client.go()
