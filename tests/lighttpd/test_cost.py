"""What the module costs, in instructions of lighttpd's loop for a static file of 5 kB on a kept connection whose access is logged, counted by callgrind. At most 1 % more
than lighttpd alone where it is loaded and not configured, 20 % where all of it is: lighttpd itself does very little."""

import http.client
import os
import re
import shutil
import signal
import subprocess

import pytest
from server import Lighttpd, wait_for

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

    def __enter__(self):
        # It writes as the account that lighttpd has become.
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.root}/counts", "--separate-threads=yes", f"--log-file={self.root}/said",
                   "lighttpd", "-D", "-m", self.root / "modules", "-f", self.root / "lighttpd.conf"]
        self.process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("lighttpd answers", self.up, 60)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        # The engine's own thread looks around by the clock, whatever is asked for.
        self.count = int(re.search(r"(?m)^(?:summary|totals): (\d+)", (self.root / "counts-01").read_text())[1])
        shutil.rmtree(self.root)


def run(kind, requests):
    module, conf, _ = KINDS[kind]
    with Counted(f"server.max-keep-alive-requests = 100000\n{conf}", module=module, modules=("accesslog", "openssl")) as server:
        server.file("www/f.txt", "x" * 5000)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for _ in range(requests):
            connection.request("GET", "/f.txt")
            assert len(connection.getresponse().read()) == 5000
        connection.close()
    return server.count


@pytest.fixture(scope="module")
def alone():
    return instructions("lighttpd alone")


def instructions(kind):
    """Of one request."""
    return (run(kind, MANY) - run(kind, FEW)) / (MANY - FEW)


@pytest.mark.skipif(not shutil.which("valgrind") and os.environ.get("CI") != "true", reason="valgrind counts")
@pytest.mark.parametrize("kind", list(KINDS)[1:])
def test_cost(kind, alone, capsys):
    most, cost = KINDS[kind][2], instructions(kind)
    with capsys.disabled():
        print(f"\n{kind:<14} {cost:9.0f} instructions a request, {100 * (cost / alone - 1):+.2f} % (at most {100 * most:g} %)")
    assert cost / alone - 1 <= most
