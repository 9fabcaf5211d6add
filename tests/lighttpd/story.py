#!/usr/bin/env python3
"""What becomes of the work behind lighttpd when its client goes, and how long it may take: with real php-fpm, an HTTP server and CGI scripts.
Makes the table of bindings/lighttpd/README.md: story.py [--write | --check]."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import struct
import sys
import time

from server import ROOT, Fpm, Http2, Lighttpd, backend, over_tls, wait_for

# Works until it is released.
PHP = """<?php
$name = $_GET['name'];
$note = fn($what) => touch('@ROOT@/run/' . $name . '.' . $what);
register_shutdown_function(function () use ($note, &$done) { $note($done ? 'done' : 'lost'); });
$note('begun');
$until = time() + 120;
for ($step = 0; time() < $until && !file_exists("@ROOT@/run/$name.released"); $step++) {
    if (!isset($_GET['silent'])) { echo "step $step\\n", str_repeat(' ', 20000); flush(); }
    usleep(50000);
}
$done = true;
if (isset($_GET['silent'])) { echo "the end\\n"; flush(); }
"""
# Writes a table at a time, and waits for C, which is locked by whoever holds the file.
FORM = """<?php
$tables = '@ROOT@/run/' . $_GET['name'] . '.tables';
$write = fn($what) => file_put_contents($tables, $what, FILE_APPEND);
register_shutdown_function(fn() => touch('@ROOT@/run/' . $_GET['name'] . '.over'));
$write('A');
$write('B');
while (file_exists('@ROOT@/run/locked')) { usleep(20000); clearstatcache(); if (isset($_GET['writes'])) { echo str_repeat(' ', 5000); flush(); } }
$write('C');
$write('D');
echo 'saved';
"""
CGI = """#!/usr/bin/python3
import os, signal, sys, time, urllib.parse
query = urllib.parse.parse_qs(os.environ["QUERY_STRING"], keep_blank_values=True)
note = lambda what: open("@ROOT@/run/" + query["name"][0] + "." + what, "w").close()
def ended(*_):
    note("lost")
    os._exit(1)
signal.signal(signal.SIGTERM, ended)
note("begun")
if "long" in query:
    time.sleep(3600)
try:
    if "silent" not in query:
        print("Content-Type: text/plain\\n", flush=True)
    step, until = 0, time.monotonic() + 120
    while time.monotonic() < until and not os.path.exists("@ROOT@/run/" + query["name"][0] + ".released"):
        if "silent" not in query:
            print("step %d" % step + " " * 20000, flush=True)
        step += 1
        time.sleep(0.05)
    note("done")
    if "silent" in query:
        print("Content-Type: text/plain\\n\\nthe end", flush=True)
except BrokenPipeError:
    ended()
"""
CONF = """
$HTTP["url"] =~ "[.]php" { fastcgi.server = ("" => (("host" => "127.0.0.1", "port" => "@FPM@"))) }
$HTTP["url"] =~ "^/work/" {
  proxy.server = ("" => (("host" => "127.0.0.1", "port" => "@BACKEND@")))
  proxy.header = ("map-urlpath" => ("/work/" => "/"))
}
$HTTP["url"] =~ "^/cgi/" { cgi.assign = (".py" => "/usr/bin/python3") }
server.stream-response-body = @STREAM@
@POLICY@
"""
POLICIES = {
    "lighttpd alone": "",
    "finish": 'outlive.disconnect = "finish"\noutlive.scoreboard = "@ROOT@/run/board"',
    "stop": 'outlive.disconnect = "stop"\noutlive.scoreboard = "@ROOT@/run/board"',
}
PAGE = '\n$HTTP["url"] =~ "^/live" { outlive.status-url = "/live" }\n'


def server_for(policy, fpm, back, stream=0, page=True, more=""):
    conf = CONF.replace("@POLICY@", POLICIES.get(policy, policy) + (PAGE if page and policy != "lighttpd alone" else "") + more)
    conf = conf.replace("@FPM@", str(fpm.port)).replace("@BACKEND@", str(back.port)).replace("@STREAM@", str(stream))
    server = Lighttpd(conf, module=policy != "lighttpd alone")
    server.file("www/work.php", PHP)
    server.file("www/form.php", FORM)
    server.file("www/cgi/work.py", CGI, 0o755)
    return server


def left(server, name):
    return wait_for(f"{name} is over", lambda: next((end for end in ("done", "lost") if (server.root / f"run/{name}.{end}").exists()), None))


class Noted:
    """A script that works until it is released, and notes in files what becomes of it."""

    def __init__(self, path):
        self.path = path

    def begin(self, server, back, name, silent):
        client = server.client(f"{self.path}?name={name}" + ("&silent" if silent else ""))
        wait_for(f"{name} has begun", (server.root / f"run/{name}.begun").exists)
        return client

    def release(self, server, back, name):
        server.file(f"run/{name}.released", "")

    def end(self, server, back, name):
        return left(server, name)


class Proxied:
    """The same in an HTTP server."""

    def begin(self, server, back, name, silent):
        client = server.client(f"/work/{name}?held" + ("&silent" if silent else "&size=20000"))
        wait_for(f"{name} has begun", lambda: name in back.begun)
        return client

    def release(self, server, back, name):
        back.released.add(name)

    def end(self, server, back, name):
        return wait_for(f"{name} is over", lambda: back.ends.get(name)).split()[0]


# What runs, how, whether it writes as it goes (server.stream-response-body = 2), how the client goes.
ROWS = [(f"{name}, {'silent' if silent else 'writing'}, the client {'resets' if reset else 'closes'}", what, silent, reset)
        for name, what in (("mod_fastcgi (php-fpm)", Noted("/work.php")), ("mod_proxy", Proxied()), ("mod_cgi", Noted("/cgi/work.py")))
        for silent in (False, True) for reset in (True, False)]


def promised(name, silent, policy):
    """A stop closes the connection to php-fpm, and PHP looks at it when it writes."""
    if policy == "finish":
        return "done"
    return None if policy != "stop" else "done" if silent and "php-fpm" in name else "lost"


def seen_by(server, policy, clients):
    """Waits until the server has done what it does about clients that have gone."""
    if policy == "finish":
        wait_for("all are detached", lambda: live(server)["detached"] == clients)
    elif policy == "stop":
        wait_for("nothing is in flight", lambda: live(server)["in_flight"] == 0)
    else:
        time.sleep(1)  # lighttpd alone says nothing of it


def run_rows(rows, policy, server, back):
    """What became of each, by its name."""
    names = {row[0]: f"r{time.monotonic_ns()}" for row in rows}
    ends = {}
    for name, what, silent, reset in rows:
        client = what.begin(server, back, names[name], silent)
        if not silent:
            client.read(b"step 1")
        client.go(reset)
    seen_by(server, policy, len(rows))
    for expected_first in (True, False):  # what is to be ended ends by itself
        for name, what, silent, _ in rows:
            if (promised(name, silent, policy) == "lost") == expected_first:
                if not expected_first:
                    what.release(server, back, names[name])
                ends[name] = what.end(server, back, names[name])
    return ends


def table(fpm, back, policies):
    results = {}
    for policy in policies:
        for stream in (0, 2):
            with server_for(policy, fpm, back, stream) as server:
                rows = [row for row in ROWS if row[2] == (stream == 0)]
                for name, end in run_rows(rows, policy, server, back).items():
                    results[name, policy] = end
                    expected = promised(name, stream == 0, policy)
                    assert expected in (None, end), f"{name}, {policy}: {end}, not {expected}"
    return results


def written(server, name):
    path = server.root / f"run/{name}.tables"
    return path.read_text() if path.exists() else ""


def form(fpm, back):
    """The founding story: A, B, then C, which is locked, then D. The browser is closed while it waits for C."""
    with server_for('outlive.disconnect = "auto"', fpm, back) as server:
        lock = server.file("run/locked", "")
        client = server.client("/form.php?name=one", "POST", b"a=b")
        wait_for("A and B are written", lambda: written(server, "one") == "AB")
        client.go()
        wait_for("it is listed, without its client", lambda: live(server)["detached"] == 1)
        lock.unlink()
        wait_for("all are written", lambda: written(server, "one") == "ABCD")
        wait_for("the log says so", lambda: "/form.php?name=one: the client has gone; worked on to the end, as outlive.disconnect = \"auto\" says" in server.said())
        # Who only asks may leave: PHP looks at its connection when it writes.
        lock = server.file("run/locked", "")
        client = server.client("/form.php?name=two&writes=")
        wait_for("A and B are written", lambda: written(server, "two") == "AB")
        client.go(reset=False)
        wait_for("the log says so", lambda: "/form.php?name=two&writes=: the client has gone; stopped, as outlive.disconnect = \"auto\" says" in server.said())
        wait_for("nothing is in flight", lambda: live(server)["in_flight"] == 0)
        # PHP writes all the time, so it is ended, before C and D.
        wait_for("PHP has ended", (server.root / "run/two.over").exists)
        lock.unlink()
        assert written(server, "two") == "AB", written(server, "two")


def live(server):
    return json.loads(server.ask("/live?json")[2])


# Where something is to come before the time is up, a busy machine gets more time: ?limit=SECONDS.
LIMITS = (1, 4, 20)
LIMITED = "".join(f'\n$HTTP["query-string"] =~ "limit={limit}$" {{ outlive.time-limit = {limit} }}' for limit in LIMITS)


def soon_enough(what, attempt):
    """The first true answer of attempt(limit)."""
    for limit in LIMITS:
        if answer := attempt(limit):
            return answer
    raise AssertionError(f"not within a time limit of {LIMITS[-1]} s: {what}")


def limited_script(server):
    """504 for a CGI script that has begun. It hears of the limit."""
    def attempt(limit):
        assert server.ask(f"/cgi/work.py?name=script{limit}&silent&long&limit={limit}")[0] == 504
        if not (server.root / f"run/script{limit}.begun").exists():
            return False
        assert left(server, f"script{limit}") == "lost"
        return True
    soon_enough("the script begins", attempt)


def limited_response(server, back):
    """A response that has begun can be told to be incomplete."""
    def attempt(limit):
        client, seen = server.client(f"/work/begun{limit}?steps=2000&pause=0.05&limit={limit}"), b""
        while more := client.socket.recv(65536):
            seen += more
        client.go()
        if seen.startswith(b"HTTP/1.1 504") or b"step 1" not in seen:
            return False
        assert seen.startswith(b"HTTP/1.1 200") and not seen.endswith(b"0\r\n\r\n"), seen[-200:]
        assert wait_for("the backend is over", lambda: back.ends.get(f"begun{limit}")).startswith("lost")
        return True
    soon_enough("a response begins", attempt)


def limited_gathered(server, back):
    """What was gathered so far is not sent as if it were the whole."""
    def attempt(limit):
        name = f"gathered{limit}"
        status, _, body = server.ask(f"/work/{name}?steps=2000&pause=0.05&limit={limit}")
        assert status == 504 and b"step" not in body, (status, body)
        if name not in back.begun:
            return False
        return wait_for("the backend is over", lambda: back.ends.get(name)) not in ("lost", "lost 0")
    soon_enough("the backend's second step", attempt)


def limited_detached(server, back):
    """A limit holds for what works on without its client, too."""
    def attempt(limit):
        name = f"detached{limit}"
        client = server.client(f"/work/{name}?held&silent&limit={limit}")
        if wait_for("it has begun", lambda: back.begun.get(name) or f"time-limit = {limit} says" in server.said()) is not True:
            return False
        client.go()
        detached = wait_for("it is detached", lambda: (live(server)["detached"] == 1 and "detached") or name in back.ends)
        assert wait_for("the backend is over", lambda: back.ends.get(name)).startswith("lost")
        return detached == "detached"
    soon_enough("the client goes", attempt)


def limits(fpm, back):
    """504 where nothing was sent; otherwise a response that can be told to be incomplete. The backend hears of it."""
    with server_for("outlive.time-limit = 1", fpm, back, stream=2, more=LIMITED) as server:
        server.file("run/locked", "")
        for path in ("/work/silent?held&silent", "/form.php?name=limit"):
            assert server.ask(path)[0] == 504, path
        limited_script(server)
        limited_response(server, back)
        assert len(re.findall("stopped, as outlive.time-limit = [0-9]+ says", server.said())) >= 4, server.said()
    with server_for("", fpm, back, stream=0, more=LIMITED) as server:
        limited_gathered(server, back)
        status, _, body = server.ask("/work/after?steps=2&pause=0.05")  # the backend is none the worse for it
        assert status == 200 and b"the end" in body, (status, body)
    with server_for("finish", fpm, back, more=LIMITED) as server:
        limited_detached(server, back)


def caps(fpm, back):
    """Of all workers together."""
    with server_for("finish", fpm, back, more='server.max-worker = 3\noutlive.max-detached = 2\n') as server:
        names = [f"cap{number}" for number in range(6)]
        clients = [server.client(f"/work/{name}?held&silent") for name in names]
        wait_for("all have begun", lambda: set(names) <= set(back.begun))
        assert live(server)["notes"] == [] and live(server)["in_flight"] == 6
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
        assert live(server)["in_flight"] == live(server)["detached"] == 2
        back.released.update(names)
        wait_for("the others work on", lambda: sum(back.ends.get(name) == "done" for name in names) == 2)
    with server_for("finish", fpm, back, more='server.max-worker = 3\noutlive.max-detached = 9\noutlive.max-detached-time = 1\n') as server:
        client = server.client("/work/long?held&silent")
        wait_for("it has begun", lambda: "long" in back.begun)
        client.go()
        assert wait_for("its time is over", lambda: back.ends.get("long")).startswith("lost")
        wait_for("the log says so", lambda: "stopped by a cap: outlive.max-detached = 9 or outlive.max-detached-time = 1\n" in server.said())
        wait_for("nothing is in flight", lambda: live(server)["in_flight"] == 0)


def half_closed(fpm, back):
    """Who only stops sending gets an answer under finish, and where half-close is open; under stop it has gone."""
    for policy, answered in (('outlive.disconnect = "finish"', True), ('outlive.disconnect = "stop"\noutlive.half-close = "open"', True),
                             ('outlive.disconnect = "stop"', False), ("lighttpd alone", True)):
        with server_for(policy, fpm, back) as server:
            client = server.client(f"/work/half?steps=1&pause={1 if answered else 3600}&silent")
            client.socket.shutdown(socket.SHUT_WR)
            seen = b""
            try:
                while more := client.socket.recv(65536):
                    seen += more
            except ConnectionResetError:
                pass
            client.socket.close()
            assert (b"the end" in seen) == answered, (policy, seen)


def kept(fpm, back):
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
        wait_for("nothing is in flight", lambda: live(server)["in_flight"] == 0)
        assert "never" not in back.begun


def tls(fpm, back):
    """The same through TLS."""
    for policy, end in (("finish", "done"), ("stop", "lost")):
        for stream, silent in ((0, True), (2, False)):
            with server_for(policy, fpm, back, stream) as server:
                for reset in (True, False):
                    back.ends.clear()
                    back.begun.clear()
                    client, seen = over_tls(server.tls), b""
                    back.released.clear()
                    client.sendall(f"GET /work/t?held{'&silent' if silent else '&size=20000'} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    wait_for("it has begun", lambda: "t" in back.begun)
                    while not silent and b"step 1" not in seen:
                        seen += client.recv(65536)
                    if reset:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()
                    seen_by(server, policy, 1)
                    if end == "done":
                        back.released.add("t")
                    was = wait_for("the backend is over", lambda: back.ends.get("t")).split()[0]
                    assert was == end, (policy, silent, reset, was)


def http2(fpm, back):
    """Streams: lighttpd itself ends one that is reset, and no other; the limit is each one's own."""
    with server_for('outlive.disconnect = "stop"', fpm, back, more=LIMITED) as server:
        for connect in (lambda: socket.create_connection(("127.0.0.1", server.port), 60), lambda: over_tls(server.tls, ["h2"])):
            back.ends.clear()
            back.begun.clear()
            back.released.clear()
            client = Http2(connect())
            reset, kept = (client.get(f"/work/h{number}?held&silent") for number in (1, 2))
            wait_for("both have begun", lambda: {"h1", "h2"} <= set(back.begun))
            assert live(server)["in_flight"] == 2
            client.reset(reset)
            assert wait_for("h1 is over", lambda: back.ends.get("h1")).startswith("lost")
            late = client.get("/work/h3?held&silent&limit=1")
            client.read(late, b"504")
            wait_for("h2 is alone", lambda: live(server)["in_flight"] == 1)
            assert "h2" not in back.ends and back.ends.get("h3", "lost").startswith("lost"), back.ends
            back.released.add("h2")
            client.read(kept, b"the end")
            assert wait_for("h2 is over", lambda: back.ends.get("h2")) == "done"
            wait_for("nothing is in flight", lambda: live(server)["in_flight"] == 0)
            client.go()


def go_on(fpm, back):
    """Streams that are to be finished: reset, or their connection lost; writing and silent. Others on the connection get their answers."""
    with server_for('outlive.disconnect = "auto"', fpm, back, stream=2) as server:
        ways = [lambda: socket.create_connection(("127.0.0.1", server.port), 60), lambda: over_tls(server.tls, ["h2"])]
        for turn, connect in enumerate(ways):
            for silent in ("&silent", "&size=30000"):
                name = f"g{turn}{silent[1:4]}"
                for way in ("reset", "connection"):
                    one, two, asks, kept = (f"{name}{way}{number}" for number in range(4))
                    client = Http2(connect())
                    first, second = (client.post(f"/work/{path}?held{silent}") for path in (one, two))
                    third, last = (client.get(f"/work/{path}?held&silent") for path in (asks, kept))
                    wait_for("all have begun", lambda: {one, two, asks, kept} <= set(back.begun))
                    if way == "reset":
                        for stream in (first, second, third):
                            client.reset(stream)
                        wait_for("two are detached", lambda: live(server)["detached"] == 2)
                        back.released.add(kept)
                        client.read(last, b"the end")
                        assert client.get("/f.txt") and client.post(f"/work/{kept}again?steps=1&silent")
                        client.read(client.stream, b"the end")
                    else:
                        client.go()
                        wait_for("two are detached", lambda: live(server)["detached"] == 2)
                    back.released.update((one, two))
                    for path in (one, two):
                        assert wait_for(f"{path} is over", lambda: back.ends.get(path)) == "done", (path, back.ends[path])
                        wait_for(f"{path}: the log says so", lambda: f"/work/{path}?" in server.said() and re.search(rf"/work/{path}\?\S*: the client has gone; worked on to the end", server.said()))
                    assert wait_for(f"{asks} is over", lambda: back.ends.get(asks)).startswith("lost")
                    wait_for("nothing is in flight", lambda: live(server)["in_flight"] == 0)
                    if way == "reset":
                        client.go()
        text = server.ask("/live?metrics")[2].decode()
        assert 'outlive_requests_ended_total{ending="host_error"} 0' in text, text
    with server_for('outlive.disconnect = "finish"\noutlive.max-detached-time = 1', fpm, back) as server:
        for way in ("reset", "connection"):
            client = Http2(connect())
            stream = client.post(f"/work/cap{way}?steps=1&pause=3600&silent")
            wait_for("it has begun", lambda: f"cap{way}" in back.begun)
            if way == "reset":
                client.reset(stream)
            else:
                client.go()
            assert wait_for("it is over", lambda: back.ends.get(f"cap{way}")).startswith("lost")
            wait_for("the log says so", lambda: re.search(rf"/work/cap{way}\?\S*: the client has gone; stopped by a cap: outlive.max-detached-time = 1\n", server.said()))
            wait_for("nothing is in flight", lambda: live(server)["in_flight"] == 0)
        assert "504" not in server.said()


class Stopped:
    """Meanwhile lighttpd does nothing: what happens in that time it learns at once."""

    def __init__(self, server):
        self.process = server.process

    def __enter__(self):
        self.process.send_signal(signal.SIGSTOP)
        wait_for("lighttpd has stopped", lambda: pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1][0] in "Tt")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)


def read_all(connection):
    """What has come, until nothing comes for a moment: the server is stopped."""
    connection.settimeout(0.2)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        pass


def at_once(fpm, back):
    """What a busy lighttpd learns in one turn: the client has closed, and there is more to write to it; a request has come, and its client has reset
    the connection. What came completely was submitted, and is finished."""
    with server_for("finish", fpm, back, stream=2) as server:
        server.file("www/f.txt", "plain\n")
        client = server.client("/work/closed?held&size=20000")
        client.read(b"step 1")
        with Stopped(server):
            read_all(client.socket)
            client.go(reset=False)
        wait_for("it is detached", lambda: live(server)["detached"] == 1)
        back.released.add("closed")
        assert wait_for("the backend is over", lambda: back.ends.get("closed")) == "done"
        client = server.client("/f.txt")
        client.read(b"plain")
        with Stopped(server):
            client.socket.sendall(b"POST /work/first?held&silent HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\na=b")
            client.go()
        finished_at_once(server, back, "first")
        for tls in (False, True):
            client = Http2(over_tls(server.tls, ["h2"]) if tls else socket.create_connection(("127.0.0.1", server.port), 60))
            client.read(client.get("/f.txt"), b"plain")
            names = [f"stream{number}{tls}" for number in range(2)]
            with Stopped(server):
                for name in names:
                    client.post(f"/work/{name}?held&silent", b"a=b")
                client.go()
            finished_at_once(server, back, *names)
        wait_for("the log says so", lambda: server.said().count("worked on to the end, as outlive.disconnect = \"finish\" says") == 6)


def finished_at_once(server, back, *names):
    wait_for(f"{names} have begun", lambda: set(names) <= set(back.begun))
    wait_for("all are detached", lambda: live(server)["detached"] == len(names))
    back.released.update(names)
    for name in names:
        assert wait_for(f"{name} is over", lambda: back.ends.get(name)) == "done", (name, back.ends[name])


def ends(fpm, back):
    """A worker that is killed leaves its requests in the table; one that is told to end does not say that they were completed."""
    back.begun.clear()
    with server_for("finish", fpm, back, more="server.max-worker = 2\n") as server:
        client = server.client("/work/killed?steps=1&pause=3600&silent")
        wait_for("it has begun", lambda: "killed" in back.begun)
        pid = live(server)["requests"][0]["process"]
        os.kill(pid, signal.SIGKILL)
        wait_for("another worker answers, and lists what it left", lambda: listed(server) == [("/work/killed", "unfinished")])
        client.go()


def listed(server):
    """The requests of the page; None: nobody answers."""
    try:
        return [(row["label"], row["state"]) for row in live(server)["requests"]]
    except (OSError, http.client.HTTPException):
        return None


def mistakes():
    for line, said in (('outlive.disconnect = "banana"', 'outlive.disconnect = "banana" is unknown: it is "off", "finish", "stop" or "auto"'),
                       ('outlive.time-limit = "soon"', "got a string but expected an integer: outlive.time-limit"),
                       ('outlive.half-close = "x"', 'outlive.half-close = "x" is unknown: it is "gone" or "open"'),
                       ('outlive.status-url = "live"', 'outlive.status-url = "live" is no path: it begins with /')):
        for conf in (line, f'$HTTP["url"] =~ "^/x" {{ {line} }}'):
            code, answer = Lighttpd(conf).check()
            assert code != 0 and said in answer, (conf, answer)
    assert Lighttpd('outlive.disconnect = "stop"\noutlive.scoreboard = "@ROOT@/run/board"').check()[0] == 0


def page():
    """The page's own example, but for the place of its file: lighttpd takes it, and its list is there."""
    example = (ROOT / "bindings/lighttpd/README.md").read_text().split("```text\n")[1].split("```")[0]
    conf = example.replace("/run/lighttpd/outlive", "@ROOT@/run/board")
    assert conf.startswith('server.modules += ("mod_outlive")\n') and "@ROOT@" in conf, example
    with Lighttpd(conf, module=False) as server:
        assert server.ask("/outlive")[0] == 200 and (server.root / "run/board").exists()
        assert server.ask("/report")[0] == 404


def unconfigured(fpm, back):
    """Loaded, and nothing besides: the same responses, the same log, no file, no thread."""
    def seen(module):
        conf = CONF.replace("@POLICY@", "").replace("@FPM@", str(fpm.port)).replace("@BACKEND@", str(back.port)).replace("@STREAM@", "0")
        server = Lighttpd(conf, module=module)
        server.file("www/work.php", '<?php ksort($_SERVER); foreach ($_SERVER as $k => $v) if (!preg_match("/PORT|TIME/", $k) && is_string($v)) echo "$k=$v\\n";')
        server.file("www/f.txt", "plain\n")
        server.file("www/cgi/env.py", "import os\nprint('Content-Type: text/plain\\n')\nfor name in sorted(os.environ): print(name, os.environ[name] if 'PORT' not in name else '')\n")
        with server:
            answers = []
            for path in ("/f.txt", "/none", "/work.php?a=b", "/work/u?steps=2", "/cgi/env.py"):
                client = server.client(path)
                client.socket.shutdown(socket.SHUT_WR)
                text = b""
                while more := client.socket.recv(65536):
                    text += more
                client.socket.close()
                text = text.decode("latin-1").replace(str(server.root), "@ROOT@").replace(f":{server.port}", "")
                text = text.replace("Connection: close\r\n", "")  # lighttpd says so where it has seen the end of our side by then
                answers.append(re.sub(r"(?mi)^(Date|Last-Modified|ETag): .*$", r"\1", text))
            threads = len(os.listdir(f"/proc/{server.process.pid}/task"))
            files = sorted(path.name for path in (server.root / "run").iterdir())
            log = [re.sub(r"^\S+ \S+ ", "", line) for line in server.said().splitlines()]
        return answers, threads, files, [re.sub(r"\(server\.c\.\d+\)", "", line) for line in log]
    without, loaded = seen(False), seen(True)
    assert without == loaded, (without, loaded)
    assert without[1] == 1


def main():
    how = sys.argv[1] if len(sys.argv) > 1 else ""
    with Fpm(8) as fpm, backend() as back:
        policies = list(POLICIES) if how != "--check" else ["finish", "stop"]
        results = table(fpm, back, policies)
        if how == "--check":
            mistakes()
            page()
            for part in (unconfigured, form, limits, caps, half_closed, kept, tls, http2, go_on, at_once, ends):
                part(fpm, back)
            print("lighttpd: finished, stopped, limited, capped and listed as the README says; unconfigured, it is lighttpd as ever")
            return
    words = {"done": "runs to its end", "lost": "ended"}
    lines = ["| what works, and how the client goes | " + " | ".join(policies) + " |", "| --- |" + " --- |" * len(policies)]
    for name, *_ in ROWS:
        cells = ["lighttpd is free; PHP runs to its end" if policy == "stop" and results[name, policy] == "done" else words[results[name, policy]] for policy in policies]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    if how == "--write":
        readme = pathlib.Path(ROOT / "bindings/lighttpd/README.md")
        before, rest = readme.read_text().split("<!-- table -->\n")[0], readme.read_text().split("<!-- /table -->\n")[1]
        readme.write_text(f"{before}<!-- table -->\n{text}<!-- /table -->\n{rest}")


if __name__ == "__main__":
    main()
