#!/usr/bin/env python3
"""What becomes of the work when its client goes: httpd alone, and with mod_outlive. Makes the table of bindings/apache/README.md.

table.py [--write]: prints it; with --write puts it into the README. test_table.py holds what it promises.
"""

import importlib.util
import socket
import sys
import time

from http2 import Http2
from lib import ROOT, Client, Fpm, Httpd, backend, cgi_module, wait_for
from scripts import SCRIPT, left

PHP = """<?php
$name = trim($_SERVER['PATH_INFO'], '/');
$note = fn($what) => touch('@ROOT@/run/' . $name . '.' . $what);
register_shutdown_function(function () use ($note, &$done) { $note($done ? 'done' : 'lost'); });
$note('begun');
for ($step = 0; $step < 20; $step++) {
    if (!isset($_GET['silent'])) { echo "step $step\\n", str_repeat(' ', 20000); flush(); }
    usleep(50000);
}
echo "the end\\n";
flush();
$done = true;
"""
CONF = """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
ProxyPass /save/ http://127.0.0.1:@FORMSAVE@/save/
ProxyPassMatch ^/php/(.*)$ fcgi://127.0.0.1:@FPM@@ROOT@/www/work.php/$1
ScriptAlias /cgi/ @ROOT@/cgi/
Protocols h2c http/1.1
@SETTINGS@
"""
SETTINGS = {
    "alone": "",
    "finish": "php_flag ignore_user_abort on",
    "stop": "php_value outlive.disconnect stop\nphp_value outlive.detect watch",
}
WORDS = {"done": "runs to its end", "lost": "ended", "terminated": "ended", "broken": "ended",
         "free": "httpd is free; PHP runs to its end"}


def demo_server():
    spec = importlib.util.spec_from_file_location("demo_lib", ROOT / "tests/demo/lib.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Server()


def go_from(server, path, silent, begun):
    client = server.client(path)
    if silent:
        wait_for(f"{path} has begun", begun)
    else:
        client.read(b"step 1")
    client.go()


def proxied(server, back, _, silent):
    back.ends.clear()
    back.begun.clear()
    go_from(server, "/work/p" + ("?steps=1&pause=2&silent" if silent else "?steps=30&size=20000"), silent, lambda: "p" in back.begun)
    return wait_for("the backend is over", lambda: back.ends.get("p")).split()[0]


def stream(server, back, _, silent):
    back.ends.clear()
    back.begun.clear()
    client = Http2(socket.create_connection(("127.0.0.1", server.port), 60))
    one = client.get("/work/h" + ("?steps=1&pause=2&silent" if silent else "?steps=30"))
    if silent:
        wait_for("it has begun", lambda: "h" in back.begun)
    else:
        client.read(one, b"step 1")
    client.reset(one)
    ended = wait_for("the backend is over", lambda: back.ends.get("h")).split()[0]
    client.go()
    return ended


def noted(prefix, *ends):
    def run(server, _, __, silent):
        name = f"n{time.monotonic_ns()}"
        go_from(server, f"{prefix}{name}" + ("?silent" if silent else ""), silent,
                (server.root / "run" / f"{name}.begun").exists)
        return left(server, name, *ends)
    return run


def let_go(run):
    """Whether httpd stopped waiting, whatever became of what it waited for."""
    def look(server, back, save, silent):
        stopped = server.said().count("the client has gone; stopped")
        ended = run(server, back, save, silent)
        return "free" if server.said().count("the client has gone; stopped") > stopped else ended
    return look


def form(server, _, save, silent):
    """The founding story: A, B, then C, which is locked, then D. The browser goes while it waits for C."""
    note = f"n{time.monotonic_ns()}"
    save.lock(2)
    client = Client(server.port, "/save/php", "POST", f"note={note}".encode())
    wait_for("A and B are written", lambda: save.written(note)[:2] == "AB")
    time.sleep(0.3)  # it waits for C by now, whatever it is worth: nothing depends on it
    client.go()
    wait_for("it is over", lambda: save.ending(note), 60)
    tables = save.written(note)
    return "done" if tables == "ABCD" else f"only {', '.join(tables)}"


# What runs, how, with which module for CGI; and what mod_outlive promises for finish and stop.
ROWS = [
    ("the form: A, B, C (locked), D behind mod_proxy_http", form, False, "cgi", "done", "only A, B"),
    ("mod_proxy_http, writing", proxied, False, "cgi", "done", "lost"),
    ("mod_proxy_http, silent", proxied, True, "cgi", "done", "lost"),
    ("the same, an HTTP/2 stream that is reset, writing", stream, False, "cgid", "done", "lost"),
    ("the same, silent", stream, True, "cgid", "done", "lost"),
    ("mod_proxy_fcgi (php-fpm), writing", noted("/php/", "done", "lost"), False, "cgi", "done", "lost"),
    ("mod_proxy_fcgi, silent", let_go(noted("/php/", "done", "lost")), True, "cgi", "done", "free"),
    ("mod_cgi, writing", noted("/cgi/work/", "done", "terminated", "broken"), False, "cgi", "done", "terminated"),
    ("mod_cgi, silent", noted("/cgi/work/", "done", "terminated", "broken"), True, "cgi", "done", "terminated"),
    ("mod_cgid, writing", noted("/cgi/work/", "done", "terminated", "broken"), False, "cgid", "done", "terminated"),
    ("mod_cgid, silent", noted("/cgi/work/", "done", "terminated", "broken"), True, "cgid", "done", "terminated"),
]


def run(rows, columns):
    results = {}
    fpm = Fpm()
    try:
        with backend() as back, demo_server() as save:
            for cgi, mpm in (("cgi", "prefork"), ("cgid", "event")):
                for column in columns:
                    conf = CONF.replace("@SETTINGS@", SETTINGS[column]).replace("@BACKEND@", str(back.port))
                    conf = conf.replace("@FORMSAVE@", str(save.port)).replace("@FPM@", str(fpm.port))
                    modules = ["http2"] if cgi == "cgid" else []
                    conf = conf if modules else conf.replace("Protocols h2c http/1.1", "")
                    with Httpd(conf, mpm=mpm, module=column != "alone", modules=modules, more=cgi_module(cgi)) as server:
                        server.file("cgi/work", SCRIPT, 0o755)
                        server.file("www/work.php", PHP)
                        for name, what, silent, of, *_ in rows:
                            if of == cgi:
                                results[name, column] = what(server, back, save, silent)
    finally:
        fpm.close()
    return results


def word(result):
    return WORDS.get(result, f"**{result}**" if result.startswith("only") else result)


def main():
    results = run(ROWS, list(SETTINGS))
    for name, _, _, _, finish, stop in ROWS:
        for column, promised in (("finish", finish), ("stop", stop)):
            assert word(results[name, column]) == word(promised), f"{name}, {column}: {results[name, column]}, not {promised}"
    lines = ["| the client goes while … works | httpd alone | mod_outlive, finish | mod_outlive, stop |", "| --- | --- | --- | --- |"]
    lines += [f"| {row[0]} | " + " | ".join(word(results[row[0], column]) for column in SETTINGS) + " |" for row in ROWS]
    table = "\n".join(lines) + "\n"
    print(table)
    if sys.argv[1:] == ["--write"]:
        readme = ROOT / "bindings/apache/README.md"
        before, rest = readme.read_text().split("<!-- table -->\n")[0], readme.read_text().split("<!-- /table -->\n")[1]
        readme.write_text(f"{before}<!-- table -->\n{table}<!-- /table -->\n{rest}")


if __name__ == "__main__":
    main()
