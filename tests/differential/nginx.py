#!/usr/bin/env python3
"""Random nginx configurations in front of php-fpm: what nginx itself did with a request, and what `outlive get --nginx-conf` says of it.

    tests/differential/nginx.py [--count N] [--seed S] --outlive BINARY

Each configuration goes through `nginx -t` first; where nginx refuses it, so must the command. Then one nginx and one php-fpm of our own, on
loopback, answer every request, and the pool, the script, its document root, PHP_VALUE's directive and the status are compared. Exit status 0: all agree.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

NGINX, FPM = "/usr/sbin/nginx", "/usr/sbin/php-fpm8.2"
SCRIPT = "<?php header('X-Ran: 1'); echo json_encode([__FILE__, $_SERVER['DOCUMENT_ROOT'] ?? null, ini_get('precision'), ini_get('user_agent'), ini_get('memory_limit')]);"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Maker:
    def __init__(self, seed, root, ports):
        self.r, self.root, self.ports = random.Random(seed), root, ports

    def pick(self, *choices):
        return self.r.choice(choices)

    def chance(self, share):
        return self.r.random() < share

    def fastcgi(self):
        r = self.pick
        lines = [f"fastcgi_pass {r(f'unix:{self.root}/a.sock', 'group', f'unix:{self.root}/b.sock')};"]
        if self.chance(0.8):
            root = r("$document_root$fastcgi_script_name", "$request_filename", "$realpath_root$fastcgi_script_name")
            lines.append(f"fastcgi_param SCRIPT_FILENAME {root};")
            lines.append("fastcgi_param DOCUMENT_ROOT $document_root;")
            lines.append("fastcgi_param REQUEST_METHOD $request_method;")
        else:
            # PHP-FPM runs nothing then. What it was handed stays for its next request, so no child has a second one here.
            return lines
        if self.chance(0.5):
            lines.append(f'fastcgi_param PHP_VALUE "precision={self.r.randint(1, 16)}\\nuser_agent={r("$kind", "$host", "a-$uri", "${args}x")}";')
        if self.chance(0.3):
            lines.append(f'fastcgi_param PHP_ADMIN_VALUE memory_limit={self.r.randint(40, 99)}M;')
        if self.chance(0.3):
            lines.append(f"fastcgi_index {r('index.php', 'other.php')};")
        if self.chance(0.2):
            lines.append(r"fastcgi_split_path_info ^(.+\.php)(/.*)$;")
        return lines

    def rest(self):
        r, lines = self.pick, []
        if self.chance(0.25):
            lines.append("try_files " + r("$uri =404", "$uri $uri/ /index.php?$args", "$uri /sub/other.php", "$uri/index.php $uri @named", "$uri $uri/ =403") + ";")
        if self.chance(0.2):
            lines.append(f"root {self.root}/{r('www', 'www/sub', 'two')};")
        if self.chance(0.2):
            lines.append("index " + r("index.php", "other.php index.html", "none.php /index.php", "index.html") + ";")
        if self.chance(0.1):
            lines.append(r("autoindex on;", "error_page 404 /index.php;", "error_page 403 404 = @named;", "internal;"))
        if self.chance(0.12):
            lines.append(r("rewrite ^/old/(.*)$ /$1 last;", "rewrite ^/r(.*) /sub$1;", "rewrite /away http://else.where/$host permanent;", "rewrite ^/b/(.*)$ /$1 break;"))
        if self.chance(0.08):
            lines.append(r("return 418;", "return 301 https://$host$request_uri;", "if ($arg_x = 1) { return 403; }", "if (!-e $request_filename) { rewrite ^ /index.php last; }", "set $kind changed;"))
        if self.chance(0.05):
            lines.append(r("deny all;", "allow 127.0.0.1; deny all;"))
        return lines

    def location(self, depth, inside=""):
        r = self.pick
        kind = r(*["prefix"] * 4, "exact", "final", "regex", "regex", "regex", "caseless")
        path = inside + r("/", "/sub/", "/sub", "/a/", "/a/b", "/index.php", "/S", "/old/")
        path = path.replace("//", "/")
        regex = r(r"\.php$", r"\.php(/|$)", r"^/sub/.*\.php$", r"^/(?<part>[a-z]+)/", r"/other", r"\.(php|html)$")
        head = {"prefix": path, "exact": f"= {path}", "final": f"^~ {path}", "regex": f"~ {regex}", "caseless": f"~* {regex}"}[kind]
        lines = self.rest()
        if self.chance(0.55 if "regex" in kind else 0.25) or "php" in head:
            lines += self.fastcgi()
        elif kind in ("prefix", "final") and self.chance(0.15):
            lines.append(f"alias {self.root}/two{'/' if path.endswith('/') else ''};")
            lines = [line for line in lines if not line.startswith(("root ", "try_files"))]
        if depth < 2 and kind != "exact" and self.chance(0.25):
            lines.append(self.location(depth + 1, path.rstrip("/") if kind in ("prefix", "final") else inside))
        return f"location {head} {{\n" + "\n".join(lines) + "\n}"

    def server(self, number):
        r = self.pick
        port = self.ports[0] if number == 0 else r(*self.ports)
        flag = r("", "", "", " default_server")
        names = r("a.test", "a.test www.a.test", "*.a.test", ".b.test", "b.*", r"~^(?<sub>\w+)\.c\.test$", "_", '""', "A.Test")
        lines = [f"listen 127.0.0.1:{port}{flag};", f"server_name {names};", f"root {self.root}/{r('www', 'two')};"]
        if self.chance(0.7):
            lines.append("index " + r("index.php", "index.php index.html", "other.php") + ";")
        lines += [line for line in self.rest() if not line.startswith(("root", "index", "internal", "try_files $uri @"))]
        if self.chance(0.3):
            lines += [line for line in self.fastcgi() if not line.startswith("fastcgi_pass")]
        lines += [self.location(0) for _ in range(self.r.randint(1, 5))]
        lines.append("location @named {\n" + "\n".join(self.fastcgi()) + "\n}")
        return "server {\n" + "\n".join(lines) + "\n}"

    def conf(self):
        servers = "\n".join(self.server(number) for number in range(self.r.randint(1, 3)))
        temp = " ".join(f"{kind}_temp_path {self.root}/run/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        broken = self.pick(*[""] * 12, "}", "server {", "root 'x;", ";")
        return (f"daemon off; master_process off; pid {self.root}/run/nginx.pid; error_log {self.root}/run/error.log;\nevents {{}}\nhttp {{\naccess_log off; {temp}\n"
                f"upstream group {{ server unix:{self.root}/a.sock; }}\nmap $uri $kind {{ default plain; /index.php front; ~^/sub(?<more>.*)$ sub$more; }}\n{servers}\n{broken}\n}}\n")

    def requests(self):
        paths = ["/", "/index.php", "/sub/", "/sub", "/sub/other.php", "/none", "/none.php", "/a/b", "/a/", "/index.php/more", "/old/index.php", "/S", "/%69ndex.php",
                 "/sub/../index.php", "//index.php?x=1", "/page.html", "/other.php", "/a/index.php?x=1", "/rub/other.php", "/b/index.php", "/sub/other.php/x?y"]
        hosts = ["a.test", "www.a.test", "x.a.test", "b.test", "b.example", "w.c.test", "none", "A.TEST."]
        return [(self.pick(*hosts), self.pick(*self.ports), path) for path in self.r.sample(paths, 10)]


def ask(port, host, path):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        one.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        data = b""
        while piece := one.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    return status, json.loads(body) if b"X-Ran" in head else None


def ours(binary, root, host, port, path):
    call = [binary, "get", "--json", "--context", "--nginx-conf", f"{root}/nginx.conf", "--fpm-conf", f"{root}/fpm.conf", "--php-ini", f"{root}/php.ini", "--scan-dir", "",
            "precision", "user_agent", "memory_limit", "--url", f"http://{host}:{port}{path}", "--client", "127.0.0.1", "--address", "127.0.0.1"]
    done = subprocess.run(call, capture_output=True, text=True)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return f"no document: {done.stderr.strip()[-300:]}", None
    one = told["answers"][0]
    if "status" in one["answer"]:
        return one["answer"]["status"], None
    of = one["answering_for"]
    # PHP tells its file's own name, all slashes and links resolved.
    of["script"] = os.path.realpath(of["script"])
    return "ran", [of["script"], of["document_root"], *(one["answer"][name] for name in ("precision", "user_agent", "memory_limit"))]


def stop(child):
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def one(seed, binary, show):
    root = pathlib.Path(tempfile.mkdtemp(prefix="outlive-nginx-"))
    root.chmod(0o755)
    ports = [free_port(), free_port()]
    maker = Maker(seed, root, ports)
    for name in ("www/index.php", "www/sub/other.php", "www/other.php", "two/index.php", "two/a/index.php", "www/a/index.php"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(SCRIPT)
    for name in ("www/page.html", "www/a/b", "two/page.html", "run/x"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("plain")
    (root / "php.ini").write_text("")
    pool = "[{0}]\nuser=www-data\ngroup=www-data\nlisten={1}/{0}.sock\nlisten.mode=0666\npm=static\npm.max_children=1\npm.max_requests=1\nphp_value[user_agent]=pool-{0}\n"
    (root / "fpm.conf").write_text(f"[global]\nerror_log={root}/run/fpm.log\n" + pool.format("a", root) + pool.format("b", root))
    (root / "nginx.conf").write_text(maker.conf())
    bad, asked = [], 0
    try:
        test = subprocess.run([NGINX, "-t", "-q", "-c", f"{root}/nginx.conf"], capture_output=True, text=True)
        if test.returncode != 0:
            text = ours(binary, root, "a.test", ports[0], "/")[0]
            syntax = any(word in test.stderr for word in ("unexpected", "unterminated"))
            if syntax and "nginx would not start" not in str(text):
                bad.append(f"nginx refuses it ({test.stderr.strip()[-200:]}), and we say {text}")
            if os.environ.get("WHY"):
                print(test.stderr.strip()[-200:])
            return 1, bad
        quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        fpm = subprocess.Popen([FPM, "-F", "-c", f"{root}/php.ini", "-y", f"{root}/fpm.conf"], env={"PHP_INI_SCAN_DIR": "", "PATH": os.environ["PATH"]}, **quiet)
        nginx = subprocess.Popen([NGINX, "-c", f"{root}/nginx.conf"], **quiet)
        try:
            for _ in range(500):
                try:
                    socket.create_connection(("127.0.0.1", ports[0])).close()
                    if (root / "a.sock").exists() and (root / "b.sock").exists():
                        break
                except OSError:
                    pass
                time.sleep(0.02)
            for host, port, path in maker.requests():
                try:
                    status, ran = ask(port, host, path)
                except OSError:
                    continue  # nobody listens there
                asked += 1
                told, values = ours(binary, root, host, port, path)
                if ran is not None:
                    same = told == "ran" and values == ran
                else:
                    same = told == status
                if not same:
                    bad.append(f"seed {seed}: {host}:{port}{path}: nginx {status} {ran}, we {told} {values}")
        finally:
            stop(nginx)
            stop(fpm)
    finally:
        if bad and show:
            print((root / "nginx.conf").read_text())
        shutil.rmtree(root)
    return asked, bad


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--count", type=int, default=40)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--outlive", required=True)
    args.add_argument("--show", action="store_true")
    args = args.parse_args()
    total, bad = 0, []
    for seed in range(args.seed, args.seed + args.count):
        asked, wrong = one(seed, os.path.abspath(args.outlive), args.show)
        total += asked
        bad += wrong
        for text in wrong:
            print(text, flush=True)
    print(f"{total - len(bad)} of {total} requests were answered as nginx did, in {args.count} configurations")
    sys.exit(1 if bad or not total else 0)


main()
