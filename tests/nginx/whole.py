#!/usr/bin/env python3
"""What nginx does beside proxying goes on as ever: other upstream protocols, kept connections, the next server, caches, subrequests, redirects,
websockets, name resolution: whole.py."""

import base64
import os
import socket
import struct
import sys
import threading
import time

from backends import Grpc, Uwsgi
from finish import ended, rest
from server import Fpm, Nginx, Stream, backend, connect, free_port, go, wait_for

HTTP = """
proxy_cache_path @ROOT@/tmp/cache keys_zone=kept:1m;
limit_req_zone $server_name zone=slow:1m rate=2r/s;
limit_conn_zone $server_name zone=few:1m;
upstream kept { server 127.0.0.1:@BACKEND@ max_fails=1 fail_timeout=60s; keepalive 4; }
upstream two { server 127.0.0.1:@REFUSED@ max_fails=9; server 127.0.0.1:@BACKEND@ backup; }
resolver 127.0.0.1:@DNS@ ipv6=off valid=1s;
"""
CONF = """
outlive_disconnect finish;
location /php/ { fastcgi_pass 127.0.0.1:@FPM@; @FCGI@ }
location /php-stop/ { outlive_disconnect stop; fastcgi_pass 127.0.0.1:@FPM@; @FCGI@ }
location /uwsgi/ { uwsgi_pass 127.0.0.1:@UWSGI@; @PARAMS@ }
location /uwsgi-stop/ { outlive_disconnect stop; uwsgi_pass 127.0.0.1:@UWSGI@; @PARAMS@ }
location /grpc/ { grpc_pass grpc://127.0.0.1:@GRPC@; }
location /grpc-stop/ { outlive_disconnect stop; grpc_pass grpc://127.0.0.1:@GRPC@; }
location /kept/ { proxy_set_header Connection ""; proxy_pass http://kept/; }
location /kept-stop/ { outlive_disconnect stop; outlive_time_limit 800ms; proxy_set_header Connection ""; proxy_pass http://kept/; }
location /two/ { proxy_pass http://two/; proxy_next_upstream error timeout non_idempotent; }
location /cached/ { proxy_cache kept; proxy_cache_valid 200 1m; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /cached-stop/ { outlive_disconnect stop; proxy_cache kept; proxy_cache_valid 200 1m; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /asked/ { auth_request /auth; proxy_pass http://127.0.0.1:@BACKEND@/; }
location = /auth { internal; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_pass http://127.0.0.1:@BACKEND@/auth?status=204; }
location /mirrored/ { mirror /copy; proxy_pass http://127.0.0.1:@BACKEND@/; }
location = /copy { internal; proxy_pass http://127.0.0.1:@BACKEND@/copy?steps=20&silent&rest=; }
location /ssi/ { ssi on; ssi_types *; proxy_set_header Accept-Encoding ""; }
location /piece/ { proxy_pass http://127.0.0.1:@BACKEND@/; }
location /slowed/ { limit_req zone=slow burst=9; limit_conn few 9; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /moved/ { proxy_pass http://127.0.0.1:@REFUSED@; error_page 502 = @other; }
location @other { proxy_pass http://127.0.0.1:@BACKEND@; }
location /tried/ { outlive_disconnect stop; try_files /none @finish; }
location @finish { outlive_disconnect finish; proxy_pass http://127.0.0.1:@BACKEND@; }
location /twice/ { try_files /none @without; }
location @without { outlive_disconnect off; outlive_time_limit off; try_files /none @other; }
location /named/ { set $where nowhere.example; proxy_pass http://$where:@BACKEND@$uri$is_args$args; }
location /status/ { proxy_pass http://127.0.0.1:@BACKEND@/; }
location /refused/ { proxy_pass http://127.0.0.1:@REFUSED@/; }
location /socket/ { outlive_disconnect stop; outlive_time_limit 500ms; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
    proxy_pass http://127.0.0.1:@SOCKET@; }
location /dies/ { proxy_pass http://127.0.0.1:@SOCKET@; }
location /static/ { }
"""
FCGI = "fastcgi_param SCRIPT_FILENAME @ROOT@/www/work.php; fastcgi_param PATH_INFO $uri; fastcgi_param QUERY_STRING $args; " \
       "fastcgi_param REQUEST_METHOD $request_method; fastcgi_param CONTENT_LENGTH $content_length;"
PARAMS = "uwsgi_param REQUEST_URI $request_uri; uwsgi_param CONTENT_LENGTH $content_length;"
PHP = """<?php
$name = basename($_SERVER['PATH_INFO']);
$note = fn($what) => touch('@ROOT@/tmp/' . $name . '.' . $what);
register_shutdown_function(function () use ($note, &$done) { $note($done ? 'done' : 'lost'); });
$note('begun');
for ($step = 0; $step < 10; $step++) {
    if (!isset($_GET['silent'])) { echo "step $step\\n", str_repeat(' ', 20000); flush(); }
    usleep(50000);
}
echo "the end\\n";
flush();
$done = true;
"""


def began(back, name):
    wait_for(f"{name} has begun", lambda: name in back.begun)


def leave(nginx, back, path, silent=False, how="reset", method="POST"):
    """A client submits something, and goes."""
    name = path.rsplit("/", 1)[1].partition("?")[0]
    client = nginx.client(path + ("&silent" if silent else ""), method, b"x=1" if method == "POST" else b"")
    if silent:
        began(back, name)
    else:
        client.read(b"step 0")
    go(client, how)
    return name


def php(nginx, *_):
    for place, end in (("php", "done"), ("php-stop", "lost")):
        for silent in (False, True):
            name = f"{place}{int(silent)}"
            client = nginx.client(f"/{place}/{name}" + ("?silent" if silent else ""), "POST", b"x=1")
            wait_for(f"{name} has begun", (nginx.root / f"tmp/{name}.begun").exists)
            if not silent:
                client.read(b"step 0")
            client.go()
            line = nginx.log_line(f"/{place}/{name}").split()
            assert line[2:4] == (["completed", "1"] if end == "done" else ["aborted", "1"]), (name, line)
            # PHP hears of it with its next output; nginx is free at once.
            known = "done" if silent else end
            wait_for(f"{name} is over: {known}", (nginx.root / f"tmp/{name}.{known}").exists)


def uwsgi(nginx, _, more):
    for place, end in (("uwsgi", "done"), ("uwsgi-stop", "lost")):
        for silent in (False, True):
            name = leave(nginx, more["uwsgi"], f"/{place}/{place}{int(silent)}?steps=8", silent)
            assert ended(more["uwsgi"], name) == end, (name, more["uwsgi"].ends)


def grpc(nginx, _, more):
    back = more["grpc"]
    for place, end in (("grpc", "done"), ("grpc-stop", "lost")):
        for silent in ({}, {"silent": ""}):
            back.name, back.options = name, _ = f"{place}{len(silent)}", {"steps": 8, **silent}
            client = Stream(connect(nginx.h2c))
            one = client.post(f"/{place}/{name}", b"\0\0\0\0\3x=1")
            if silent:
                began(back, name)
            else:
                client.read(one, b"step 0")
            client.reset(one)
            assert ended(back, name) == end, (name, back.ends)
            assert nginx.log_line(f"/{place}/{name}").split()[2] == ("completed" if end == "done" else "aborted")
            client.go()
    # The client's stream has not ended: it was not submitted.
    back.name, back.options = "open", {}
    client = Stream(connect(nginx.h2c))
    one = client.post("/grpc/open", b"\0\0\0\0\3x=1", end=False, length=1000)
    wait_for("its first message has come", lambda: "open.data" in back.begun)
    client.reset(one)
    assert nginx.log_line("/grpc/open").split()[2:4] == ["aborted", "0"], nginx.logged("/grpc/open")
    client.go()


def kept(nginx, back, _):
    """A stop is not a failure: the peer stays in use, though one failure would put it out for a minute; and kept connections stay."""
    for number in range(3):
        name = leave(nginx, back, f"/kept-stop/stopped{number}?steps=20", silent=number > 0)
        assert ended(back, name) == "lost"
        assert nginx.ask(f"/kept-stop/late{number}?steps=1&pause=30&silent")[0] == 504
    assert ended(back, leave(nginx, back, "/kept/left?steps=6")) == "done"
    assert nginx.ask("/kept/still?steps=1&pause=0")[0] == 200
    assert "temporarily disabled" not in nginx.said() and "no live upstreams" not in nginx.said()


def next_upstream(nginx, back, _):
    """The next server is asked for a client that has gone, too: the first one answers nothing, and dies with the request."""
    client = nginx.client("/two/other?steps=4", "POST", b"x=1")
    began(back, "other")
    client.go()
    assert ended(back, "other") == "done"


def cache(nginx, back, _):
    """What works on fills the cache; nothing that was cut off is in it."""
    for place, end in (("cached", "done"), ("cached-stop", "lost")):
        name = leave(nginx, back, f"/{place}/{place}?steps=6&size=3000", method="GET")
        assert ended(back, name) == end, back.ends
        back.begun.clear()
        assert b"the end" in nginx.ask(f"/{place}/{place}?steps=6&size=3000")[2]
        assert (place in back.begun) == (end == "lost"), "the cache has what it should not" if end == "lost" else "not in the cache"
        assert b"the end" in nginx.ask(f"/{place}/{place}?steps=6&size=3000")[2]


def subrequests(nginx, back, _):
    name = leave(nginx, back, "/asked/asked?steps=6")
    assert ended(back, name) == "done"
    back.ends.clear()
    name = leave(nginx, back, "/mirrored/mirrored?steps=4")
    assert ended(back, name) == "done"
    # nginx reads the head of a mirrored answer and no more: the last write may be lost ("lost"), and no step before ("lost N").
    ended(back, "copy")
    assert back.ends["copy"] in ("done", "lost"), back.ends
    # Pieces of a page: two of them at once, whose order the page keeps.
    (nginx.root / "www/ssi").mkdir()
    (nginx.root / "www/ssi/page").write_text('<!--#include virtual="/piece/one?steps=4" --> and <!--#include virtual="/piece/two?steps=8" --> end\n')
    for how in ("reset", "close"):
        back.ends.clear()
        back.begun.clear()
        client = nginx.client("/ssi/page")
        began(back, "two")
        go(client, how)
        assert ended(back, "one") == ended(back, "two") == "done", back.ends
    wait_for("the page is over", lambda: len(nginx.logged("/ssi/page")) == 2)
    assert [line.split()[4:6] for line in nginx.logged("/ssi/page")] == [["completed", "1"]] * 2, nginx.logged("/ssi/page")
    assert nginx.ask("/ssi/page")[2].endswith(b" end\n")


def redirects(nginx, back, _):
    """Of several locations, the one that works for the request decides."""
    for path in ("/moved/moved?steps=6", "/tried/tried?steps=6", "/twice/twice?steps=6"):
        name = path.strip("/").partition("?")[0]
        client = nginx.client(path, "POST", b"x=1")
        client.read(b"step 0")
        client.go()
        assert ended(back, name) == "done", (name, back.ends)
        assert nginx.log_line("/" + name).split()[2:4] == ["completed", "1"], nginx.logged("/" + name)


def delayed(nginx, back, _):
    for number in range(2):
        name = leave(nginx, back, f"/slowed/slowed{number}?steps=4")
        assert ended(back, name) == "done"


def names(nginx, back, more):
    """The client goes while the server's name is looked up."""
    client = nginx.client("/named/resolved?steps=4", "POST", b"x=1")
    wait_for("the name is asked for", lambda: more["asked"])
    client.go()
    time.sleep(0.2)  # nginx hears of it; nothing depends on it
    more["answer"].set()
    assert ended(back, "named/resolved") == "done"
    assert nginx.log_line("/named/resolved").split()[2:4] == ["completed", "1"], nginx.logged("/named/resolved")


def failures(nginx, back, _):
    """A backend that fails has failed, whoever is there to see it."""
    assert nginx.ask("/status/bad?status=500")[0] == 500
    assert nginx.log_line("/status/bad").split()[2:] == ["host", "error", "0", "-"]
    assert nginx.ask("/refused/x")[0] == 502
    assert nginx.log_line("/refused/x").split()[2:] == ["host", "error", "0", "-"]
    assert nginx.ask("/status/fine?status=404")[0] == 404
    assert nginx.log_line("/status/fine").split()[2:] == ["completed", "0", "-"]
    assert nginx.ask("/status/head?steps=1&pause=0", "HEAD")[0] == 501  # http.server has no HEAD here
    (nginx.root / "www/static").mkdir()
    (nginx.root / "www/static/f").write_text("plain\n")
    assert nginx.ask("/static/f")[2] == b"plain\n"
    assert nginx.log_line("/static/f").split()[2:] == ["completed", "0", "-"]


def dying(nginx, back, more):
    """A backend that dies in the middle, with and without a client."""
    for place in ("socket", "dies"):
        client = nginx.client(f"/{place}/dies", "POST", b"x=1")
        client.read(b"half")
        if place == "dies":
            client.go()
        else:
            more["dies"].set()
            assert not rest(client.socket).endswith(b"0\r\n\r\n")
            client.go()
        assert nginx.log_line(f"/{place}/dies").split()[2:4] == ["host", "error"], nginx.logged(f"/{place}/dies")
        more["dies"].clear()


def websocket(nginx, _, more):
    """An upgraded connection has no limit, and what its client does is its own affair: each side can close its half."""
    client = connect(nginx.port)
    client.sendall(b"GET /socket/w HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
                   + base64.b64encode(os.urandom(16)) + b"\r\n\r\n")
    seen = b""
    while b"\r\n\r\n" not in seen:
        seen += client.recv(100)
    assert b"101" in seen
    for _ in range(3):
        client.sendall(b"ping")
        assert client.recv(100) == b"ping"
        time.sleep(0.3)
    client.close()
    wait_for("the backend hears of it", lambda: more["closed"])
    assert nginx.log_line("/socket/w").split()[2:] == ["completed", "0", "-"], nginx.logged("/socket/w")
    assert "time limit" not in "".join(line for line in nginx.said().splitlines() if "/socket/w" in line)


def echo(listener, more):
    """Switches protocols, and sends back what it gets; or answers a half, and dies."""
    def serve(connection):
        with connection:
            head = connection.recv(4096)
            if b"Upgrade: websocket" not in head:
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
                more["dies"].wait(0.3)
                return
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            while data := connection.recv(100):
                connection.sendall(data)
        more["closed"].append(True)
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def dns(server, more):
    """Answers 127.0.0.1 to every question, when it is told to."""
    while True:
        try:
            question, client = server.recvfrom(512)
        except OSError:
            return
        more["asked"].append(True)
        more["answer"].wait(20)
        end = question.index(b"\0", 12) + 5
        server.sendto(question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:end] + b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 60, 4) + b"\x7f\0\0\1", client)


def main():
    more = {"closed": [], "asked": [], "answer": threading.Event(), "dies": threading.Event()}
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=echo, args=(listener, more), daemon=True).start()
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind(("127.0.0.1", 0))
    threading.Thread(target=dns, args=(resolver, more), daemon=True).start()
    with Fpm() as fpm, Uwsgi() as more["uwsgi"], Grpc() as more["grpc"], backend() as back:
        ports = {"FCGI": FCGI, "PARAMS": PARAMS, "BACKEND": back.port, "FPM": fpm.port, "UWSGI": more["uwsgi"].port, "GRPC": more["grpc"].port,
                 "REFUSED": free_port(), "SOCKET": listener.getsockname()[1], "DNS": resolver.getsockname()[1]}
        conf, http = CONF, HTTP
        for name, value in ports.items():
            conf, http = conf.replace(f"@{name}@", str(value)), http.replace(f"@{name}@", str(value))
        with Nginx(conf, http=http) as nginx:
            (nginx.root / "www/work.php").write_text(PHP.replace("@ROOT@", str(nginx.root)))
            for test in (php, uwsgi, grpc, kept, next_upstream, cache, subrequests, redirects, delayed, names, failures, dying, websocket):
                begun = time.monotonic()
                test(nginx, back, more)
                print(f"whole: {test.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
    listener.close()
    resolver.close()


if __name__ == "__main__":
    sys.exit(main())
