#!/usr/bin/env python3
"""What becomes of the work behind lighttpd when its client goes: with real php-fpm, an HTTP server and CGI scripts. Makes the table of
bindings/lighttpd/README.md.

table.py [--write]: prints it; with --write puts it into the README. test_table.py holds what it promises.
"""

import sys
import time

from server import ROOT, Fpm, backend, marked, wait_for
from work import POLICIES, left, seen_by, server_for


class Noted:
    """A script that works until it is released, and notes in files what becomes of it."""

    def __init__(self, path):
        self.path = path

    def begin(self, server, back, name, silent):
        client = server.client(f"{self.path}?name={name}" + ("&silent" if silent else ""))
        wait_for(f"{name} has begun", (server.root / f"run/{name}.begun").exists)
        return client

    def release(self, server, back, name):
        server.file(f"run/{name}.released", "")

    def end(self, server, back, name):
        return left(server, name)


class Proxied:
    """The same in an HTTP server."""

    def begin(self, server, back, name, silent):
        client = server.client(f"/work/{name}?held" + ("&silent" if silent else "&size=20000"))
        wait_for(f"{name} has begun", lambda: name in back.begun)
        return client

    def release(self, server, back, name):
        back.released.add(name)

    def end(self, server, back, name):
        return wait_for(f"{name} is over", lambda: back.ends.get(name)).split()[0]


# What runs, how, whether it writes as it goes (server.stream-response-body = 2), how the client goes.
ROWS = [(f"{name}, {'silent' if silent else 'writing'}, the client {'resets' if reset else 'closes'}", what, silent, reset)
        for name, what in (("mod_fastcgi (php-fpm)", Noted("/work.php")), ("mod_proxy", Proxied()), ("mod_cgi", Noted("/cgi/work.py")))
        for silent in (False, True) for reset in (True, False)]


def promised(name, silent, policy):
    """A stop closes the connection to php-fpm, and PHP looks at it when it writes."""
    if policy == "finish":
        return "done"
    return None if policy != "stop" else "done" if silent and "php-fpm" in name else "lost"


def run_rows(rows, policy, server, back):
    """What became of each, by its name."""
    names = {row[0]: f"r{time.monotonic_ns()}" for row in rows}
    ends = {}
    for name, what, silent, reset in rows:
        client = what.begin(server, back, names[name], silent)
        if not silent:
            client.read(b"step 1")
        client.go(reset)
    seen_by(server, policy, len(rows))
    for expected_first in (True, False):  # what is to be ended ends by itself
        for name, what, silent, _ in rows:
            if (promised(name, silent, policy) == "lost") == expected_first:
                if not expected_first:
                    what.release(server, back, names[name])
                ends[name] = what.end(server, back, names[name])
    return ends


def run(fpm, back, policies):
    results = {}
    for policy in policies:
        for stream in (0, 2):
            with server_for(policy, fpm, back, stream) as server:
                rows = [row for row in ROWS if row[2] == (stream == 0)]
                for name, end in run_rows(rows, policy, server, back).items():
                    results[name, policy] = end
    return results


def main():
    with Fpm(8) as fpm, backend() as back:
        results = run(fpm, back, POLICIES)
    words = {"done": "runs to its end", "lost": "ended"}
    lines = ["| what works, and how the client goes | " + " | ".join(POLICIES) + " |", "| --- |" + " --- |" * len(POLICIES)]
    for name, *_ in ROWS:
        cells = ["lighttpd is free; PHP runs to its end" if policy == "stop" and results[name, policy] == "done" else words[results[name, policy]] for policy in POLICIES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    if sys.argv[1:] == ["--write"]:
        marked(ROOT / "bindings/lighttpd/README.md", "table", text)


if __name__ == "__main__":
    main()
