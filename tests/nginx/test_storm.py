"""Clients that leave at any moment, in any manner, over HTTP/1.1, HTTP/2 and TLS, many at once. Whatever reached its server and is to be
finished is finished; the list ends empty."""

import concurrent.futures
import contextlib
import random
import socket
import struct
import time

from places import CONF
from server import Client, Nginx, Stalled, Stream, connect, over_tls, wait_for

FINISHED = ("finish", "raw", "stream", "small", "slow")
PLACES = (*FINISHED, "stop", "auto")


def query(chance):
    return f"?steps={chance.randrange(1, 20)}&pause=0.003&size={chance.choice((10, 2000, 30000))}" + ("&silent" if chance.random() < 0.3 else "")


def plain(nginx, chance, name, tls):
    """One client of HTTP/1.1."""
    path = f"/{chance.choice(PLACES)}/{name}{query(chance)}"
    if not tls and chance.random() < 0.2:
        client = Stalled(nginx.port, path)
    else:
        client = Client.__new__(Client)
        client.socket = over_tls(nginx.tls) if tls else connect(nginx.port)
        body = b"x" * chance.choice((0, 3, 100_000))
        part = len(body) if chance.random() < 0.8 else len(body) // 2
        with contextlib.suppress(OSError):
            client.socket.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:part])
    time.sleep(chance.random() * 0.06)
    how = chance.choice(("reset", "close", "half-close", "stay"))
    with contextlib.suppress(OSError):
        if how == "half-close":
            client.socket.shutdown(socket.SHUT_WR)
            time.sleep(chance.random() * 0.03)
        if how == "stay":
            client.socket.settimeout(0.2)
            while client.socket.recv(65536):
                pass
        client.go(reset=how == "reset")


def streams(nginx, chance, name, tls):
    """One connection of HTTP/2 with several streams."""
    client = Stream(over_tls(nginx.tls, ("h2",)) if tls else connect(nginx.h2c))
    if chance.random() < 0.5:
        client.send(8, 0, 0, struct.pack(">I", 1 << 30))  # nobody waits for us to read
    left = []
    with contextlib.suppress(OSError):
        for number in range(chance.randrange(1, 8)):
            path = f"/{chance.choice(PLACES)}/{name}.{number}{query(chance)}"
            left.append(client.get(path) if chance.random() < 0.3 else client.post(path, b"x=1", end=chance.random() < 0.9, length=3))
            time.sleep(chance.random() * 0.01)
        while left and chance.random() < 0.8:
            client.reset(left.pop(chance.randrange(len(left))))
            time.sleep(chance.random() * 0.01)
        if chance.random() < 0.5:
            client.go()
        client.socket.close()


BATCHES, SEED = 6, 7


def test_storm(back, capsys):
    http = "client_max_body_size 10m; outlive_scoreboard @ROOT@/run/scoreboard;"
    conf = CONF + "location /status { outlive_status; }"
    with Nginx(conf.replace("@BACKEND@", str(back.port)), http=http, tls=True) as nginx:
        reached = {}
        for batch in range(BATCHES):
            with concurrent.futures.ThreadPoolExecutor(12) as pool:
                going = []
                for number in range(24):
                    chance = random.Random(f"{SEED}.{batch}.{number}")
                    going.append(pool.submit(chance.choice((plain, streams)), nginx, chance, f"s{batch}.{number}", chance.random() < 0.4))
                for one in going:
                    one.result()
        wait_for("nothing is in flight", lambda: nginx.live()["requests"] == [], 60)
        for name in list(back.begun):
            wait_for(f"{name} is over", lambda name=name: back.ends.get(name))
        for line in (nginx.root / "access.log").read_text().splitlines():
            _, path, _, _, *ended = line.split()
            place, name = path.split("/")[1], path.split("/")[-1]
            if place in FINISHED and name in back.begun and not name.startswith("status"):
                reached[name] = back.ends[name]
                assert back.ends[name] == "done" or "aborted 0" in " ".join(ended), (line, back.ends[name])
        crashed = [line for line in nginx.said().splitlines() if "[alert]" in line or "exited on signal" in line]
        assert not crashed, crashed
        with capsys.disabled():
            print(f"\n{len(back.begun)} requests reached their server, {len(reached)} of them were to be finished and are")
