"""What the module costs, in instructions of nginx's loop for a proxied request, counted by callgrind. The request is one as a browser sends it, with cookies, on
kept connections; its answer a page of 16 kB, whose access is logged. At most 1 % more than nginx alone where the module is loaded and not configured, 3 % where all of it
is configured. How long the C library's allocator searches depends on what else is in the heap, and a search that is shorter by chance is no merit of
the module's: without the allocator's part, too, it may take no more. What a worker does by the clock, however many requests there are, is not
counted: nginx writes its times anew once a second, and the module looks around four times a second while there are requests."""

import contextlib
import http.client
import os
import re
import shutil
import signal
import subprocess

import pytest
from backends import Raw
from server import NGINX, Nginx, wait_for, waits

FEW, MANY = 100, 600
CONF = "location / { proxy_set_header Connection \"\"; proxy_pass http://kept; }"
HTTP = "keepalive_requests 100000; upstream kept { server 127.0.0.1:@PORT@; keepalive 4; keepalive_requests 100000; }"
KINDS = {  # module, configuration, most that it may cost
    "nginx alone": (False, "", None),
    "loaded": (True, "", 0.01),
    "configured": (True, "outlive_disconnect auto; outlive_time_limit 60s; outlive_max_detached 32; outlive_max_detached_time 5m;", 0.03),
}


BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/png,image/svg+xml,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5", "Accept-Encoding": "gzip, deflate, br, zstd", "Connection": "keep-alive", "Referer": "http://localhost/shop/basket",
    "Cookie": "session=0123456789abcdef0123456789abcdef; seen=1; theme=dark; _consent=analytics%3Dno%26functional%3Dyes",
    "Upgrade-Insecure-Requests": "1", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin", "Priority": "u=0, i",
}
ANSWER = (b"HTTP/1.1 200 OK\r\nServer: application\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store, no-cache, must-revalidate\r\n"
          b"Expires: Thu, 19 Nov 1981 08:52:00 GMT\r\nPragma: no-cache\r\nVary: Accept-Encoding\r\nX-Frame-Options: SAMEORIGIN\r\n"
          b"Set-Cookie: session=0123456789abcdef0123456789abcdef; Path=/; HttpOnly\r\nContent-Length: 16384\r\n\r\n" + b"x" * 16384)


class Answers(Raw):
    """One piece for each request: what nginx does for it does not depend on how pieces arrive."""

    def serve(self, connection):
        while connection.recv(65536):
            connection.sendall(ANSWER)


class Counted(Nginx):
    """One process, under callgrind."""

    def command(self, *more):
        return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.root}/counts", "--separate-threads=yes", "--dump-instr=no",
                f"--log-file={self.root}/said", NGINX, *super().command(*more)[1:]]

    def __enter__(self):
        self.process = subprocess.Popen(self.command(), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("nginx answers", self.up, 60)
        return self

    def up(self):
        try:
            return self.ask("/first")[0] == 200
        except OSError:
            return False

    def __exit__(self, *_):
        while self.process.poll() is None:  # a signal that comes just before it waits is not noticed, without a master
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
        loop = next(path for path in self.root.glob("counts*-01") if "Trigger: Program termination" in path.read_text())
        total = int(re.search(r"(?m)^(?:summary|totals): (\d+)", loop.read_text())[1])
        allocator = sum(counted(loop, r"malloc/malloc\.c:"))
        clock = [max(counted(loop, f":{name}", "--inclusive=yes"), default=0) for name in ("ngx_time_update", "ngx_http_outlive_stop_handler")]
        self.counts = (total - sum(clock), allocator, clock[1])
        threads = {path.name.rpartition("-")[2] for path in self.root.glob("counts*-*")}
        assert threads == {"01"}, f"a second thread makes every system call of nginx dearer: {threads}"
        subprocess.run(["rm", "-rf", self.root], check=True)


def counted(counts, name, *options):
    """The instructions of each function with that name."""
    command = ["callgrind_annotate", "--threshold=100", "--auto=no", *options, counts]
    listed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [int(count.replace(",", "")) for count in re.findall(rf"(?m)^ *([\d,]+) \(.*{name}", listed)]


def run(kind, requests, port):
    load, conf, _ = KINDS[kind]
    board = "outlive_scoreboard @ROOT@/run/scoreboard;" if conf else ""
    with Counted(CONF + conf, http=HTTP.replace("@PORT@", str(port)) + board, main="master_process off;", load=load, variables=False) as nginx:
        connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=60)
        for _ in range(requests):
            wait_for("nginx waits", lambda: waits(nginx.process), pause=0.0005)  # for this request, and not for the rest of the one before, too
            connection.request("GET", "/shop/basket/checkout?step=2", headers=BROWSER)
            assert len(connection.getresponse().read()) == 16384
        connection.close()
    return nginx.counts


def cost(kind, port):
    """Instructions for a request, and how many of them are the allocator's; what was done by the clock meanwhile."""
    return [(many - few) / (MANY - FEW) for many, few in zip(run(kind, MANY, port), run(kind, FEW, port), strict=True)]


@pytest.fixture(scope="module")
def answers():
    with Answers() as one:
        yield one


@pytest.fixture(scope="module")
def alone(answers):
    return cost("nginx alone", answers.port)


@pytest.mark.skipif(not shutil.which("valgrind") and os.environ.get("CI") != "true", reason="valgrind counts")
@pytest.mark.parametrize("kind", list(KINDS)[1:])
def test_cost(kind, answers, alone, capsys):
    most, (total, allocators, clock) = KINDS[kind][2], cost(kind, answers.port)
    within = allocators - alone[1]
    more, own = (total - alone[0]) / alone[0], (total - alone[0] - within) / alone[0]
    with capsys.disabled():
        print(f"\n{kind:<12} {total - alone[0] - within:+.0f} of {alone[0]:.0f} instructions a request, {100 * own:+.2f} % (at most {100 * most:g} %)"
              + f"; with the allocator's {within:+.0f} {100 * more:+.2f} %; by the clock {clock:+.0f}")
    assert own <= most
    assert more <= most
