#!/usr/bin/env python3
"""Time limits and caps: who is told to stop, what its client gets, and which line the log names: limits.py."""

import ctypes
import json
import os
import re
import sys
import time

from finish import ended, rest
from server import ROOT, Client, Nginx, Stream, backend, connect, wait_for

HTTP = """
limit_req_zone $server_name zone=slow:1m rate=1r/m;
outlive_scoreboard @ROOT@/run/scoreboard;
"""
CONF = """
location /limit/ { outlive_time_limit 700ms; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /page/ { outlive_time_limit 700ms; error_page 504 /late.html; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /made/ { outlive_time_limit 700ms; error_page 504 = @made; proxy_pass http://127.0.0.1:@BACKEND@/; }
location @made { proxy_pass http://127.0.0.1:@BACKEND@; }
location /asked/ { outlive_time_limit 700ms; auth_request /auth; proxy_pass http://127.0.0.1:@BACKEND@/; }
location = /auth { internal; proxy_pass_request_body off; proxy_pass http://127.0.0.1:@BACKEND@/authorised?steps=1&pause=30&silent; }
location /slowed/ { outlive_time_limit 700ms; limit_req zone=slow burst=9; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /ssi/ { outlive_time_limit 700ms; ssi on; ssi_types *; }
location /piece { proxy_pass http://127.0.0.1:@BACKEND@/piece?steps=1&pause=30&silent; }
location /mirrored/ { outlive_time_limit 2s; mirror /copy; proxy_pass http://127.0.0.1:@BACKEND@/; }
location = /copy { internal; proxy_pass http://127.0.0.1:@BACKEND@/copy?steps=1&pause=30&silent&rest=; }
location /long/ { outlive_disconnect finish; outlive_max_detached 2; outlive_max_detached_time 1s; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /cap/ { outlive_disconnect finish; outlive_max_detached 2; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /status { outlive_status; }
location /metrics { outlive_metrics; }
"""


def line_of(nginx, words):
    return next(number for number, line in enumerate(nginx.conf.read_text().splitlines(), 1) if words in line)


def refused(nginx, back):
    """No answer yet: 504, on a connection that goes on; a page for it; nothing of the backend's is left."""
    client = nginx.client("/limit/l1?steps=1&pause=30&silent")
    assert b"504 Gateway" in client.read(b"</html>\r\n")
    assert ended(back, "l1") == "lost"
    assert nginx.log_line("/limit/l1").split()[2:] == ["time", "limit", "0", "-"], nginx.logged("/limit/l1")
    client.socket.sendall(b"GET /limit/after?steps=1&pause=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.read(b"the end")
    said = nginx.said()
    assert f"outlive: time limit: stopped after 700 ms: outlive_time_limit in {nginx.conf}:{line_of(nginx, '/limit/')}" in said, said
    assert "upstream timed out" not in said and "prematurely closed" not in said, said
    (nginx.root / "www/late.html").write_text("late, sorry\n")
    status, _, body = nginx.ask("/page/l2?steps=1&pause=30&silent")
    assert (status, body) == (504, b"late, sorry\n"), (status, body)
    assert ended(back, "l2") == "lost"


def cut(nginx, back):
    """The answer has begun: its end is missing, which a client can tell."""
    client = nginx.client("/limit/c1?steps=100")
    seen = rest(client.socket)
    assert b"step 5" in seen and not seen.endswith(b"0\r\n\r\n"), seen
    assert ended(back, "c1") == "lost"
    stream = Stream(connect(nginx.h2c))
    writing, silent = stream.get("/limit/c2?steps=100"), stream.get("/limit/c3?steps=1&pause=30&silent")
    kinds = []
    while len(kinds) < 1:  # RST_STREAM for the one that had begun
        kind = stream.frame()
        kinds += [kind] if kind == 3 else []
    stream.read(silent, b"504")
    assert ended(back, "c2") == ended(back, "c3") == "lost" and writing != silent
    assert [nginx.log_line(f"/limit/{name}").split()[0] for name in ("c2", "c3")] == ["200", "504"]
    stream.go()


def page_of_its_own(nginx, back):
    """A page for the 504 that takes too long itself."""
    begun = time.monotonic()
    client = nginx.client("/made/m1?steps=1&pause=30&silent")
    assert rest(client.socket) == b""
    assert time.monotonic() - begun > 5
    assert "the page for the time limit takes more than" in nginx.said()


def request_itself(nginx, back):
    """The request does not come: 408, as nginx has it for such clients. A limit counts from its first byte."""
    client = Client.__new__(Client)
    client.socket = connect(nginx.port)
    client.socket.sendall(b"POST /limit/r1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
    assert rest(client.socket) == b""
    assert nginx.log_line("/limit/r1").split()[0] == "408" and "r1" not in back.begun
    client = Client.__new__(Client)
    client.socket = connect(nginx.port)
    client.socket.sendall(b"GET /limit/r2?steps=1&pause=0.3&silent HTTP/1.1\r\nHost: local")
    time.sleep(1)
    client.socket.sendall(b"host\r\n\r\n")  # from here on the server would be quick enough
    client.read(b"504")


def before_and_beside(nginx, back):
    """Where other modules have the request, and in subrequests."""
    assert nginx.ask("/asked/a1")[0] == 504
    assert ended(back, "authorised") == "lost" and "a1" not in back.begun
    nginx.ask("/slowed/s1?steps=1&pause=0")
    assert nginx.ask("/slowed/s2?steps=1&pause=0")[0] == 504
    (nginx.root / "www/ssi").mkdir()
    (nginx.root / "www/ssi/page").write_text('before <!--#include virtual="/piece" --> after\n')
    client = nginx.client("/ssi/page")
    seen = rest(client.socket)
    assert b" after" not in seen and not seen.endswith(b"0\r\n\r\n"), seen
    assert ended(back, "piece") == "lost"
    status, _, body = nginx.ask("/mirrored/x")
    assert status == 200 and b"the end" in body
    assert ended(back, "copy") == "lost"


def caps(nginx, back):
    """Two may work on without their clients, in both workers together; one more is told to stop."""
    clients = [nginx.client(f"/cap/k{number}?steps=1&pause=3&silent") for number in range(8)]
    wait_for("all have begun", lambda: all(f"k{number}" in back.begun for number in range(8)))
    for client in clients:
        client.go()
    wait_for("all are over", lambda: all(f"k{number}" in back.ends for number in range(8)))
    done = [name for name, end in back.ends.items() if name.startswith("k") and name[1:].isdigit() and end == "done"]
    assert len(done) == 2, back.ends
    said = nginx.said()
    assert f"outlive: the client has gone, stopped: 2 others work on without theirs: outlive_max_detached in {nginx.conf}:{line_of(nginx, '/cap/')}" in said, said
    assert len(nginx.workers()) == 2


def detached_time(nginx, back):
    client = nginx.client("/long/d1?steps=1&pause=30&silent", "POST", b"x=1")
    wait_for("it has begun", lambda: "d1" in back.begun)
    table = json.loads(nginx.ask("/status?json")[2])
    assert table["in_flight"] == 1 and table["detached"] == 0, table
    client.go()
    table = wait_for("it is detached", lambda: (now := json.loads(nginx.ask("/status?json")[2]))["detached"] and now)
    assert [(row["method"], row["label"], row["ignores_abort"], row["state"]) for row in table["requests"]] == [("POST", "/long/d1", True, "detached")], table
    assert "/long/d1" in nginx.ask("/status")[2].decode()
    assert ended(back, "d1") == "lost"
    line = nginx.log_line("/long/d1").split()
    assert line[2:4] == ["aborted", "1"] and 0.9 < float(line[4]) < 25, line
    assert f"outlive_max_detached_time in {nginx.conf}:{line_of(nginx, '/long/')}" in nginx.said()
    table = json.loads(nginx.ask("/status?json")[2])
    assert table["requests"] == [], table
    numbers = nginx.ask("/metrics")[2].decode()
    assert re.search(r'(?m)^outlive_requests_ended_total\{ending="aborted"\} [1-9]', numbers) and re.search(r"(?m)^outlive_time_limits_total [1-9]", numbers), numbers


def cancelled(nginx, back):
    """By its number, from outside; whoever may write the scoreboard may."""
    library = ctypes.CDLL(str(ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/liboutlive.so"))
    library.outlive_scoreboard_cancel.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p]

    def cancel(label):
        row = wait_for("it is listed", lambda: [row for row in json.loads(nginx.ask("/status?json")[2])["requests"] if row["label"] == label])[0]
        path = str(nginx.root / "run/scoreboard").encode()
        assert library.outlive_scoreboard_cancel(path, len(path), *map(int, row["id"].split(".")), None) == 0
    for gone in (False, True):
        name = f"x{int(gone)}"
        client = nginx.client(f"/long/{name}?steps=1&pause=30&silent", "POST", b"x=1")
        wait_for("it has begun", lambda name=name: name in back.begun)
        if gone:
            client.go()
        cancel(f"/long/{name}")
        assert ended(back, name) == "lost"
        if not gone:
            client.read(b"503 Service")
        assert nginx.log_line(f"/long/{name}").split()[2:4] == ["cancelled", str(int(gone))], nginx.logged(f"/long/{name}")
    assert "outlive: stopped: cancelled by its number" in nginx.said()


def main():
    with backend() as back:
        conf = CONF.replace("@BACKEND@", str(back.port))
        with Nginx(conf, http=HTTP) as nginx:
            for test in (refused, cut, page_of_its_own, request_itself, before_and_beside, detached_time, cancelled):
                begun = time.monotonic()
                test(nginx, back)
                print(f"limits: {test.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
        with Nginx(conf, http=HTTP, workers=2) as nginx:
            caps(nginx, back)
            print("limits: caps")


if __name__ == "__main__":
    sys.exit(main())
