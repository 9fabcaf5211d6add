#!/usr/bin/env python3
"""How a request's cost grows with the configuration: httpd with mod_php, and this library, beside one another.

httpd goes through its sections and virtual hosts one by one, for every request; the library finds them by hash. For httpd: the CPU time of
the one child that serves, keep-alive, a static file, the median of rounds. For the library: `cargo bench --bench httpd -- growth`.
What counts is how the last column of each table differs from the first, not what one of them is.
"""

import http.client
import pathlib
import random
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/apache"))
from lib import ROOT, Httpd, wait_for  # noqa: E402

SIZES = [10, 1_000, 10_000]
LIMITS = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxRequestWorkers 1\nServerLimit 1\nMaxKeepAliveRequests 0"
PHP = ["LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so"]
CLOSED = "<Directory @ROOT@>\nAllowOverride None\n</Directory>\n"


def sections(count):
    """Half of them directories, half locations, in one virtual host."""
    lines = ["<VirtualHost *>", "ServerName h.test"]
    for at in range(count // 2):
        lines += [f"<Directory @ROOT@/www/d{at}>", f"php_value user_agent d{at}", "</Directory>",
                  f"<Location /d{at}>", "php_flag display_errors on", "</Location>"]
    return CLOSED + "\n".join([*lines, "</VirtualHost>", ""])


def hosts(count):
    lines = []
    for at in range(count):
        lines += ["<VirtualHost *>", f"ServerName h{at}.test", f"ServerAlias www.h{at}.test m.h{at}.test", f"php_value user_agent h{at}",
                  "<Location /app>", "php_flag display_errors on", "</Location>", "</VirtualHost>"]
    return CLOSED + "\n".join([*lines, ""])


def child(server):
    return wait_for("a child", lambda: subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True,
                                                      text=True).stdout.split())[0]


def cpu(process):
    return int(pathlib.Path(f"/proc/{process}/schedstat").read_text().split()[0])


def ask(connection, name):
    connection.request("GET", "/f.txt", headers={"Host": name})
    answer = connection.getresponse()
    if answer.status != 200 or not answer.read():
        raise AssertionError(f"{name}: {answer.status}")


def of_httpd(conf, name, rounds):
    """Microseconds of CPU for a request."""
    with Httpd(conf, module=False, more=PHP, limits=LIMITS) as server:
        server.file("www/f.txt", "x")
        process = child(server)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        dice, times = random.Random(1), []
        for turn in range(rounds + 1):
            before = cpu(process)
            for _ in range(200):
                ask(connection, name(dice))
            times += [(cpu(process) - before) / 200 / 1000] if turn else []
        connection.close()
    return statistics.median(times)


def of_library():
    said = subprocess.run(["cargo", "bench", "--locked", "-q", "--bench", "httpd", "--", "growth"], cwd=ROOT, check=True,
                          capture_output=True, text=True).stdout
    lines = [line.split() for line in said.splitlines() if line.startswith("growth ")]
    return {(what, int(count)): float(ns) / 1000 for _, what, count, ns in lines}


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    own = of_library()
    kinds = {"sections": (sections, lambda _: lambda dice: "h.test"),
             "hosts": (hosts, lambda count: lambda dice: f"h{dice.randrange(count)}.test")}
    good = True
    for what, (conf, name) in kinds.items():
        theirs = [of_httpd(conf(count), name(count), rounds) for count in SIZES]
        mine = [own[what, count] for count in SIZES]
        print(f"{what:26}" + "".join(f"{count:>12,}" for count in SIZES) + "   last / first")
        for who, times in (("httpd, us of CPU", theirs), ("this library, us", mine)):
            print(f"  {who:24}" + "".join(f"{time:12.2f}" for time in times) + f"{times[-1] / times[0]:15.2f}")
        good = good and mine[-1] <= 2.5 * mine[0]
    print("time(10,000) / time(10) of the library is " + ("within" if good else "above") + " its gate of 2.5")


main()
