"""What the module costs, in instructions of httpd's thread for a static file of 5 kB on a connection that is kept, counted by callgrind.
At most 1 % more than httpd alone where it is loaded and not configured, 4 % where it is configured, whether sockets are watched or not. So too in a
child that has looked after a request: it has a second thread, for which the C library does some 400 instructions more."""

import http.client
import os
import re
import shutil
import signal
import subprocess

import pytest
from lib import Httpd, wait_for

FEW, MANY = 200, 1200
KINDS = {  # module, engine, configuration, most that it may cost
    "httpd alone": (False, False, "", None),
    "loaded": (True, False, "", 0.01),
    "configured": (True, True, "php_value outlive.disconnect auto\nphp_value max_execution_time 60\n", 0.04),
    "watched": (True, True, "php_value outlive.disconnect auto\nphp_value max_execution_time 60\nphp_value outlive.detect watch\n", 0.04),
    "after others": (True, True, "php_value outlive.disconnect auto\nphp_value max_execution_time 60\n", 0.04),
}


class Counted(Httpd):
    """One process, under callgrind."""

    def start(self):
        # Valgrind's processes are slow, and not to be interrupted while they start.
        return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.root}/counts", "--separate-threads=yes", "--dump-instr=no", f"--log-file={self.root}/said", "apache2", "-f", self.root / "httpd.conf", "-X"]

    def __enter__(self):
        for name in ("counts", "counts-01", "counts-02", "said"):  # callgrind writes them as the account that httpd has become
            (self.root / name).touch()
            (self.root / name).chmod(0o666)
        self.process = subprocess.Popen(self.start(), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("httpd answers", self.answers, 60)
        return self

    def answers(self):
        try:
            return self.ask("/none")[0] == 404
        except OSError:
            return False

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        # The engine's own thread looks around by the clock, whatever is asked for.
        self.count = int(re.search(r"(?m)^(?:summary|totals): (\d+)", (self.root / "counts-01").read_text())[1])
        subprocess.run(["rm", "-rf", self.root], check=True)


def run(kind, requests):
    module, engine, conf, _ = KINDS[kind]
    with Counted(conf + "MaxKeepAliveRequests 0\nKeepAliveTimeout 60\nTimeout 60\n", module=module, engine=engine) as server:
        server.file("www/f.txt", "x" * 5000)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        if kind == "after others":
            server.file("www/long.txt", "x" * 100_000)
            assert len(server.ask("/long.txt")[2]) == 100_000
        for _ in range(requests):
            connection.request("GET", "/f.txt")
            assert len(connection.getresponse().read()) == 5000
        connection.close()
    return server.count


@pytest.fixture(scope="module")
def alone():
    return instructions("httpd alone")


def instructions(kind):
    """Of one request."""
    return (run(kind, MANY) - run(kind, FEW)) / (MANY - FEW)


@pytest.mark.skipif(not shutil.which("valgrind") and os.environ.get("CI") != "true", reason="valgrind counts")
@pytest.mark.parametrize("kind", list(KINDS)[1:])
def test_cost(kind, alone, capsys):
    most, costs = KINDS[kind][3], instructions(kind)
    with capsys.disabled():
        print(f"\n{kind:<12} {costs:9.0f} instructions a request, {100 * (costs / alone - 1):+.2f} % (at most {100 * most:.0f} %)")
    assert costs / alone - 1 <= most
