"""What nginx does beside proxying goes on as ever: other upstream protocols, kept connections, the next server, caches, subrequests, redirects,
websockets, name resolution."""

import base64
import os
import socket
import struct
import threading
import time

import pytest
from backends import FCGI, PARAMS, PHP, Grpc, Uwsgi
from server import Nginx, Stream, connect, ended, finish, free_port, rest, soon_enough, wait_for

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
location /kept-late/ { outlive_time_limit 800ms; proxy_set_header Connection ""; proxy_pass http://kept/; }
location /kept-stop/ { outlive_disconnect stop; proxy_set_header Connection ""; proxy_pass http://kept/; }
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
location /socket/ { outlive_disconnect stop; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
    location /socket/limit/ { outlive_time_limit 700ms; proxy_pass http://127.0.0.1:@SOCKET@; }
    location /socket/limit4/ { outlive_time_limit 4s; proxy_pass http://127.0.0.1:@SOCKET@; }
    location /socket/limit20/ { outlive_time_limit 20s; proxy_pass http://127.0.0.1:@SOCKET@; } }
location /half/ { outlive_disconnect stop; proxy_pass http://127.0.0.1:@SOCKET@; }
location /dies/ { proxy_pass http://127.0.0.1:@SOCKET@; }
location /static/ { }
"""


class World:
    """Everything that nginx passes requests on to."""

    def __init__(self, fpm, uwsgi, grpc, back):
        self.fpm, self.uwsgi, self.grpc, self.back = fpm, uwsgi, grpc, back
        self.closed, self.asked, self.answer, self.dies = [], [], threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=echo, args=(self.listener, self), daemon=True).start()
        self.resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.resolver.bind(("127.0.0.1", 0))
        threading.Thread(target=dns, args=(self.resolver, self), daemon=True).start()

    def words(self):
        return {"FCGI": FCGI, "PARAMS": PARAMS, "BACKEND": self.back.port, "FPM": self.fpm.port, "UWSGI": self.uwsgi.port, "GRPC": self.grpc.port,
                "REFUSED": free_port(), "SOCKET": self.listener.getsockname()[1], "DNS": self.resolver.getsockname()[1]}


@pytest.fixture(scope="module")
def world(fpm, back):
    with Uwsgi() as uwsgi, Grpc() as grpc:
        one = World(fpm, uwsgi, grpc, back)
        with one.listener, one.resolver:
            yield one


@pytest.fixture(scope="module")
def nginx(world):
    conf, http = CONF, HTTP
    for name, value in world.words().items():
        conf, http = conf.replace(f"@{name}@", str(value)), http.replace(f"@{name}@", str(value))
    with Nginx(conf, http=http) as one:
        one.file("www/work.php", PHP)
        yield one


def began(back, name):
    wait_for(f"{name} has begun", lambda: name in back.begun)


def leave(nginx, back, path, silent=False, method="POST"):
    """A client submits something that is held, and goes. Its name."""
    name = path.rsplit("/", 1)[1].partition("?")[0]
    client = nginx.client(path + ("&silent" if silent else ""), method, b"x=1" if method == "POST" else b"")
    if silent:
        began(back, name)
    else:
        client.read(b"step 0")
    client.go()
    return name


def over(nginx, back, path, end):
    """It is finished, where it is to be; otherwise it is ended by itself."""
    name = path.rsplit("/", 1)[1]
    if end == "done":
        finish(nginx, back, path)
    else:
        assert ended(back, name) == end, (name, back.ends)


SILENT = pytest.mark.parametrize("silent", [False, True])


def kinds(name):
    return pytest.mark.parametrize("place, end", [(name, "done"), (f"{name}-stop", "lost")])


@SILENT
@kinds("php")
def test_php(nginx, place, end, silent):
    name = f"{place}{int(silent)}"
    notes = {what: nginx.root / f"tmp/{name}.{what}" for what in ("begun", "released", "done", "lost")}
    client = nginx.client(f"/{place}/{name}" + ("?silent" if silent else ""), "POST", b"x=1")
    wait_for(f"{name} has begun", notes["begun"].exists)
    if not silent:
        client.read(b"step 0")
    client.go()
    if end == "done":
        nginx.noticed(f"/{place}/{name}")
        notes["released"].touch()
    line = nginx.log_line(f"/{place}/{name}").split()
    assert line[2:4] == (["completed", "1"] if end == "done" else ["aborted", "1"]), (name, line)
    # PHP hears of it with its next output; nginx is free at once.
    if silent:
        notes["released"].touch()
    known = "done" if silent else end
    wait_for(f"{name} is over: {known}", notes[known].exists)


@SILENT
@kinds("uwsgi")
def test_uwsgi(nginx, world, place, end, silent):
    name = leave(nginx, world.uwsgi, f"/{place}/{place}{int(silent)}?held", silent)
    over(nginx, world.uwsgi, f"/{place}/{name}", end)


@SILENT
@kinds("grpc")
def test_grpc(nginx, world, place, end, silent):
    back = world.grpc
    back.name, back.options = name, _ = f"{place}{int(silent)}", {"held": "", **({"silent": ""} if silent else {})}
    client = Stream(connect(nginx.h2c))
    one = client.post(f"/{place}/{name}", b"\0\0\0\0\3x=1")
    if silent:
        began(back, name)
    else:
        client.read(one, b"step 0")
    client.reset(one)
    over(nginx, back, f"/{place}/{name}", end)
    assert nginx.log_line(f"/{place}/{name}").split()[2] == ("completed" if end == "done" else "aborted")
    client.go()


def test_grpc_that_was_not_submitted(nginx, world):
    """The client's stream has not ended."""
    world.grpc.name, world.grpc.options = "open", {}
    client = Stream(connect(nginx.h2c))
    one = client.post("/grpc/open", b"\0\0\0\0\3x=1", end=False, length=1000)
    wait_for("its first message has come", lambda: "open.data" in world.grpc.begun)
    client.reset(one)
    assert nginx.log_line("/grpc/open").split()[2:4] == ["aborted", "0"], nginx.logged("/grpc/open")
    client.go()


def test_kept(nginx, back):
    """A stop is not a failure: the peer stays in use, though one failure would put it out for a minute; and kept connections stay."""
    for number in range(3):
        name = leave(nginx, back, f"/kept-stop/stopped{number}?held", silent=number > 0)
        assert ended(back, name) == "lost"
        assert nginx.ask(f"/kept-late/late{number}?held&silent")[0] == 504
    leave(nginx, back, "/kept/left?held")
    finish(nginx, back, "/kept/left")
    assert nginx.ask("/kept/still?steps=1&pause=0")[0] == 200
    assert "temporarily disabled" not in nginx.said() and "no live upstreams" not in nginx.said()


def test_next_upstream(nginx, back):
    """The next server is asked for a client that has gone, too: the first one answers nothing, and dies with the request."""
    client = nginx.client("/two/other?held", "POST", b"x=1")
    began(back, "other")
    client.go()
    finish(nginx, back, "/two/other")


@kinds("cached")
def test_cache(nginx, back, place, end):
    """What works on fills the cache; nothing that was cut off is in it."""
    path = f"/{place}/{place}"
    leave(nginx, back, f"{path}?held&size=3000", method="GET")
    over(nginx, back, path, end)
    nginx.log_line(path)  # it is over for nginx, too
    back.released.add(place)
    back.begun.clear()
    assert b"the end" in nginx.ask(f"{path}?held&size=3000")[2]
    assert (place in back.begun) == (end == "lost"), "the cache has what it should not" if end == "lost" else "not in the cache"
    assert b"the end" in nginx.ask(f"{path}?held&size=3000")[2]


def test_asked(nginx, back):
    leave(nginx, back, "/asked/asked?held")
    finish(nginx, back, "/asked/asked")


def test_mirrored(nginx, back):
    leave(nginx, back, "/mirrored/mirrored?held")
    finish(nginx, back, "/mirrored/mirrored")
    # nginx reads the head of a mirrored answer and no more: the last write may be lost ("lost"), and no step before ("lost N").
    ended(back, "copy")
    assert back.ends["copy"] in ("done", "lost"), back.ends


def test_pieces(nginx, back):
    """Pieces of a page: two of them at once, whose order the page keeps."""
    (nginx.root / "www/ssi").mkdir()
    (nginx.root / "www/ssi/page").write_text('<!--#include virtual="/piece/one?held" --> and <!--#include virtual="/piece/two?held" --> end\n')
    for count, how in enumerate(("reset", "close"), 1):
        for known in (back.ends, back.begun):
            known.pop("one", None)
            known.pop("two", None)
        back.released -= {"one", "two"}
        client = nginx.client("/ssi/page")
        began(back, "two")
        client.go(reset=how == "reset")
        nginx.noticed("/ssi/page", count=count)
        back.released |= {"one", "two"}
        assert ended(back, "one") == ended(back, "two") == "done", back.ends
    wait_for("the page is over", lambda: len(nginx.logged("/ssi/page")) == 2)
    assert [line.split()[4:6] for line in nginx.logged("/ssi/page")] == [["completed", "1"]] * 2, nginx.logged("/ssi/page")
    assert nginx.ask("/ssi/page")[2].endswith(b" end\n")


@pytest.mark.parametrize("place", ["moved", "tried", "twice"])
def test_redirected(nginx, back, place):
    """Of several locations, the one that works for the request decides."""
    path = f"/{place}/{place}"
    client = nginx.client(f"{path}?held", "POST", b"x=1")
    client.read(b"step 0")
    client.go()
    finish(nginx, back, path)
    assert nginx.log_line(path).split()[2:4] == ["completed", "1"], nginx.logged(path)


def test_delayed(nginx, back):
    for number in range(2):
        leave(nginx, back, f"/slowed/slowed{number}?held")
        finish(nginx, back, f"/slowed/slowed{number}")


def test_name_that_is_looked_up(nginx, world, back):
    """The client goes while the server's name is looked up."""
    client = nginx.client("/named/resolved?held", "POST", b"x=1")
    wait_for("the name is asked for", lambda: world.asked)
    client.go()
    nginx.noticed("/named/resolved")
    world.answer.set()
    began(back, "named/resolved")
    finish(nginx, back, "/named/resolved")
    assert nginx.log_line("/named/resolved").split()[2:4] == ["completed", "1"], nginx.logged("/named/resolved")


def test_failures(nginx):
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


@pytest.mark.parametrize("place", ["half", "dies"])
def test_backend_that_dies(nginx, world, place):
    """In the middle, with and without a client."""
    client = nginx.client(f"/{place}/dies", "POST", b"x=1")
    client.read(b"half")
    if place == "dies":
        client.go()
        nginx.noticed("/dies/dies")
    world.dies.set()
    if place == "half":
        assert not rest(client.socket).endswith(b"0\r\n\r\n")
        client.go()
    assert nginx.log_line(f"/{place}/dies").split()[2:4] == ["host", "error"], nginx.logged(f"/{place}/dies")
    world.dies.clear()


def test_websocket(nginx, world):
    """An upgraded connection has no limit, and what its client does is its own affair: each side can close its half."""
    def attempt(place, seconds):
        path = f"/socket/{place}/w"
        client = connect(nginx.port)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ".encode()
                       + base64.b64encode(os.urandom(16)) + b"\r\n\r\n")
        seen = b""
        while b"\r\n\r\n" not in seen and (more := client.recv(100)):
            seen += more
        if b" 101 " not in seen:
            return False
        for _ in range(3):
            client.sendall(b"ping")
            assert client.recv(100) == b"ping"
            time.sleep(seconds / 2)
        client.close()
        wait_for("the backend hears of it", lambda: world.closed)
        assert nginx.log_line(path).split()[2:] == ["completed", "0", "-"], nginx.logged(path)
        assert "time limit" not in "".join(line for line in nginx.said().splitlines() if path in line)
        return True
    soon_enough("the upgrade", attempt)


def echo(listener, world):
    """Switches protocols, and sends back what it gets; or answers a half, and dies."""
    def serve(connection):
        with connection:
            head = connection.recv(4096)
            if b"Upgrade: websocket" not in head:
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
                world.dies.wait(60)
                return
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            while data := connection.recv(100):
                connection.sendall(data)
        world.closed.append(True)
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def dns(server, world):
    """Answers 127.0.0.1 to every question, when it is told to."""
    while True:
        try:
            question, client = server.recvfrom(512)
        except OSError:
            return
        world.asked.append(True)
        world.answer.wait(60)
        end = question.index(b"\0", 12) + 5
        server.sendto(question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:end] + b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 60, 4) + b"\x7f\0\0\1", client)
