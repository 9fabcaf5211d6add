#!/usr/bin/env python3
"""Side by side: nginx alone, proxy_ignore_client_abort on, nginx's own directives by method (bindings/nginx/without.conf), and outlive_disconnect auto.
Makes the second table of bindings/nginx/README.md: side.py [--write]; test_side.py holds it against the README."""

import concurrent.futures
import re
import sys
import time

from server import ROOT, Nginx, Stream, backend, connect, marked, wait_for

README = ROOT / "bindings/nginx/README.md"
OWN = (ROOT / "bindings/nginx/without.conf").read_text()
BLOCKS = dict(zip(("map", "server"), re.search(r"(?ms)^(map .*?^\}).*?^server \{\n\s*listen [^;]*;(.*)^\}", OWN).groups(), strict=True))
PROXY = "location /app/ { @MORE@ proxy_pass http://127.0.0.1:9000; }"
COLUMNS = {
    "nginx alone": ("", PROXY.replace("@MORE@", "")),
    "`proxy_ignore_client_abort on`": ("", PROXY.replace("@MORE@", "proxy_ignore_client_abort on;")),
    "the recipe below": (BLOCKS["map"], BLOCKS["server"]),
    "`outlive_disconnect auto`": ("", PROXY.replace("@MORE@", "outlive_disconnect auto;")),
}
ROWS = [(method, protocol, silent) for method in ("POST", "GET") for protocol in ("", ", a stream of HTTP/2 that is reset") for silent in (True, False)]
WORDS = {"done": "runs to its end", "lost": "ended"}
FACTS = [
    ("a time limit for the whole request", ["–", "–", "–", "`outlive_time_limit`"]),
    ("how many work on without their clients", ["none", "without a bound", "without a bound", "`outlive_max_detached`, `_time`"]),
    ("a list of them", ["–", "–", "–", "`outlive_status`, `outlive status`"]),
    ("what becomes of it, in the log", ["499", "–", "–", "a line with the reason, file and line; `$outlive_ending`"]),
]


def run(nginx, back, name, method, protocol, silent, expected):
    path = f"/app/{name}"
    query = "?held" + ("&silent" if silent else "&size=20000")
    if protocol:
        client = Stream(connect(nginx.h2c))
        stream = client.get(path + query) if method == "GET" else client.post(path + query, b"x=1")
    else:
        client = nginx.client(path + query, method, b"x=1" if method == "POST" else b"")
    key = next(key for key in (name, f"app/{name}") if key in wait_for("it has begun", lambda: {key: True for key in (name, f"app/{name}") if key in back.begun}))
    if protocol:
        if not silent:
            client.read(stream, b"step 0")
        client.reset(stream)
    else:
        if not silent:
            client.read(b"step 0")
        client.go()
    if expected != "ended":
        if expected and "outlive_disconnect" in nginx.conf.read_text():
            nginx.noticed(path)
        else:
            time.sleep(1)  # nginx itself does not say that it goes on
        back.released.add(key)
    end = wait_for("it is over", lambda: back.ends.get(key))
    # What is silent does all its steps before it writes: only the answer found nobody then ("lost N": it was ended at step N).
    return "done" if silent and end == "lost" else end.split()[0]


def known():
    """What the README has for each row and column."""
    lines = marked(README, "side").splitlines()[2:]
    cells = [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines]
    return {(row, column): cell for row, line in zip(ROWS, cells) for column, cell in zip(COLUMNS, line)}


def table(expected):
    """What is expected to be ended is not released."""
    results = {}
    with backend() as back:
        for column, (http, server) in COLUMNS.items():
            server, http = (text.replace("127.0.0.1:9000", f"127.0.0.1:{back.port}") for text in (server, http))
            with Nginx(server, http=http, load="outlive" in server) as nginx, concurrent.futures.ThreadPoolExecutor(8) as pool:
                going = {row: pool.submit(run, nginx, back, f"{len(results)}n{number}", *row, expected.get((row, column))) for number, row in enumerate(ROWS)}
                results.update({(row, column): future.result() for row, future in going.items()})
    lines = ["| | " + " | ".join(COLUMNS) + " |", "| --- |" + " --- |" * len(COLUMNS)]
    for row in ROWS:
        method, protocol, silent = row
        lines.append(f"| {method}{protocol}, {'silent' if silent else 'writing'} | " + " | ".join(WORDS[results[row, column]] for column in COLUMNS) + " |")
    lines += [f"| {name} | " + " | ".join(words) + " |" for name, words in FACTS]
    return "\n".join(lines) + "\n"


RECIPE = "```nginx\n" + OWN.split("\n\n", 1)[1] + "```\n"


def main():
    text = table({})
    print(text)
    print(RECIPE)
    if sys.argv[1:] == ["--write"]:
        marked(README, "side", text)


if __name__ == "__main__":
    main()
