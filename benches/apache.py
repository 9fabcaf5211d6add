#!/usr/bin/env python3
"""CPU time that httpd needs for a request, with and without mod_outlive, in pairs.

A static file and a proxied request: mod_outlive may need 3 % more than httpd alone; with 40 php_values in force 5 %. Watching the
socket is two system calls more. mod_php with the same 40 stands beside it.

Each is measured against an httpd alone of its own. The two answer short slices of requests in turn, A B B A and B A A B, so that what else
the machine does meets both alike. What counts is the CPU time of the threads that serve; of two slices the cheaper, since noise only ever
adds; of the ratios the median. Two servers of the same kind differ by several percent for as long as they live, by where their memory happens to
be, so all are started anew several times: the figure is the median of these medians, with its 95 % confidence interval. `httpd alone,
again` is what the bench makes of no difference at all. On a busy machine the caches are always cold: everything costs more.

    benches/apache.py [how often they are started] [rounds]
    benches/apache.py --instructions   user instructions of a static request by callgrind, engine's thread excluded: exact on any machine
"""

import glob
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/apache"))
from lib import Httpd, wait_for  # noqa: E402

VALUES = "\n".join(f"php_value {name} {value}" for name, value in (
    [("ignore_user_abort", "1"), ("max_execution_time", "60"), ("outlive.half_close", "open"), ("memory_limit", "64M"),
     ("user_agent", "bench"), ("precision", "10"), ("error_prepend_string", "x"), ("error_append_string", "y")]
    + [(f"bench.value{number}", str(number)) for number in range(32)]))
SPREAD = [VALUES.splitlines()[start::4] for start in range(4)]
CONF = """
<Directory @ROOT@>
@0@
</Directory>
<Directory @ROOT@/www>
@1@
</Directory>
<Files *>
@2@
</Files>
@3@
KeepAliveTimeout 300
ProxyPass /proxied/ http://127.0.0.1:@BACKEND@/
"""
LIMITS = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxRequestWorkers 1\nServerLimit 1\nMaxKeepAliveRequests 0"
THREADS = "StartServers 1\nServerLimit 1\nThreadsPerChild 4\nMaxRequestWorkers 4\nMinSpareThreads 1\nMaxSpareThreads 4\nMaxKeepAliveRequests 0"
WATCH = "php_value outlive.detect watch\n"
SLICE, WARM = 20, 3


def conf(values, backend):
    text = CONF
    for number, part in enumerate(SPREAD):
        text = text.replace(f"@{number}@", "\n".join(part) if values else "")
    return text.replace("@BACKEND@", str(backend))


def child(server):
    return wait_for("a child", lambda: subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True,
                                                      text=True).stdout.split())[0]


class Client:
    """One connection that is kept, and the CPU time of the child at its other end."""

    def __init__(self, server):
        self.server, self.tasks = server, pathlib.Path(f"/proc/{child(server)}/task")
        self.socket = socket.create_connection(("127.0.0.1", server.port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def cpu(self):
        """Nanoseconds of the threads that serve, and of the engine's."""
        used = {True: 0, False: 0}
        for task in self.tasks.iterdir():
            used[(task / "comm").read_text().strip() == "outlive"] += int((task / "schedstat").read_text().split()[0])
        return used[False], used[True]

    def ask(self, path):
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        seen = self.socket.recv(65536)
        while b"\r\n\r\n" not in seen or not seen.endswith(b"x"):
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError(f"the connection ended: {seen!r}")
            seen += more
        assert seen.startswith(b"HTTP/1.1 200"), seen

    def slice(self, path):
        """Nanoseconds of a slice."""
        for _ in range(WARM):
            self.ask(path)
        before = self.cpu()[0]
        for _ in range(SLICE):
            self.ask(path)
        return self.cpu()[0] - before


def kinds_of(backend):
    """What is measured, the httpd alone that only it is measured against (one that more are measured against would be the warmer), the gate."""
    php = ["LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so"]
    def pair(mpm, values, gate=None, extra="", **more):
        limits = LIMITS if mpm == "prefork" else THREADS
        mine = Httpd(conf(values, backend) + extra, mpm=mpm, limits=limits, **more)
        return mine, Httpd(conf(False, backend), mpm=mpm, limits=limits, module=False), gate
    return {
        "httpd alone, again": pair("event", False, module=False),
        "mod_outlive": pair("event", False, gate=3),
        "mod_outlive, 40 values": pair("event", True, gate=5),
        "and a watched socket": pair("event", True, extra=WATCH),
        "mod_outlive, 40 values, prefork": pair("prefork", True),
        "mod_php, 40 values, prefork": pair("prefork", True, module=False, more=php),  # mod_php has prefork only
    }


def median_within(values):
    """The median, and an interval that has it in 95 of 100 cases, whatever the values are distributed like."""
    values = sorted(values)
    aside = max(0, math.floor(len(values) / 2 - 0.98 * math.sqrt(len(values))))
    return statistics.median(values), values[aside], values[-1 - aside]


def measure(clients, path, rounds):
    """By what is measured: how much more it needs than its httpd alone, in percent; and about the second: microseconds of httpd alone."""
    more, alone_ns = {name: [] for name in clients}, []
    for turn in range(rounds + 1):
        for name, (mine, alone) in clients.items():
            used = {mine: math.inf, alone: math.inf}
            for client in [alone, mine, mine, alone] if turn % 2 else [mine, alone, alone, mine]:
                used[client] = min(used[client], client.slice(path))
            if turn:
                more[name].append(100 * (used[mine] / used[alone] - 1))
                alone_ns.append(used[alone] / SLICE)
    return {name: statistics.median(values) for name, values in more.items()}, statistics.median(alone_ns) / 1000


def report(what, seen, gates):
    """Whether every gate holds."""
    print(f"{what}: httpd alone {statistics.median(alone for _, alone in seen):.0f} us of CPU")
    good = True
    for name, gate in gates.items():
        middle, low, high = median_within([more[name] for more, _ in seen])
        verdict = "" if gate is None else f"  gate {gate} %: " + ("held" if middle <= gate else "missed" if low > gate else "not sure")
        good = good and (gate is None or middle <= gate)
        print(f"  {name:32} {middle:+5.1f} %  ({low:+.1f} to {high:+.1f}){verdict}", flush=True)
    return good


def instructions():
    """User instructions of a static request, of the thread that serves it. Not as root: httpd's child has to write callgrind's file."""
    if os.geteuid() == 0:
        os.execvp("setpriv", ["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", sys.executable, "-B", *sys.argv])
    base = None
    for name, values, module, extra in (("httpd alone", False, False, ""), ("mod_outlive", False, True, ""),
                                        ("mod_outlive, 40 values", True, True, ""), ("and a watched socket", True, True, WATCH)):
        server = Httpd(conf(values, 1) + extra, module=module, limits=LIMITS)
        try:
            server.file("www/f.txt", "x" * 1000)
            counts = [counted(server, number) for number in (200, 1200)]
        finally:
            shutil.rmtree(server.root, ignore_errors=True)
        each = (counts[1] - counts[0]) / 1000
        base = base or each
        print(f"{name:32} {each:8.0f}  {each - base:+6.0f}", flush=True)


def counted(server, number):
    """Instructions of a whole run with so many requests."""
    with tempfile.TemporaryDirectory() as there:
        process = subprocess.Popen(["valgrind", "--tool=callgrind", "--vgdb=no", "--separate-threads=yes", f"--callgrind-out-file={there}/out",
                                    "apache2", "-f", server.root / "httpd.conf", "-X"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        def connect():
            try:
                return socket.create_connection(("127.0.0.1", server.port), 60)
            except OSError:
                return None
        try:
            client = Client.__new__(Client)
            client.socket = wait_for("httpd under callgrind", connect, 120)
            for _ in range(number):
                client.ask("/f.txt")
            client.socket.close()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
        text = pathlib.Path(next(iter(glob.glob(f"{there}/out*-01")))).read_text()
        return int(re.search(r"^(?:totals|summary): (\d+)", text, re.M).group(1))


PATHS = {"a static file": "/f.txt", "a proxied request": "/proxied/f.txt"}


def instance(backend, rounds):
    """Everything once, with servers that were started for it; by path. And the gates, and the engine's thread's share of a processor."""
    kinds, clients = kinds_of(backend), {}
    try:
        for name, (mine, alone, _) in kinds.items():
            for server in (mine, alone):
                server.may_crash = True  # event's children sometimes do while they are ended, without any module of ours
                server.__enter__()
                server.file("www/f.txt", "x" * 1000)
            clients[name] = Client(mine), Client(alone)
        (_, engine), since = clients["mod_outlive"][0].cpu(), time.monotonic()
        seen = {what: measure(clients, path, rounds) for what, path in PATHS.items()}
        share = (clients["mod_outlive"][0].cpu()[1] - engine) / (time.monotonic() - since) / 1e7
        return seen, {name: gate for name, (_, _, gate) in kinds.items()}, share
    finally:
        for client in (client for pair in clients.values() for client in pair):
            client.socket.close()
        for server in (server for mine, alone, _ in kinds.values() for server in (mine, alone) if server.process is not None):
            server.__exit__(None)


def main():
    if sys.argv[1:] == ["--instructions"]:
        return instructions()
    instances, rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9, int(sys.argv[2]) if len(sys.argv) > 2 else 25
    with Httpd("", mpm="event", module=False, limits="StartServers 1\nServerLimit 1\nThreadsPerChild 100\nMaxRequestWorkers 100\n"
               "MaxKeepAliveRequests 0\nKeepAliveTimeout 300") as back:
        back.may_crash = True
        back.file("www/f.txt", "x" * 1000)
        all_seen = [instance(back.port, rounds) for _ in range(instances)]
    good = [report(what, [seen[what] for seen, _, _ in all_seen], all_seen[0][1]) for what in PATHS]
    print(f"the engine's thread: {statistics.median(share for _, _, share in all_seen):.2f} % of a processor")
    print('every gate held' if all(good) else 'a gate was not held, or cannot be told here')


if __name__ == "__main__":
    main()
