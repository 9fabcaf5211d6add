"""What the module costs, in instructions of lighttpd's loop for a static file of 5 kB on a kept connection whose access is logged, counted by callgrind. At most 1 % more
than lighttpd alone where it is loaded and not configured, 20 % where all of it is: lighttpd itself does very little."""

import contextlib
import http.client
import os
import re
import shutil
import signal
import subprocess

import pytest
from server import Lighttpd, wait_for, waits

FEW, MANY = 200, 1200
CONF = """
outlive.disconnect = "auto"
outlive.time-limit = 60
outlive.max-detached = 32
outlive.max-detached-time = 300
outlive.scoreboard = "@ROOT@/run/board"
"""
KINDS = {"lighttpd alone": (False, "", None), "loaded": (True, "", 0.01), "configured": (True, CONF, 0.2)}  # module, configuration, most that it may cost


class Counted(Lighttpd):
    """Under callgrind."""

    def __init__(self, kind, requests):
        module, conf, _ = KINDS[kind]
        super().__init__(f"server.max-keep-alive-requests = 100000\n{conf}", module=module, modules=("accesslog", "openssl"))
        self.file("www/f.txt", "x" * 5000)
        self.requests = requests

    def start(self):
        # It writes as the account that lighttpd has become.
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.root}/counts", "--separate-threads=yes", f"--log-file={self.root}/said", *self.command()]
        self.process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask_all(self):
        """Each when lighttpd has nothing more to do for the one before: otherwise the speed of its client decides how often it waits."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.connect()
        for _ in range(self.requests):
            wait_for("lighttpd waits", lambda: waits(self.process), pause=0.0005)
            connection.request("GET", "/f.txt")
            assert len(connection.getresponse().read()) == 5000
        connection.close()

    def count(self):
        """Of lighttpd's thread, when it has ended: the engine's own thread looks around by the clock, whatever is asked for."""
        assert self.process.wait(60) in (0, 1), (self.root / "said").read_text()
        return int(re.search(r"(?m)^(?:summary|totals): (\d+)", (self.root / "counts-01").read_text())[1])

    def remove(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.root)


def instructions(kind):
    """Of one request: what many take more than few. Both servers run equally long, so what lighttpd does each second is in neither."""
    with contextlib.ExitStack() as stack:
        many, few = servers = [Counted(kind, requests) for requests in (MANY, FEW)]
        for server in servers:
            stack.callback(server.remove)
        for server in servers:
            server.start()
        for server in servers:
            wait_for("lighttpd answers", server.up, 60)
        for server in servers:
            server.ask_all()
        for server in servers:
            server.process.send_signal(signal.SIGTERM)
        return (many.count() - few.count()) / (MANY - FEW)


@pytest.fixture(scope="module")
def alone():
    return instructions("lighttpd alone")


@pytest.mark.skipif(not shutil.which("valgrind") and os.environ.get("CI") != "true", reason="valgrind counts")
@pytest.mark.parametrize("kind", list(KINDS)[1:])
def test_cost(kind, alone, capsys):
    most, cost = KINDS[kind][2], instructions(kind)
    with capsys.disabled():
        print(f"\n{kind:<14} {cost:9.0f} instructions a request, {100 * (cost / alone - 1):+.2f} % (at most {100 * most:g} %)")
    assert cost / alone - 1 <= most
