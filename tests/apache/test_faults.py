"""Whose fault an ending is. A stop is no fault of the backend, for any scheme, behind a balancer that counts faults; a backend that
refuses, dies or answers 5xx is a host error; a process that is told to end while a request runs never says that the request was completed."""

import contextlib
import os
import re
import signal
import socket
import struct
import threading
import time

import pytest
from lib import BUILD, REPORTS, Fpm, Httpd, backend, cgi_module, wait_for

MPMS = ["prefork", "worker", "event"]

SCHEMES = ("http", "fcgi", "scgi", "uwsgi", "ajp")
BALANCED = """
<Proxy balancer://@SCHEME@>
  BalancerMember @SCHEME@://127.0.0.1:@PORT@ retry=600
  ProxySet failonstatus=500,502,503,504 failontimeout=On
</Proxy>
ProxyPass /balanced/@SCHEME@/ balancer://@SCHEME@/
ProxyPass /pooled/@SCHEME@/ @SCHEME@://127.0.0.1:@PORT@/ enablereuse=on max=20
"""
CONF = """
<LocationMatch "^/(balanced|pooled|cgi|work)/">
  php_value outlive.disconnect stop
  php_value outlive.detect watch
</LocationMatch>
<LocationMatch "/limit">
  php_value max_execution_time 1
  php_value outlive.clock wall
</LocationMatch>
<LocationMatch "/finish">
  php_value outlive.disconnect finish
</LocationMatch>
ScriptAlias /cgi/ @ROOT@/cgi/
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
ProxyPass /refused/ http://127.0.0.1:1/
ProxyPassMatch ^/php/(.*)$ fcgi://127.0.0.1:@FPM@@ROOT@/www/work.php/$1
ProxyPass /dies/ http://127.0.0.1:@DIES@/
AddHandler lua-script .lua
""" + REPORTS
# What reads like a fault of a backend.
FAULTS = re.compile(r"AH01102|AH00898|AH01067|AH01075|AH01174|AH01114|AH00959|AH00893|AH00992|AH10101|AH00857|AH00878|AH02811|AH01220|:error\]")


class Talker:
    """A server that speaks one protocol, as far as a test needs it. What has `limit` or `silent` in its path is not answered."""

    def __init__(self, scheme):
        self.scheme, self.begun, self.over = scheme, set(), set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection, contextlib.suppress(OSError):
            while True:
                asked = b""
                while not re.search(rb"/[a-z]+[0-9]+", asked):
                    more = connection.recv(65536)
                    if not more:
                        return
                    asked += more
                name = re.search(rb"/([a-z]+[0-9]+)", asked)[1].decode()
                self.begun.add(name)
                if name.startswith("quick"):
                    getattr(self, self.scheme)(connection)
                    if self.scheme not in ("ajp", "fcgi"):
                        return
                    continue
                if name.startswith("finish"):
                    time.sleep(1)
                    getattr(self, self.scheme)(connection)
                    self.over.add(name)
                    return
                while connection.recv(65536):
                    pass
                self.over.add(name)
                return

    @staticmethod
    def http(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nall")

    uwsgi = http

    @staticmethod
    def scgi(connection):
        connection.sendall(b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nall")

    @staticmethod
    def fcgi(connection):
        text = b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nall"
        connection.sendall(struct.pack(">BBHHBB", 1, 6, 1, len(text), 0, 0) + text + struct.pack(">BBHHBB", 1, 6, 1, 0, 0, 0) +
                           struct.pack(">BBHHBBIBBBB", 1, 3, 1, 8, 0, 0, 0, 0, 0, 0, 0))

    @staticmethod
    def ajp(connection):
        def packet(data):
            return b"AB" + struct.pack(">H", len(data)) + data
        connection.sendall(packet(b"\x04" + struct.pack(">H", 200) + struct.pack(">H", 2) + b"OK\0" + struct.pack(">H", 0)) +
                           packet(b"\x03" + struct.pack(">H", 3) + b"all\0") + packet(b"\x05\x01"))


def test_stops(server, talkers):
    """Clients that go, and limits, of servers that say nothing: the members stay in service, and the log has one line of ours for each."""
    others = len(server.said())  # what other tests have done to this server
    for scheme, talker in talkers.items():
        for way in ("balanced", "pooled"):
            for number in range(3):
                before = server.said()
                name = f"silent{number}"
                talker.begun.discard(name)
                talker.over.discard(name)
                client = server.client(f"/{way}/{scheme}/{name}")
                wait_for(f"{way} {scheme} has begun", lambda: name in talker.begun)
                client.go()
                wait_for(f"{way} {scheme} is let go", lambda: name in talker.over)
                wait_for("the log says so", lambda: "the client has gone; stopped, as outlive.disconnect says" in server.said()[len(before):])
                status, _, body = server.ask(f"/{way}/{scheme}/quick{number}")
                assert (status, body) == (200, b"all"), (way, scheme, status, body)
            status, _, _ = server.ask(f"/{way}/{scheme}/limit1")
            assert status == 504, (way, scheme, status)
            status, _, body = server.ask(f"/{way}/{scheme}/quick9")
            assert (status, body) == (200, b"all"), (way, scheme, "after the limit", status, body)
            talker.over.discard("finish1")
            talker.begun.discard("finish1")
            client = server.client(f"/{way}/{scheme}/finish1")
            wait_for(f"{way} {scheme} has begun", lambda: "finish1" in talker.begun)
            client.go()
            wait_for(f"{way} {scheme} is finished", lambda: "finish1" in talker.over)
    wrong = [line for line in server.said()[others:].splitlines() if FAULTS.search(line) and "outlive: time limit" not in line
             # mod_proxy_ajp writes this one for no request, so that nobody can tell whose it is.
             and "AH01030" not in line]
    assert not wrong, "\n".join(wrong)


def endings(server):
    text = server.ask("/metrics")[2].decode()
    return {name: int(value) for name, value in re.findall(r'outlive_requests\w*_total\{ending="([^"]+)"\} (\d+)', text)}


def test_host_errors(server, back):
    """Each handler that fails in its own way: one more host error, and not one more that was completed."""
    def fails(path, statuses):
        # What was asked for before is counted by now: each process is gathered every quarter of a second.
        before, seen = endings(server), 0.0
        while seen < 0.6:
            time.sleep(0.2)
            now = endings(server)
            before, seen = (before, seen + 0.2) if now == before else (now, 0.0)
        try:
            status = server.ask(path)[0]
        except Exception as error:  # a response that breaks off
            status = type(error).__name__
        assert status in statuses, (path, status)
        wait_for(f"{path} is counted", lambda: sum(endings(server).values()) > sum(before.values()), 5)
        after = endings(server)
        assert after["host_error"] == before["host_error"] + 1 and after["completed"] == before["completed"], (path, before, after)
    fails("/refused/x", (503,))
    fails("/work/s?status=503", (503,))
    fails("/dies/head", (502,))
    fails("/dies/body", ("IncompleteRead", 200))
    fails("/cgi/fails", (500,))
    fails("/php/x", (500,))
    fails("/w.lua", (500,))
    assert "outlive: host error: the handler ended with status 503" in server.said()
    before = endings(server)
    assert server.ask("/none")[0] == 404  # a good answer to a question
    wait_for("it is counted", lambda: endings(server)["completed"] == before["completed"] + 1, 5)


@contextlib.contextmanager
def dying_backend():
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                if b"/body" in connection.recv(65536):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome of it")
    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


@pytest.mark.parametrize("mpm", MPMS)
def test_told_to_end(mpm, back):
    """SIGTERM to a child, apachectl restart, and SIGTERM to a child that ends gracefully, while requests run."""
    conf = REPORTS + """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
php_value outlive.detect watch
<Location /work/finish>
  php_value outlive.disconnect finish
</Location>
<Location /work/stop>
  php_value outlive.disconnect stop
</Location>
<Location /example>
  SetHandler outlive-example
</Location>
LogFormat "%U %{outlive-ending}n" ending
CustomLog @ROOT@/ending.log ending
OutliveScoreboard @ROOT@/run/board
""".replace("@BACKEND@", str(back.port))
    more = [f"LoadModule outlive_example_module {BUILD}/mod_outlive_example.so"]
    # A child with threads that is told to end waits for them; its parent's patience ends after ten seconds.
    for number, how in enumerate((signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1) if mpm == "prefork" else (signal.SIGHUP,)):
        with Httpd(conf, mpm=mpm, more=more) as server:
            server.may_crash = True
            clients = [server.client(f"/work/{name}{number}?steps=1&pause=60&silent") for name in ("finish", "stop")]
            clients.append(server.client("/example"))
            wait_for("all have begun", lambda: {f"finish{number}", f"stop{number}"} <= set(back.begun))
            rows = wait_for("they are in the table", lambda: (now := server.live()["requests"]) and len(now) == 3 and now)
            if how == signal.SIGTERM:  # to the children: an operator's kill
                for process in {row["process"] for row in rows}:
                    os.kill(process, signal.SIGTERM)
            elif how == signal.SIGUSR1:
                # The children that are told to end gracefully wait for their requests; then somebody has no patience.
                server.graceful()
                time.sleep(0.5)
                for process in {row["process"] for row in rows}:
                    os.kill(process, signal.SIGTERM)
            else:
                server.process.send_signal(how)

            def board():
                try:
                    return server.live()
                except OSError:
                    return None
            left = wait_for("nothing of it is in flight", lambda: (now := board()) and now["in_flight"] == 0 and now, 40)
            said = (server.root / "ending.log").read_text()
            unfinished = {row["label"] for row in left["requests"] if row["unfinished"]}
            for name in (f"/work/finish{number}", f"/work/stop{number}", "/example"):
                told = [line.split()[1] for line in said.splitlines() if line.startswith(name + " ")]
                if name == "/example" and "example: ending 1 after 40 steps" in server.said() and mpm != "prefork":
                    continue  # it was quicker than that
                assert "completed" not in told and "aborted" not in told, (mpm, how, name, told)
                assert name in unfinished or "shutdown" in told, (mpm, how, name, told, unfinished)
            assert "example: ending 1 " not in server.said() or mpm != "prefork", server.said()
            assert not re.search("Segmentation|exit signal (Ab|Se)", server.said()), server.said()
            for client in clients:
                client.go()


@pytest.mark.parametrize("mpm", MPMS)
def test_patience_ends(mpm, back):
    """GracefulShutdownTimeout runs out while a request runs."""
    conf = """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
php_value outlive.disconnect finish
GracefulShutdownTimeout 1
LogFormat "%U %{outlive-ending}n" ending
CustomLog @ROOT@/ending.log ending
""".replace("@BACKEND@", str(back.port))
    with Httpd(conf, mpm=mpm) as server:
        server.may_crash = True
        client = server.client("/work/patience?steps=1&pause=60&silent")
        wait_for("it has begun", lambda: "patience" in back.begun)
        server.process.send_signal(signal.SIGWINCH)
        server.process.wait(60)
        assert "patience" not in back.ends or back.ends["patience"] != "done", back.ends
        said = (server.root / "ending.log").read_text().splitlines()
        assert not {"/work/patience completed", "/work/patience aborted", "/work/patience -"} & set(said), said
        assert not re.search("Segmentation|exit signal (Ab|Se)", server.said()), server.said()
        client.go()


@pytest.fixture(scope="module")
def talkers():
    return {scheme: Talker(scheme) for scheme in SCHEMES}


@pytest.fixture(scope="module", params=MPMS)
def server(request, talkers):
    mpm = request.param
    conf = CONF + "".join(BALANCED.replace("@SCHEME@", scheme).replace("@PORT@", str(talker.port)) for scheme, talker in talkers.items())
    with Fpm() as fpm, backend() as back, dying_backend() as dies:
        conf = conf.replace("@FPM@", str(fpm.port)).replace("@BACKEND@", str(back.port)).replace("@DIES@", str(dies))
        modules = ["lua", "proxy_balancer", "slotmem_shm", "lbmethod_byrequests", "proxy_scgi", "proxy_uwsgi", "proxy_ajp"]
        with Httpd(conf, mpm=mpm, modules=modules, more=cgi_module("cgi" if mpm == "prefork" else "cgid")) as server:
            server.back = back
            server.file("cgi/fails", "#!/bin/sh\nexit 1\n", 0o755)
            server.file("www/work.php", "<?php http_response_code(500); echo 'no';")
            server.file("www/w.lua", "function handle(r)\n  return 500\nend\n")
            yield server
