#!/usr/bin/env python3
"""What becomes of the work when its client goes: nginx alone, and with the module. Makes the table of bindings/nginx/README.md, which has what Apache does
beside it, out of the table that tests/apache/table.py made.

table.py [--write]: prints it; with --write puts it into the README. test_table.py holds it against the README.
"""

import concurrent.futures
import importlib.util
import itertools
import re
import sys
import threading

from backends import FCGI, PARAMS, PHP, Grpc, Uwsgi
from server import ROOT, Fpm, Nginx, Stream, backend, connect, go, marked, over_tls, rest, submit, wait_for

README = ROOT / "bindings/nginx/README.md"
CONF = """
@SETTINGS@
location /save/ { proxy_pass http://127.0.0.1:@FORMSAVE@/save/; }
location /http/ { proxy_pass http://127.0.0.1:@BACKEND@/; }
location /streamed/ { proxy_request_buffering off; proxy_buffering off; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /php/ { fastcgi_pass 127.0.0.1:@FPM@; @FCGI@ }
location /uwsgi/ { uwsgi_pass 127.0.0.1:@UWSGI@; @PARAMS@ }
location /grpc/ { grpc_pass grpc://127.0.0.1:@GRPC@; }
"""
COLUMNS = {"alone": "", "finish": "outlive_disconnect finish;", "stop": "outlive_disconnect stop;"}
WAYS = ("reset", "close", "half-close")
grpc_names = threading.Lock()


def demo_server():
    spec = importlib.util.spec_from_file_location("demo_lib", ROOT / "tests/demo/lib.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Server()


class Case:
    """One request of one kind, whose client goes in one way."""

    def __init__(self, world, silent, how, name):
        self.world, self.silent, self.how, self.name = world, silent, how, name
        self.nginx = world["nginx"]

    def query(self):
        return "?held" + ("&silent" if self.silent else "&size=20000")

    def client(self, path):
        return self.nginx.client(path, "POST", b"x=1")

    def wait(self, client, back):
        if self.silent:
            wait_for(f"{self.name} has begun", lambda: self.name in back.begun)
        else:
            client.read(b"step 0")

    def goes_on(self, path, ends):
        """Once nginx has noticed that the client has gone: whether the request goes on; None: the work has ended by then."""
        request = re.compile(rf'the client has gone, the request goes on.* request: "\w+ {re.escape(path)}[? ]')
        return wait_for(f"{path}: nginx has noticed", lambda: (True,) if request.search(self.nginx.said()) else (False,) if self.nginx.logged(path)
                        else (None,) if self.name in ends else None)[0]

    def outcome(self, back, path):
        if self.goes_on(path, back.ends):
            back.released.add(self.name)
        return wait_for(f"{self.name} is over", lambda: back.ends.get(self.name)).split()[0]

    def answer(self, client, done):
        """What a client that closed only its sending side gets."""
        if self.how != "half-close":
            return done
        return f"{done}, answered" if b"the end" in rest(client.socket) else f"{done}, unanswered"

    def http(self, place="http"):
        path, back = f"/{place}/{self.name}", self.world["back"]
        client = self.client(path + self.query())
        self.wait(client, back)
        go(client, self.how)
        return self.answer(client, self.outcome(back, path))

    def streamed(self):
        return self.http("streamed")

    def tls(self):
        if self.how == "half-close":  # of TLS: close_notify cannot be sent alone here
            return None
        path, back = f"/http/{self.name}", self.world["back"]
        client = submit(self.nginx, path + self.query(), b"Content-Length: 3\r\n\r\nx=1", over_tls(self.nginx.tls))
        self.wait(client, back)
        go(client, self.how)
        return self.outcome(back, path)

    def http2(self):
        if self.how == "half-close":
            return None
        path, back = f"/http/{self.name}", self.world["back"]
        client = Stream(connect(self.nginx.h2c))
        stream = client.post(path + self.query(), b"x=1")
        if self.silent:
            wait_for(f"{self.name} has begun", lambda: self.name in back.begun)
        else:
            client.read(stream, b"step 0")
        client.reset(stream) if self.how == "reset" else client.socket.close()
        return self.outcome(back, path)

    def uwsgi(self):
        path, back = f"/uwsgi/{self.name}", self.world["uwsgi"]
        client = self.client(path + self.query())
        self.wait(client, back)
        go(client, self.how)
        return self.answer(client, self.outcome(back, path))

    def grpc(self):
        if self.how == "half-close":
            return None
        path, back = f"/grpc/{self.name}", self.world["grpc"]
        with grpc_names:
            back.name, back.options = self.name, {"held": "", **({"silent": ""} if self.silent else {})}
            client = Stream(connect(self.nginx.h2c))
            stream = client.post(path, b"\0\0\0\0\3x=1")
            wait_for(f"{self.name} has begun", lambda: self.name in back.begun)
        if not self.silent:
            client.read(stream, b"step 0")
        client.reset(stream) if self.how == "reset" else client.socket.close()
        return self.outcome(back, path)

    def php(self):
        path, files = f"/php/{self.name}", self.nginx.root / "tmp"
        client = self.client(path + ("?silent" if self.silent else ""))
        wait_for(f"{self.name} has begun", (files / f"{self.name}.begun").exists)
        if not self.silent:
            client.read(b"step 0")
        go(client, self.how)
        # PHP hears of it with its next output.
        if self.goes_on(path, ()) or self.silent:
            (files / f"{self.name}.released").touch()
        done = wait_for(f"{self.name} is over", lambda: [end for end in ("done", "lost") if (files / f"{self.name}.{end}").exists()])[0]
        answered = self.answer(client, done)
        status = self.nginx.log_line(path).split()[0]
        return "free" if done == "done" and status == "499" else answered

    def form(self):
        """The founding story: A, B, then C, which is locked, then D. The browser goes while it waits for C."""
        save = self.world["save"]
        save.lock(300)
        client = self.nginx.client(f"/save/php?{self.name}", "POST", f"note={self.name}".encode())
        wait_for("A and B are written", lambda: save.written(self.name)[:2] == "AB")
        before = len(self.nginx.logged("/save/php"))
        go(client, self.how)
        request = f'the request goes on.* request: "POST /save/php[?]{self.name} '
        if wait_for("nginx has noticed", lambda: (True,) if re.search(request, self.nginx.said()) else (False,) if len(self.nginx.logged("/save/php")) > before else None)[0]:
            save.lock(0)
        wait_for("it is over", lambda: save.ending(self.name))
        save.lock(0)
        tables = save.written(self.name)
        return "done" if tables == "ABCD" else f"only {', '.join(tables)}"


# What works, how, and the row of Apache's table that is about the same.
KINDS = [
    ("the form: A, B, C (locked), D behind proxy_pass", Case.form, None, "the form: A, B, C (locked), D behind mod_proxy_http"),
    ("proxy_pass", Case.http, "mod_proxy_http", None),
    ("proxy_pass, through TLS", Case.tls, None, None),
    ("proxy_pass, a stream of HTTP/2 or its connection", Case.http2, "the same, an HTTP/2 stream that is reset", "the same"),
    ("proxy_pass, the request's body streamed", Case.streamed, None, None),
    ("fastcgi_pass (php-fpm)", Case.php, "mod_proxy_fcgi (php-fpm)", "mod_proxy_fcgi"),
    ("uwsgi_pass", Case.uwsgi, None, None),
    ("grpc_pass, a stream of HTTP/2 or its connection", Case.grpc, None, None),
]
WORDS = {"done": "runs to its end", "lost": "ended", "free": "nginx is free; PHP runs to its end", "done, answered": "runs to its end, answered",
         "done, unanswered": "runs to its end, unanswered", "lost, unanswered": "ended, unanswered", "lost, answered": "ended, answered"}


def rows():
    for name, case, *_ in KINDS:
        for silent in ((False, True) if case is not Case.form else (True,)):
            yield (name if case is Case.form else f"{name}, {'silent' if silent else 'writing'}"), case, silent


def run():
    results = {}
    with Fpm(children=12) as fpm, Uwsgi() as uwsgi, Grpc() as grpc, backend() as back, demo_server() as save:
        world = {"uwsgi": uwsgi, "grpc": grpc, "back": back, "save": save}
        words = {"FCGI": FCGI, "PARAMS": PARAMS, "FORMSAVE": save.port, "BACKEND": back.port, "FPM": fpm.port, "UWSGI": uwsgi.port, "GRPC": grpc.port}
        for column, settings in COLUMNS.items():
            conf = CONF.replace("@SETTINGS@", settings)
            for name, value in words.items():
                conf = conf.replace(f"@{name}@", str(value))
            with Nginx(conf, load=column != "alone", tls=True) as world["nginx"], concurrent.futures.ThreadPoolExecutor(12) as pool:
                nginx = world["nginx"]
                nginx.file("www/work.php", PHP)
                going = {}
                all_of_them = [(row, how, case, Case(dict(world), silent, how, f"{column}{number}"))
                               for number, ((row, case, silent), how) in enumerate(itertools.product(rows(), WAYS))]
                for row, how, case, one in all_of_them:
                    if case is not Case.form:
                        going[row, how] = pool.submit(case, one)
                for row, how, case, one in all_of_them:  # the database is this thread's
                    results[row, column, how] = case(one) if case is Case.form else going[row, how].result()
    return results


def cell(results, row, column):
    seen = {how: results[row, column, how] for how in WAYS if results[row, column, how] is not None}
    texts = {how: WORDS.get(end, f"**{end}**" if end.startswith("only") else end) for how, end in seen.items()}
    plain = {text.replace(", answered", "").replace(", unanswered", "") for text in texts.values()}
    if len(plain) > 1:
        return "; ".join(f"{how}: {text}" for how, text in texts.items())
    text, half = plain.pop(), texts.get("half-close", "")
    return text + (", and one that half-closes is answered" if half.endswith(", answered") else "")


def apache():
    """Apache's table: the columns of each row."""
    text = marked(ROOT / "bindings/apache/README.md", "table")
    lines = [[word.strip() for word in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines()[2:]]
    return [line[0] for line in lines], {line[0]: line[1:] for line in lines}, lines


def apache_of(name, silent):
    names, columns, _ = apache()
    _, case, writing, other = next(kind for kind in KINDS if kind[0] == name)
    if case is Case.form:
        return columns[other]
    if writing is None:
        return ["", "", ""]
    row = f"{writing}, writing"
    if silent:
        row = names[names.index(row) + 1]  # "the same, silent"
        assert row.endswith("silent"), row
    return columns[row]


def table(results):
    lines = ["| the client goes while … works | nginx alone | finish | stop | httpd alone | mod_outlive, finish | mod_outlive, stop |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for row, case, silent in rows():
        name = next(kind[0] for kind in KINDS if kind[1] is case)
        cells = [cell(results, row, column) for column in COLUMNS]
        lines.append("| " + " | ".join([row, *cells, *(text or "–" for text in apache_of(name, silent))]) + " |")
    return "\n".join(lines) + "\n"


def main():
    text = table(run())
    print(text)
    if sys.argv[1:] == ["--write"]:
        marked(README, "table", text)


if __name__ == "__main__":
    main()
