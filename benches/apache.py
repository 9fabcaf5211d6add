#!/usr/bin/env python3
"""CPU time that httpd needs for a request, with and without mod_outlive, in paired rounds.

A static file and a proxied request: mod_outlive may need 3 % more than httpd alone; with 40 php_values in force 5 %. Watching the
socket is two system calls more. mod_php with the same 40 stands beside it. Servers answer in turn, one child each; what counts is the CPU time of
the threads that serve, the median of rounds.
"""

import pathlib
import statistics
import subprocess
import sys
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
ProxyPass /proxied/ http://127.0.0.1:@BACKEND@/
"""
LIMITS = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxRequestWorkers 1\nServerLimit 1\nMaxKeepAliveRequests 0"
THREADS = "StartServers 1\nServerLimit 1\nThreadsPerChild 4\nMaxRequestWorkers 4\nMinSpareThreads 1\nMaxSpareThreads 4\nMaxKeepAliveRequests 0"


def conf(values, backend):
    text = CONF
    for number, part in enumerate(SPREAD):
        text = text.replace(f"@{number}@", "\n".join(part) if values else "")
    return text.replace("@BACKEND@", str(backend))


def child(server):
    return wait_for("a child", lambda: subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True,
                                                      text=True).stdout.split())[0]


def cpu(process):
    """Nanoseconds of the threads that serve, and of the engine's."""
    used = {True: 0, False: 0}
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        used[(task / "comm").read_text().strip() == "outlive"] += int((task / "schedstat").read_text().split()[0])
    return used[False], used[True]


def load(server, path, count):
    """Microseconds of a request, and the share of a processor that the engine's thread takes."""
    (before, engine), since = cpu(server.child), time.monotonic()
    subprocess.run(["ab", "-q", "-k", "-n", str(count), "-c", "1", f"http://127.0.0.1:{server.port}{path}"], check=True,
                   capture_output=True)
    after, engine_after = cpu(server.child)
    return (after - before) / count / 1000, (engine_after - engine) / (time.monotonic() - since) / 1e7


def kinds_of(backend):
    """Each beside httpd alone under the same MPM. mod_php has prefork only."""
    php = ["LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so"]
    def httpd(mpm, values, **more):
        limits = LIMITS if mpm == "prefork" else THREADS
        return Httpd(conf(values, backend) + more.pop("extra", ""), mpm=mpm, limits=limits, **more)
    return {
        "event": (httpd("event", False, module=False), None, None),
        "mod_outlive": (httpd("event", False), "event", 3),
        "mod_outlive, 40 values": (httpd("event", True), "event", 5),
        "and a watched socket": (httpd("event", True, extra="php_value outlive.detect watch\n"), "event", None),
        "prefork": (httpd("prefork", False, module=False), None, None),
        "mod_outlive, 40 values, prefork": (httpd("prefork", True), "prefork", None),
        "mod_php, 40 values, prefork": (httpd("prefork", True, module=False, more=php), "prefork", None),
    }


def measure(kinds, what, path, rounds, count):
    """Whether every gate holds."""
    times, engine = {name: [] for name in kinds}, []
    for turn in range(rounds + 1):
        for name in list(kinds) if turn % 2 else reversed(list(kinds)):
            used, share = load(kinds[name][0], path, count)
            if turn:
                times[name].append(used)
            if turn and name == "mod_outlive":
                engine.append(share)
    print(f"{what}: httpd alone {statistics.median(times['event']):.0f} us of CPU; the engine's thread: "
          f"{statistics.median(engine):.2f} % of a processor")
    good = True
    for name, (_, alone, gate) in kinds.items():
        if alone is None:
            continue
        more = statistics.median(100 * (mine / base - 1) for mine, base in zip(times[name], times[alone]))
        good = good and (gate is None or more <= gate)
        print(f"  {name:32} {more:+5.1f} %" + (f"  (gate {gate} %)" if gate else ""))
    return good


def main():
    rounds, count = int(sys.argv[1]) if len(sys.argv) > 1 else 40, 500
    with Httpd("", module=False, limits=LIMITS.replace("1", "4")) as back:
        back.file("www/f.txt", "x" * 1000)
        kinds = kinds_of(back.port)
        try:
            for server, _, _ in kinds.values():
                server.__enter__()
                server.file("www/f.txt", "x" * 1000)
                server.child = child(server)
            good = [measure(kinds, what, path, rounds, count)
                    for what, path in (("a static file", "/f.txt"), ("a proxied request", "/proxied/f.txt"))]
        finally:
            for server, _, _ in kinds.values():
                if server.process is not None:
                    server.__exit__(None)
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
