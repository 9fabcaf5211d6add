#!/usr/bin/env python3
"""What becomes of the work when its client goes: httpd alone, and with mod_outlive. Makes the table of bindings/apache/README.md.

table.py [--write]: prints it; with --write puts it into the README. test_table.py holds what it promises.
"""

import importlib.util
import socket
import sys
import time

from http2 import Http2
from lib import REPORTS, ROOT, Client, Fpm, Httpd, backend, cgi_module, marked, wait_for
from scripts import HELD_CGI, HELD_PHP, left, release

CONF = """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
ProxyPass /save/ http://127.0.0.1:@FORMSAVE@/save/
ProxyPassMatch ^/php/(.*)$ fcgi://127.0.0.1:@FPM@@ROOT@/www/work.php/$1
ScriptAlias /cgi/ @ROOT@/cgi/
Protocols h2c http/1.1
@SETTINGS@
""" + REPORTS
SETTINGS = {
    "alone": "",
    "finish": "php_flag ignore_user_abort on",
    "stop": "php_value outlive.disconnect stop\nphp_value outlive.detect watch",
}
STOPPED = "the client has gone; stopped"
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


def known(server, path, silent, over):
    """The client of this path has gone. Answers once that has had its effect, where anybody can see it: work that is held may then go on to its end."""
    if server.column == "stop":
        wait_for(f"{path} is stopped", over)
    elif server.column == "alone":
        time.sleep(1)  # httpd alone says nothing of it
    elif not silent:
        server.noticed(path)


def proxied(server, back, _, silent):
    name = f"p{time.monotonic_ns()}"
    go_from(server, f"/work/{name}?held" + ("&silent" if silent else "&size=20000"), silent, lambda: name in back.begun)
    known(server, f"/work/{name}", silent, lambda: name in back.ends)
    back.released.add(name)
    return wait_for("the backend is over", lambda: back.ends.get(name)).split()[0]


def stream(server, back, _, silent):
    name = f"h{time.monotonic_ns()}"
    client = Http2(socket.create_connection(("127.0.0.1", server.port), 60))
    one = client.get(f"/work/{name}?held" + ("&silent" if silent else ""))
    if silent:
        wait_for("it has begun", lambda: name in back.begun)
    else:
        client.read(one, b"step 1")
    client.reset(one)
    client.read(client.get("/none"), b"Not Found")  # httpd has read what came before that
    known(server, f"/work/{name}", silent, lambda: name in back.ends)
    back.released.add(name)
    ended = wait_for("the backend is over", lambda: back.ends.get(name)).split()[0]
    client.go()
    return ended


def noted(prefix, *ends):
    def run(server, _, __, silent):
        name = f"n{time.monotonic_ns()}"
        stopped = server.said().count(STOPPED)
        go_from(server, f"{prefix}{name}" + ("?silent" if silent else ""), silent,
                (server.root / "run" / f"{name}.begun").exists)
        # PHP hears of it with its next output only; what else is stopped ends without being released.
        php = prefix == "/php/" and silent
        known(server, f"{prefix}{name}", silent, lambda: server.said().count(STOPPED) > stopped if php else any_end(server, name, ends))
        release(server, name)
        return left(server, name, *ends)
    return run


def any_end(server, name, ends):
    return any((server.root / "run" / f"{name}.{end}").exists() for end in ends)


def let_go(run):
    """Whether httpd stopped waiting, whatever became of what it waited for."""
    def look(server, back, save, silent):
        stopped = server.said().count(STOPPED)
        ended = run(server, back, save, silent)
        return "free" if server.said().count(STOPPED) > stopped else ended
    return look


def form(server, _, save, silent):
    """The founding story: A, B, then C, which is locked, then D. The browser goes while it waits for C."""
    note = f"n{time.monotonic_ns()}"
    save.lock(300)
    client = Client(server.port, "/save/php", "POST", f"note={note}".encode())
    wait_for("A and B are written", lambda: save.written(note)[:2] == "AB")
    client.go()
    known(server, "/save/php", True, lambda: save.ending(note))
    save.lock(0)
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
                        server.column = column
                        server.file("cgi/work", HELD_CGI, 0o755)
                        server.file("www/work.php", HELD_PHP)
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
        marked(ROOT / "bindings/apache/README.md", "table", table)


if __name__ == "__main__":
    main()
