"""Whose fault an ending is. A stop is no fault of the backend, for any scheme, behind a balancer that counts faults; a backend that
refuses, dies or answers 5xx is a host error."""

import concurrent.futures
import contextlib
import re
import socket
import struct
import threading

import pytest
from lib import REPORTS, Fpm, Httpd, backend, cgi_module, wait_for

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
    """A server that speaks one protocol, as far as a test needs it. What has `limit` or `silent` in its path is not answered; `finish` is,
    once it is released."""

    def __init__(self, scheme):
        self.scheme, self.begun, self.over, self.released = scheme, set(), set(), threading.Event()
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
                    self.released.wait(60)
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
            talker.over.discard("finish1")
            talker.begun.discard("finish1")
            talker.released.clear()
            client = server.client(f"/{way}/{scheme}/finish1")
            wait_for(f"{way} {scheme} has begun", lambda: "finish1" in talker.begun)
            client.go()
            server.noticed(f"/{way}/{scheme}/finish1")
            talker.released.set()
            wait_for(f"{way} {scheme} is finished", lambda: "finish1" in talker.over)
    places = [f"/{way}/{scheme}" for scheme in talkers for way in ("balanced", "pooled")]
    # The last connections have been closed by their servers: what is stopped next is on connections that mod_proxy makes in their place.
    with concurrent.futures.ThreadPoolExecutor(len(places)) as pool:
        for place, (status, _, _) in zip(places, pool.map(lambda place: server.ask(f"{place}/limit1"), places)):
            assert status == 504, (place, status)
    for place in places:
        status, _, body = server.ask(f"{place}/quick9")
        assert (status, body) == (200, b"all"), (place, "after the limit", status, body)
    wrong = [line for line in server.said()[others:].splitlines() if FAULTS.search(line) and "outlive: time limit" not in line
             # mod_proxy_ajp writes this one for no request, so that nobody can tell whose it is.
             and "AH01030" not in line]
    assert not wrong, "\n".join(wrong)


def endings(server):
    text = server.ask("/metrics")[2].decode()
    return {name: int(value) for name, value in re.findall(r'outlive_requests\w*_total\{ending="([^"]+)"\} (\d+)', text)}


@pytest.mark.parametrize("mpm", MPMS)
def test_host_errors(mpm, talkers):
    """Each handler that fails in its own way: one more host error, and not one more that was completed. Nobody else asks this server."""
    with serving(mpm, talkers) as server:
        host_errors(server)


def host_errors(server):
    def fails(path, statuses):
        before = endings(server)
        try:
            status = server.ask(path)[0]
        except Exception as error:  # a response that breaks off
            status = type(error).__name__
        assert status in statuses, (path, status)
        wait_for(f"{path} is counted", lambda: sum(endings(server).values()) > sum(before.values()))
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
    wait_for("it is counted", lambda: endings(server)["completed"] == before["completed"] + 1)


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


@pytest.fixture(scope="module")
def talkers():
    return {scheme: Talker(scheme) for scheme in SCHEMES}


@contextlib.contextmanager
def serving(mpm, talkers):
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


@pytest.fixture(scope="module", params=MPMS)
def server(request, talkers):
    with serving(request.param, talkers) as one:
        yield one
