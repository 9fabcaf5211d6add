"""Time limits and caps: who is told to stop, what its client gets, and which line the log names."""

import ctypes
import os
import re
import time

import pytest
from server import ROOT, Client, Nginx, Stream, connect, ended, rest, soon_enough, submit, wait_for

HTTP = """
limit_req_zone $server_name zone=slow:1m rate=1r/m;
outlive_scoreboard @ROOT@/run/scoreboard;
"""
CONF = """
location /limit/ { outlive_time_limit 700ms; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /limit4/ { outlive_time_limit 4s; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /limit20/ { outlive_time_limit 20s; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /free/ { proxy_pass http://127.0.0.1:@BACKEND@/; }
location /page/ { outlive_time_limit 700ms; error_page 504 /late.html; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /made/ { outlive_time_limit 700ms; error_page 504 = @made; proxy_pass http://127.0.0.1:@BACKEND@/; }
location @made { proxy_pass http://127.0.0.1:@BACKEND@; }
location /asked/ { outlive_time_limit 700ms; auth_request /auth; proxy_pass http://127.0.0.1:@BACKEND@/; }
location = /auth { internal; proxy_pass_request_body off; proxy_pass http://127.0.0.1:@BACKEND@/authorised?held&silent; }
location /slowed/ { outlive_time_limit 700ms; limit_req zone=slow burst=9; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /ssi/ { outlive_time_limit 700ms; ssi on; ssi_types *; }
location /piece { proxy_pass http://127.0.0.1:@BACKEND@/piece?held&silent; }
location /mirrored/limit/ { outlive_time_limit 700ms; mirror /copy; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /mirrored/limit4/ { outlive_time_limit 4s; mirror /copy; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /mirrored/limit20/ { outlive_time_limit 20s; mirror /copy; proxy_pass http://127.0.0.1:@BACKEND@/; }
location = /copy { internal; proxy_pass http://127.0.0.1:@BACKEND@/copy?held&silent&rest=; }
location /long/ { outlive_disconnect finish; outlive_max_detached 2; outlive_max_detached_time 1s; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /cap/ { outlive_disconnect finish; outlive_max_detached 2; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /status { outlive_status; }
location /status-if { outlive_status; if ($request_method = GET) { set $asked 1; } }
location /metrics { outlive_metrics; }
"""


@pytest.fixture(scope="module")
def nginx(back):
    with Nginx(CONF.replace("@BACKEND@", str(back.port)), http=HTTP) as one:
        yield one


def lost(back, name):
    """Whether it was ended, if it has begun in its time."""
    return name not in back.begun or ended(back, name) == "lost"


def line_of(nginx, words):
    return next(number for number, line in enumerate(nginx.conf.read_text().splitlines(), 1) if words in line)


def test_refused(nginx, back):
    """No answer yet: 504, on a connection that goes on; a page for it; nothing of the backend's is left."""
    client = nginx.client("/limit/l1?held&silent")
    assert b"504 Gateway" in client.read(b"</html>\r\n")
    assert lost(back, "l1")
    assert nginx.log_line("/limit/l1").split()[2:] == ["time", "limit", "0", "-"], nginx.logged("/limit/l1")
    client.socket.sendall(b"GET /free/after?steps=1&pause=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.read(b"the end")
    said = nginx.said()
    assert f"outlive: time limit: stopped after 700 ms: outlive_time_limit in {nginx.conf}:{line_of(nginx, '/limit/')}" in said, said
    assert "upstream timed out" not in said and "prematurely closed" not in said, said


def test_status_beside_if(nginx):
    """An if has settings of its own, and the page of its location: a request for that is not supervised either."""
    assert "/status-if" not in nginx.ask("/status-if")[2].decode()


def test_page(nginx, back):
    (nginx.root / "www/late.html").write_text("late, sorry\n")
    status, _, body = nginx.ask("/page/l2?held&silent")
    assert (status, body) == (504, b"late, sorry\n"), (status, body)
    assert lost(back, "l2")


def test_cut(nginx, back):
    """The answer has begun: its end is missing, which a client can tell."""
    def attempt(place, _):
        client = nginx.client(f"/{place}/cut-{place}?held")
        seen = rest(client.socket)
        assert not seen.endswith(b"0\r\n\r\n") or b"504" in seen, seen
        return b"step 5" in seen and ended(back, f"cut-{place}") == "lost"
    soon_enough("the sixth step", attempt)


def test_cut_stream(nginx, back):
    """HTTP/2: RST_STREAM for the one that had begun, 504 for the other."""
    def attempt(place, _):
        stream = Stream(connect(nginx.h2c))
        writing, silent = stream.get(f"/{place}/writing-{place}?held"), stream.get(f"/{place}/silent-{place}?held&silent")
        stream.read(silent, b"504")
        while writing not in stream.resets and b"504" not in stream.seen[writing]:
            stream.frame()
        stream.go()
        if writing not in stream.resets:
            return False
        assert ended(back, f"writing-{place}") == "lost" and lost(back, f"silent-{place}")
        assert [nginx.log_line(f"/{place}/{name}-{place}").split()[0] for name in ("writing", "silent")] == ["200", "504"]
        return True
    soon_enough("a response begins", attempt)


def test_page_of_its_own(nginx):
    """A page for the 504 that takes too long itself."""
    begun = time.monotonic()
    client = nginx.client("/made/m1?held&silent")
    assert rest(client.socket) == b""
    assert time.monotonic() - begun > 5
    assert "the page for the time limit takes more than" in nginx.said()


def test_request_that_does_not_come(nginx, back):
    """408, as nginx has it for such clients."""
    client = submit(nginx, "/limit/r1", b"Content-Length: 100\r\n\r\nabc")
    assert rest(client.socket) == b""
    assert nginx.log_line("/limit/r1").split()[0] == "408" and "r1" not in back.begun


def test_from_the_first_byte(nginx, back):
    """A limit counts from there, if nginx has read it by then."""
    def attempt(place, seconds):
        client = Client.__new__(Client)
        client.socket = connect(nginx.port)
        client.socket.sendall(f"GET /{place}/first-{place}?steps=1&pause=0.3&silent HTTP/1.1\r\nHost: local".encode())
        time.sleep(seconds * 1.4)
        client.socket.sendall(b"host\r\nConnection: close\r\n\r\n")  # from here on the server would be quick enough
        return b" 504 " in rest(client.socket)
    soon_enough("the first byte", attempt)


def test_asked(nginx, back):
    """Where another module has the request."""
    assert nginx.ask("/asked/a1")[0] == 504
    assert lost(back, "authorised") and "a1" not in back.begun


def test_slowed(nginx):
    nginx.ask("/slowed/s1?steps=1&pause=0")
    assert nginx.ask("/slowed/s2?steps=1&pause=0")[0] == 504


def test_piece(nginx, back):
    """In subrequests."""
    (nginx.root / "www/ssi").mkdir()
    (nginx.root / "www/ssi/page").write_text('before <!--#include virtual="/piece" --> after\n')
    client = nginx.client("/ssi/page")
    seen = rest(client.socket)
    assert b" after" not in seen and not seen.endswith(b"0\r\n\r\n"), seen
    assert lost(back, "piece")


def test_mirrored(nginx, back):
    """The request itself is quick enough, its copy is not."""
    def attempt(place, _):
        back.begun.pop("copy", None)
        back.ends.pop("copy", None)
        status, _, body = nginx.ask(f"/mirrored/{place}/x?steps=1&pause=0")
        assert status in (200, 504), status
        return status == 200 and b"the end" in body and "copy" in back.begun and ended(back, "copy") == "lost"
    soon_enough("the request itself", attempt)


def test_caps(back):
    """Two may work on without their clients, in both workers together; one more is told to stop."""
    with Nginx(CONF.replace("@BACKEND@", str(back.port)), http=HTTP, workers=2) as nginx:
        names = [f"k{number}" for number in range(8)]
        clients = [nginx.client(f"/cap/{name}?held&silent") for name in names]
        wait_for("all have begun", lambda: set(names) <= set(back.begun))
        for client in clients:
            client.go()
        wait_for("six have stopped", lambda: sum(back.ends.get(name, "").startswith("lost") for name in names) == 6)
        wait_for("two work on", lambda: nginx.live()["in_flight"] == nginx.live()["detached"] == 2)
        back.released.update(names)
        wait_for("two are done", lambda: sum(back.ends.get(name) == "done" for name in names) == 2)
        line = f"outlive: the client has gone, stopped: 2 others work on without theirs: outlive_max_detached in {nginx.conf}:{line_of(nginx, '/cap/')}"
        assert nginx.said().count(line) == 6, nginx.said()
        assert len(nginx.workers()) == 2


def test_listed(nginx, back):
    client = nginx.client("/cap/listed?held&silent", "POST", b"x=1")
    wait_for("it has begun", lambda: "listed" in back.begun)
    table = wait_for("what others have left is over", lambda: (now := nginx.live())["in_flight"] == 1 and now)
    assert table["detached"] == 0 and [row["label"] for row in table["requests"]] == ["/cap/listed"], table
    client.go()
    table = wait_for("it is detached", lambda: (now := nginx.live())["detached"] and now)
    assert [(row["method"], row["label"], row["ignores_abort"], row["state"]) for row in table["requests"]] == [("POST", "/cap/listed", True, "detached")], table
    assert "/cap/listed" in nginx.ask("/status")[2].decode()
    back.released.add("listed")
    assert ended(back, "listed") == "done"
    wait_for("the list is empty", lambda: nginx.live()["requests"] == [])


def test_detached_time(nginx, back):
    client = nginx.client("/long/d1?held&silent", "POST", b"x=1")
    wait_for("it has begun", lambda: "d1" in back.begun)
    client.go()
    assert ended(back, "d1") == "lost"
    line = nginx.log_line("/long/d1").split()
    assert line[2:4] == ["aborted", "1"] and float(line[4]) > 0.9, line
    assert f"outlive_max_detached_time in {nginx.conf}:{line_of(nginx, '/long/')}" in nginx.said()
    wait_for("the list is empty", lambda: nginx.live()["requests"] == [])
    assert nginx.ask("/limit/counted?held&silent")[0] == 504
    for number in (r'outlive_requests_ended_total\{ending="aborted"\}', "outlive_time_limits_total"):
        wait_for(f"{number} counts", lambda number=number: re.search(rf"(?m)^{number} [1-9]", nginx.ask("/metrics")[2].decode()))


@pytest.mark.parametrize("gone", [False, True])
def test_cancelled(nginx, back, gone):
    """By its number, from outside; whoever may write the scoreboard may."""
    library = ctypes.CDLL(str(ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/liboutlive.so"))
    library.outlive_scoreboard_cancel.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p]
    name = f"cancelled{int(gone)}"
    client = nginx.client(f"/cap/{name}?held&silent", "POST", b"x=1")
    wait_for("it has begun", lambda: name in back.begun)
    if gone:
        client.go()
        nginx.noticed(f"/cap/{name}")
    row = wait_for("it is listed", lambda: [row for row in nginx.live()["requests"] if row["label"] == f"/cap/{name}"])[0]
    path = str(nginx.root / "run/scoreboard").encode()
    assert library.outlive_scoreboard_cancel(path, len(path), *map(int, row["id"].split(".")), None) == 0
    assert ended(back, name) == "lost"
    if not gone:
        client.read(b"503 Service")
    assert nginx.log_line(f"/cap/{name}").split()[2:4] == ["cancelled", str(int(gone))], nginx.logged(f"/cap/{name}")
    assert "outlive: stopped: cancelled by its number" in nginx.said()
