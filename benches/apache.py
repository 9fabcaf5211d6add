#!/usr/bin/env python3
"""CPU time that httpd needs for a request, with and without mod_outlive, in paired rounds.

A static file and a proxied request: mod_outlive may need 3 % more than httpd alone; with 40 php_values in force 5 %. Watching the socket is
two system calls more. mod_php with the same 40 stands beside it. Servers answer in turn, one child each; what counts is the CPU time of all threads of the child, the median of rounds.
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
LIMITS = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxRequestWorkers 1\nServerLimit 1\nMaxKeepAliveRequests 0\nOutliveScoreboard none"
LIMITS = LIMITS.rsplit("\n", 1)[0]


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


def main():
    rounds, count = int(sys.argv[1]) if len(sys.argv) > 1 else 40, 500
    plain = dict(limits=LIMITS)
    with Httpd("", module=False, limits=LIMITS.replace("1", "4")) as back:
        back.file("www/f.txt", "x" * 1000)
        kinds = {
            "httpd alone": Httpd(conf(False, back.port), module=False, **plain),
            "mod_outlive": Httpd(conf(False, back.port), **plain),
            "mod_outlive, 40 values": Httpd(conf(True, back.port), **plain),
            "and a watched socket": Httpd(conf(True, back.port) + "php_value outlive.detect watch\n", **plain),
            "mod_php, 40 values": Httpd(conf(True, back.port), module=False,
                                        more=["LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so"], **plain),
        }
        try:
            for server in kinds.values():
                server.__enter__()
                server.file("www/f.txt", "x" * 1000)
                server.child = child(server)
            bad = 0
            for what, path in (("a static file", "/f.txt"), ("a proxied request", "/proxied/f.txt")):
                times, engine = {name: [] for name in kinds}, []
                for turn in range(rounds + 1):
                    names = list(kinds)
                    for name in names if turn % 2 else reversed(names):
                        used, share = load(kinds[name], path, count)
                        if turn:
                            times[name].append(used)
                        if turn and name == "mod_outlive":
                            engine.append(share)
                alone = statistics.median(times["httpd alone"])
                print(f"{what}: httpd alone {alone:.1f} us of CPU")
                print(f"  the engine's thread: {statistics.median(engine):.2f} % of a processor")
                for name, gate in (("mod_outlive", 3), ("mod_outlive, 40 values", 5), ("and a watched socket", None),
                                   ("mod_php, 40 values", None)):
                    more = statistics.median(100 * (mine / base - 1) for mine, base in zip(times[name], times["httpd alone"]))
                    bad += gate is not None and more > gate
                    print(f"  {name:24} {more:+5.1f} %" + (f"  (gate {gate} %)" if gate else ""))
        finally:
            for server in kinds.values():
                if server.process is not None:
                    server.__exit__(None)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
