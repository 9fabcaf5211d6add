"""The example server under rough clients: every request that begins ends once, and the server ends well. Under valgrind, which checks its memory,
there are fewer clients."""

import contextlib
import json
import pathlib
import random
import signal
import socket
import threading
import time

import pytest
from lib import Server, rest, wait_for

SUPPRESSIONS = pathlib.Path(__file__).parent.parent / "c" / "valgrind.supp"
VALGRIND = ("valgrind", "-q", f"--suppressions={SUPPRESSIONS}", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect,possible")
CLIENTS = {(): 200, VALGRIND: 24}


@pytest.fixture(scope="module", params=[(), VALGRIND], ids=["plain", "valgrind"])
def wrapper(request):
    return request.param


@pytest.fixture(scope="module")
def server(wrapper):
    with Server("-w", str(CLIENTS[wrapper] + 8), wrapper=wrapper) as one:
        yield one


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def send(server, text):
    """The first line of the answer to these bytes; empty: the server only closed."""
    with connect(server) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(text)
        return rest(client).split(b"\r\n", 1)[0].decode()


def test_malformed(server):
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    post = b"POST /save/finish HTTP/1.1\r\nHost: localhost\r\n"
    for text, status in [
        (b"\r\n\r\n", "400"), (b"GET\r\n\r\n", "400"), (b"GET / HTTP/9.9\r\n\r\n", "505"), (b"GET / FTP/1.1\r\n\r\n", "400"),
        (b"G\x00T / HTTP/1.1\r\n\r\n", "400"), (b"GET http://x/ HTTP/1.1\r\n\r\n", "400"), (b"\xff\xfe\xfd\r\n\r\n", "400"),
        (b"GET /\x01 HTTP/1.1\r\n\r\n", "400"), (b"G(T / HTTP/1.1\r\n\r\n", "400"), (head + b"no colon\r\n\r\n", "400"),
        (head + b" folded: line\r\n\r\n", "400"), (head + b": no name\r\n\r\n", "400"),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", "404"), (b"GET /%2e%2e/ HTTP/1.1\r\n\r\n", "404"),
        (b"GET //live HTTP/1.1\r\n\r\n", "404"), (b"GET /nothing HTTP/1.1\r\n\r\n", "404"),
        (b"GET /" + b"a" * 300 + b" HTTP/1.1\r\n\r\n", "404"), (b"GET /save/ HTTP/1.1\r\n\r\n", "404"),
        (b"DELETE /save/finish HTTP/1.1\r\n\r\n", "405"), (b"HEAD /save/finish?note=x HTTP/1.1\r\n\r\n", "405"),
        (b"GET /lock HTTP/1.1\r\n\r\n", "405"), (b"A" * 15 + b" / HTTP/1.1\r\n\r\n", "405"),
        (head + b"X: " + b"y" * 20000 + b"\r\n\r\n", "431"), (b"GET /" + b"a" * 1_000_000, "431"),
        (head + b"X: y\r\n" * 100_000 + b"\r\n", "431"),
        (post + b"Content-Length: -1\r\n\r\n", "400"), (post + b"Content-Length: 1x\r\n\r\nx", "400"),
        (post + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"), (post + b"Content-Length:\r\n\r\n", "400"),
        (post + b"Content-Length: 99999999999999999999\r\n\r\n", "413"), (post + b"Content-Length: 20000\r\n\r\n", "413"),
        (post + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501"),
        (post + b"Content-Length: 0\r\n\r\n", "400"), (post + b"Content-Length: 5\r\n\r\nnote=", "400"),
        (b"POST /lock HTTP/1.1\r\nContent-Length: 11\r\n\r\nseconds=nan", "400"),
        (b"POST /lock HTTP/1.1\r\nContent-Length: 11\r\n\r\nseconds=1e9", "400"),
        (b"POST /lock HTTP/1.1\r\nHost: nobody.example:80\r\nContent-Length: 9\r\n\r\nseconds=0", "200"),
        (b"HEAD / HTTP/1.0\r\n\r\n", "200"), (head + b"\r\n", "200"), (head + b"\r\n" + head + b"\r\n", "200"),
    ]:
        answer = send(server, text)
        assert f" {status} " in answer, f"{text[:60]!r} ({len(text)} bytes): {answer!r}, not {status}"
    assert server.live()["requests"] == [], server.live()


def test_odd_notes(server):
    """Bytes that are no UTF-8, or mean something in HTML, JSON or SQL."""
    for sent, kept in [("%ff%fe", "??"), ("%00x", "?x"), ("'%3b DROP TABLE a", "'; DROP TABLE a"), ("%", "%"), ("%zz+%2", "%zz %2"),
                       ("\u20ac%e2%82%ac".encode(), "\u20ac\u20ac"), ("a" * 5000, "a" * 200), ("%22%3Cscript%3E", "\"<script>")]:
        sent = sent if isinstance(sent, bytes) else sent.encode()
        answer = send(server, b"POST /save/stop HTTP/1.1\r\nContent-Length: %d\r\n\r\nnote=%s" % (len(sent) + 5, sent))
        assert " 200 " in answer, f"{sent!r}: {answer!r}"
        assert server.written(kept) == "ABCD", f"{sent!r} is not kept as {kept!r}"
    notes = [row["note"] for row in json.loads(server.ask("/saved.json")[1])["saved"]]
    assert "\"<script>" in notes, notes


def test_slow(server):
    """A head that comes byte by byte is read; half a form is none, and its request ends as aborted."""
    with connect(server) as client:
        for byte in b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n":
            client.sendall(bytes([byte]))
            time.sleep(0.005)
        assert b" 200 OK" in rest(client)
    before = server.live()["endings"]["ABORTED"]
    with connect(server) as client:
        client.sendall(b"POST /save/finish HTTP/1.1\r\nContent-Length: 100\r\n\r\nnote=half")
        wait_for("it is reading", lambda: any(row["stage"] == "reading" for row in server.live()["requests"]))
    wait_for("it has ended", lambda: not server.live()["requests"])
    assert server.written("half") == "", "half a form was saved"
    assert server.live()["endings"]["ABORTED"] == before + 1, server.live()


def test_many(server, wrapper, capsys):
    """Many at once, while C is locked again and again; half of them hang up at a random moment."""
    dice, clients = random.Random(20240229), CLIENTS[wrapper]
    policies = ["finish", "stop", "php", "auto", "hold"]
    answers, lock = {}, threading.Lock()
    begun = sum(server.live()["endings"].values())

    def client(number, policy, leaves, start, stay):
        note = f"many-{number}"
        time.sleep(start)
        body = f"note={note}".encode()
        with connect(server) as one:
            one.sendall(b"POST /save/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"
                        % (policy.encode(), len(body), body))
            if leaves:
                time.sleep(stay)
            else:
                text = rest(one).decode()
                with lock:
                    answers[note] = text

    threads, plan = [], {}
    for number in range(clients):
        policy, leaves = policies[number % len(policies)], dice.random() < 0.5
        plan[f"many-{number}"] = policy, leaves
        threads.append(threading.Thread(target=client, args=(number, policy, leaves, dice.random(), dice.random())))
    stopped = server.live()["endings"]["ABORTED"]
    server.lock(300)
    for thread in threads:
        thread.start()
    wait_for("some have stopped", lambda: server.live()["endings"]["ABORTED"] > stopped)
    server.lock(1)
    time.sleep(1.5)
    server.lock(1)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a client waits for more than a minute"
    wait_for("all have ended", lambda: not server.live()["requests"])

    rows = {note: (ending, calls) for note, ending, calls in
            server.db.execute("SELECT note, ending, calls FROM journal WHERE note LIKE 'many-%'")}
    torn = 0
    for note, (policy, leaves) in plan.items():
        if note not in rows:
            assert leaves, f"{note} was not begun, though its client stayed"
            continue
        ending, calls = rows[note]
        written = server.written(note)
        assert calls == 1, f"{note}: its shutdown function ran {calls} times"
        # A client that leaves before the hold has begun stops the request there: all or nothing is what a hold promises.
        stopped_before = leaves and policy == "hold" and (written, ending) == ("", "ABORTED")
        if not leaves or policy in ("finish", "auto", "hold"):
            assert written == "ABCD" or stopped_before, f"{note} ({policy}, leaves: {leaves}): {written} {ending}"
        if not leaves:
            assert ending == "COMPLETED" and "COMPLETED" in answers[note], f"{note}: {ending} {answers[note]!r}"
        assert ending in ("COMPLETED", "ABORTED"), f"{note}: {ending}"
        assert "ABCD".startswith(written), f"{note}: {written}"
        torn += written != "ABCD"
    assert torn > 0, "nobody was stopped: the test proves nothing"
    doubled = server.db.execute("SELECT count(*) FROM journal WHERE calls <> 1 OR ending IS NULL").fetchone()[0]
    assert doubled == 0, f"{doubled} rows without exactly one ending"
    # count_ending ran at least once for each of ours; the rest are our own looks.
    ended = sum(server.live()["endings"].values())
    assert ended - begun >= len(rows), (begun, ended, len(rows))
    with capsys.disabled():
        print(f"\n{len(rows)} of {clients} began, {torn} were stopped halfway, each ended once")


def test_drain(wrapper):
    """SIGTERM while requests wait for C: one is told to stop, the held one is forced, the server ends with 0."""
    with Server(wrapper=wrapper) as server:
        server.lock(300)
        clients = [connect(server) for _ in range(3)]
        clients[0].sendall(b"POST /save/finish HTTP/1.1\r\nContent-Length: 10\r\n\r\nnote=drain")
        clients[1].sendall(b"POST /save/hold HTTP/1.1\r\nContent-Length: 9\r\n\r\nnote=held")
        clients[2].sendall(b"GET / HT")  # never says what it wants
        wait_for("both wait", lambda: server.written("drain") == server.written("held") == "AB")
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)
        for note, ending in (("drain", "SHUTDOWN"), ("held", "FORCED")):
            found = server.written(note), server.ending(note)
            assert found == ("AB", ending), f"{note}: {found}, not {ending}"
        for client in clients:
            client.close()
