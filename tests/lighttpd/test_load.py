"""A hundred thousand requests, of which many lose their client in the middle, and a hundred graceful restarts meanwhile: LONG=1. lighttpd does not
grow, and nothing is left in flight."""

import os
import pathlib
import random
import re
import signal
import socket
import struct
import threading
import time

import pytest
from server import LONG, Lighttpd, backend, wait_for

CONF = """
outlive.disconnect = "auto"
outlive.time-limit = 5
outlive.max-detached = 50
outlive.scoreboard = "@ROOT@/run/board"
$HTTP["url"] =~ "^/live" { outlive.status-url = "/live" }
$HTTP["url"] =~ "^/work/" {
  proxy.server = ("" => (("host" => "127.0.0.1", "port" => "@BACKEND@")))
  proxy.header = ("map-urlpath" => ("/work/" => "/"))
}
"""


class Client(threading.Thread):
    """Some files on one connection, then work that it may not wait for."""

    done = 0

    def __init__(self, port, most, seed):
        super().__init__(daemon=True)
        self.port, self.most, self.chance = port, most, random.Random(seed)

    def run(self):
        while Client.done < self.most:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
                    self.ask(connection)
            except OSError:
                pass  # it was restarted

    def ask(self, connection):
        for _ in range(self.chance.randrange(1, 20)):
            connection.sendall(b"GET /f.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
            left = 3000
            while left > 0:
                more = connection.recv(65536)
                if not more:
                    return
                left -= len(more)
            Client.done += 1
        body = self.chance.choice([("GET", "\r\n"), ("POST", "Content-Length: 3\r\n\r\nabc")])
        connection.sendall(f"{body[0]} /work/{self.chance.randrange(10)}?steps=2&pause=0.02{self.chance.choice(['', '&silent'])} HTTP/1.1\r\n"
                           f"Host: localhost\r\n{body[1]}".encode())
        Client.done += 1
        if self.chance.random() < 0.5:
            connection.recv(1)
        if self.chance.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def size(server):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{server.process.pid}/status").read_text())[1])


@pytest.mark.skipif(not LONG, reason="LONG=1")
def test_load(capsys):
    requests, restarts = 100_000, 100
    with backend() as back, Lighttpd(CONF.replace("@BACKEND@", str(back.port))) as server:
        server.file("www/f.txt", "x" * 3000)
        clients = [Client(server.port, requests, number) for number in range(12)]
        for client in clients:
            client.start()
        sizes = []
        for turn in range(restarts + 1):
            wait_for("the next part is done", lambda: Client.done >= requests * (turn + 1) // (restarts + 1), 600)
            if turn < restarts:
                server.process.send_signal(signal.SIGUSR1)
            sizes.append(size(server))
        for client in clients:
            client.join(60)
        wait_for("nothing is in flight", lambda: server.live()["in_flight"] == 0)
        time.sleep(6)  # what lingers is closed
        descriptors = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        assert descriptors < 30, descriptors
        assert sizes[-1] - sizes[len(sizes) // 4] < 1024, f"kB after each part: {sizes}"
        with capsys.disabled():
            print(f"\n{Client.done} requests and {restarts} restarts: from {sizes[0]} to {sizes[-1]} kB, {descriptors} descriptors at the end")

