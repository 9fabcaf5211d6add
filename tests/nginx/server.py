"""What the tests of the nginx module share: an nginx of their own on loopback, and clients that go away. Backends, php-fpm and the plain clients
are those of the tests of mod_outlive."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/apache"))

from lib import LONG, Client, Fpm, Server, backend, end, free_port, kept_backend, marked, rest, wait_for, waits  # noqa: E402, F401
from http2 import Http2 as Stream, certificate, over_tls  # noqa: E402, F401
from scripts import HELD_PHP  # noqa: E402, F401

NGINX = os.environ.get("NGINX_PROGRAM", "/usr/sbin/nginx")
MODULE = pathlib.Path(os.environ.get("NGINX_MODULE") or
                      ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/nginx/ngx_http_outlive_module.so")
SHOWN = int(os.environ.get("SHOWN", 6000))  # bytes of a log, where a test fails
CRASH = re.compile(r"exited on signal|\[alert\]|\[emerg\]|AddressSanitizer|runtime error")

CONF = """
@LOAD@
@USER@
daemon off;
worker_processes @WORKERS@;
worker_shutdown_timeout @SHUTDOWN@;
pid @ROOT@/pid;
error_log @ROOT@/error.log @LEVEL@;
@MAIN@
events { worker_connections 512; }
http {
    client_body_temp_path @ROOT@/tmp/body;
    proxy_temp_path @ROOT@/tmp/proxy;
    fastcgi_temp_path @ROOT@/tmp/fastcgi;
    uwsgi_temp_path @ROOT@/tmp/uwsgi;
    scgi_temp_path @ROOT@/tmp/scgi;
    log_format ours '$request_method $uri $status $body_bytes_sent@VARIABLES@';
    access_log @ROOT@/access.log ours;
    default_type text/plain;
    proxy_http_version 1.1;
    @HTTP@
    server {
        listen 127.0.0.1:@PORT@;
        listen 127.0.0.1:@H2C@ http2;
        @TLS@
        server_name localhost;
        root @ROOT@/www;
        @SERVER@
    }
}
"""


class Nginx(Server):
    """One nginx with its own directory; the texts may say @ROOT@."""

    running = []  # whose logs a failed test shows
    page = "/status"

    def __init__(self, server, http="", main="", workers=1, load=True, variables=True, level="info", shutdown="0s", tls=False):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="outlive-nginx-"))
        os.chmod(self.root, 0o777)
        for directory in ("www", "tmp", "run"):
            (self.root / directory).mkdir()
            os.chmod(self.root / directory, 0o777 if directory != "run" else 0o755)
        self.port, self.h2c = free_port(), free_port()
        self.tls = free_port() if tls else 0
        words = {"MAIN": main, "HTTP": http, "SERVER": server, "LOAD": f"load_module {MODULE};" if load else "",
                 "USER": "user www-data www-data;" if os.geteuid() == 0 else "", "WORKERS": workers, "LEVEL": level, "SHUTDOWN": shutdown,
                 "VARIABLES": " $outlive_ending $outlive_client_gone $outlive_detached_time" if load and variables else "",
                 "TLS": "", "PORT": self.port, "H2C": self.h2c, "ROOT": self.root}
        if tls:
            certificate(self)
            words["TLS"] = f"listen 127.0.0.1:{self.tls} ssl http2; ssl_certificate @ROOT@/cert.pem; ssl_certificate_key @ROOT@/cert.pem;"
        text = CONF
        for name, value in words.items():
            text = text.replace(f"@{name}@", str(value))
        self.conf = self.root / "nginx.conf"
        self.conf.write_text(text)
        self.process, self.may_crash = None, False
        self.environment = {"ASAN_OPTIONS": f"detect_leaks=0:detect_odr_violation=0:log_path={self.root}/tmp/asan"}

    def command(self, *more):
        return [NGINX, "-p", str(self.root), "-c", str(self.conf), "-e", str(self.root / "error.log"), *more]

    def test(self):
        """What nginx -t says, and its exit status."""
        done = subprocess.run(self.command("-t"), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done.returncode, done.stderr

    def __exit__(self, kind, *_):
        Nginx.running.remove(self)
        end(self.process)
        said = self.said()
        if kind is not None:
            print(f"nginx said:\n{said[-SHOWN:]}", file=sys.stderr)
        shutil.rmtree(self.root, ignore_errors=True)
        if kind is None and not self.may_crash:
            assert self.process.returncode != -9, f"nginx did not end within a minute:\n{said}"
            assert not CRASH.search(said), f"a worker crashed, or complained:\n{said}"

    def said(self):
        """The error log, and what AddressSanitizer found."""
        files = [self.root / "error.log", *sorted((self.root / "tmp").glob("asan*"))]
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def logged(self, path):
        """The lines of the access log for a path."""
        text = (self.root / "access.log").read_text() if (self.root / "access.log").exists() else ""
        return [line for line in text.splitlines() if line.split()[1] == path]

    def noticed(self, path, what="the request goes on", count=1):
        """Waits until nginx has logged that the client of this path has gone, so often."""
        request = re.compile(rf'outlive: the client has gone, {what}.* request: "\w+ {re.escape(path)}[? ]')
        wait_for(f"{path}: the client has gone, {what}", lambda: len(request.findall(self.said())) >= count)

    def log_line(self, path, count=1):
        return wait_for(f"{path} is in the access log", lambda: self.logged(path)[count - 1:])[0].split(" ", 2)[2]

    def signal(self, number):
        self.process.send_signal(number)

    def workers(self):
        found = subprocess.run(["ps", "--ppid", str(self.process.pid), "-o", "pid=,args="], capture_output=True, text=True).stdout
        return [int(line.split()[0]) for line in found.splitlines() if "worker process" in line]


def go(client, how):
    """A client goes: it resets its connection, closes it, or closes only its sending side."""
    if how == "half-close":
        client.socket.shutdown(socket.SHUT_WR)
    else:
        client.go(reset=how == "reset")


class Stalled(Client):
    """A client that does not read."""

    def __init__(self, port, path, method="GET"):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def connect(port):
    return socket.create_connection(("127.0.0.1", port), 60)


# Where something is to come before the time is up, a busy machine gets more time: places whose limits differ.
LIMITS = {"limit": 0.7, "limit4": 4, "limit20": 20}


def soon_enough(what, attempt):
    """The first true answer of attempt(place, seconds)."""
    for place, seconds in LIMITS.items():
        if answer := attempt(place, seconds):
            return answer
    raise AssertionError(f"not within a time limit of 20 s: {what}")


def ended(back, name):
    return wait_for(f"{name} is over", lambda: back.ends.get(name)).split()[0]


def finish(nginx, back, path):
    """The client of this path has gone: nginx notices, and what is held is done when it is released."""
    nginx.noticed(path)
    name = path.rsplit("/", 1)[1] if path.rsplit("/", 1)[1] in back.begun else path.strip("/")
    back.released.add(name)
    assert ended(back, name) == "done", (path, back.ends[name])


def submit(nginx, place, rest_of, connection=None):
    """A client that submits something, in plain HTTP/1.1, on a connection of its own."""
    client = Client.__new__(Client)
    client.socket = connection or connect(nginx.port)
    client.socket.sendall(f"POST {place} HTTP/1.1\r\nHost: localhost\r\n".encode() + rest_of)
    return client
