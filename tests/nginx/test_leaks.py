"""Memory of a worker over many requests, some of whose clients leave: once it is warm, thousands of requests add nothing. LONG=1: ten times as many."""

import pathlib
import re
import socket

from server import LONG, Nginx, wait_for

HTTP = "keepalive_requests 1000000; outlive_scoreboard @ROOT@/run/scoreboard; upstream inner { server 127.0.0.1:@PORT@; keepalive 8; keepalive_requests 1000000; }"
CONF = """
outlive_disconnect auto; outlive_time_limit 30s; outlive_max_detached 100;
location /outer { proxy_set_header Connection ""; proxy_pass http://inner/inner; }
location /inner { outlive_disconnect off; outlive_time_limit off; return 200 "said\\n"; }
location /status { outlive_status; }
"""
BATCH = 50


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def load(port, requests):
    """Requests in a row on connections that are kept, each of which its client leaves in the middle."""
    for number in range(requests // BATCH):
        with socket.create_connection(("127.0.0.1", port), 60) as client:
            method = "POST" if number % 2 else "GET"
            one = f"{method} /outer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()
            client.sendall(one * BATCH)
            seen = b""
            while seen.count(b"said\n") < BATCH - 1 - number % 3:
                seen += client.recv(65536)


def test_leaks(capsys):
    requests, rounds = (15_000, 40) if LONG else (1_500, 40)
    with Nginx(CONF, http=HTTP, level="warn") as nginx:
        worker = nginx.workers()[0]
        sizes = []
        while len(sizes) < 6 or sizes[-1] - sizes[-6] > 64:
            assert len(sizes) < rounds, f"the worker grows: kB resident after each {requests} requests: {sizes}"
            load(nginx.port, requests)
            sizes.append(resident(worker))
        wait_for("nothing is in flight", lambda: nginx.live()["in_flight"] == 0)
        assert nginx.workers() == [worker]
    with capsys.disabled():
        print(f"\nkB resident after each {requests} requests: {sizes}")
