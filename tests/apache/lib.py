"""What the tests of mod_outlive share: an httpd of their own on loopback, backends, and clients that go away."""

import collections
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/tools"))
from waiting import rest, wait_for  # noqa: E402, F401

BUILD = pathlib.Path(os.environ.get("APACHE_BUILD") or ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/apache")
MODULES = pathlib.Path("/usr/lib/apache2/modules")
LOADED = ["authz_core", "alias", "dir", "mime", "env", "setenvif", "headers", "proxy", "proxy_http", "proxy_fcgi", "status",
          "include", "rewrite"]

# What mod_outlive has to say, where the tests ask for it.
REPORTS = """
<Location /settings>
  SetHandler outlive-settings
</Location>
<Location /live>
  SetHandler outlive-status
</Location>
<Location /metrics>
  SetHandler outlive-metrics
</Location>
"""

# LONG=1 asks for tests that take minutes.
LONG = os.environ.get("LONG") == "1"


def told_to_end(*_):
    raise KeyboardInterrupt("SIGTERM")  # which pytest lets through


# Whoever ends a test ends its servers, too.
signal.signal(signal.SIGTERM, told_to_end)


EPOLL = ("232", "281", "22")  # epoll_wait and epoll_pwait of x86-64, epoll_pwait of AArch64


def waits(process):
    """Whether a server's first thread waits for events; the kernel names the call by its number, which depends on the processor."""
    return pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/syscall").read_text().split()[0] in EPOLL


def end(process):
    """Tells a server to end, and returns what it wrote; one that does not within a minute is killed, with all of its processes."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]


def open_connections(port):
    """How many connections a server on this port of loopback has open: established ones, and those that only their client has closed."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] in ("01", "08") for row in rows)


reserved = collections.deque()  # the marks of the ports that this process got last, at most 64: each is a descriptor


def free_port():
    """A port that nobody has, and that no other process of the tests gets soon: an abstract socket with the port's number marks it.
    It is below those that the kernel gives to connections by itself: a server that is started again and again on the same port finds it free each
    time."""
    highest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]) - 1
    for port in random.sample(range(highest // 2, highest), 100):
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0outlive-test-port-{port}")
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            mark.close()
        else:
            reserved.append(mark)
            if len(reserved) > 64:
                reserved.popleft().close()
            return port
    raise OSError(f"no free port between {highest // 2} and {highest}")


def cgi_module(name):
    """The lines that load mod_cgi or mod_cgid."""
    return [f"LoadModule {name}_module {MODULES}/mod_{name}.so"] + (["ScriptSock @ROOT@/run/cgid"] if name == "cgid" else [])


def marked(page, mark, text=None):
    """What stands in a page between <!-- mark --> and <!-- /mark -->; a text that is given is put there."""
    before, _, from_there = page.read_text().partition(f"<!-- {mark} -->\n")
    there, _, after = from_there.partition(f"<!-- /{mark} -->\n")
    if text is not None:
        page.write_text(f"{before}<!-- {mark} -->\n{text}<!-- /{mark} -->\n{after}")
    return there


class Server:
    """What can be asked of a server on loopback: it has a `port`, a directory `root`, a list `running`, a `command()` that starts it, and `said()`."""

    page = "/live"  # its requests in flight
    environment = {}  # what it has beside ours

    def __enter__(self):
        self.process = subprocess.Popen(self.command(), start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env={**os.environ, **self.environment})
        self.running.append(self)
        try:
            wait_for(f"{type(self).__name__} answers", self.up)
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{type(self).__name__} did not start: {self.process.stdout.read().decode()}{self.said()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
            return True
        except OSError:
            return False

    def ask(self, path, method="GET", body=b"", headers=(), timeout=60):
        """Status, headers and body; IncompleteRead shows as a body that ends in None's place."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body or None, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def live(self):
        """The table of the requests in flight."""
        return json.loads(self.ask(f"{self.page}?json")[2])

    def noticed(self, *paths):
        """Waits until the server knows that the clients of these paths have gone, while their requests work on."""
        def detached():
            return {row["label"] for row in self.live()["requests"] if row["gone_ms"] is not None}
        wait_for(f"{', '.join(paths)}: the client has gone, and that is known", lambda: set(paths) <= detached())

    def client(self, path, method="GET", body=b""):
        return Client(self.port, path, method, body)

    def file(self, name, text, mode=0o644):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("@ROOT@", str(self.root)))
        path.chmod(mode)
        return path


class Httpd(Server):
    """One httpd with its own ServerRoot. `conf` may say @ROOT@; php.ini is in its directory."""

    running = []  # whose logs a failed test shows

    def __init__(self, conf, mpm="prefork", module=True, modules=(), php_ini="", more=(), limits="", engine=True):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="outlive-httpd-"))
        os.chmod(self.root, 0o777)
        self.port, self.mpm = free_port(), mpm
        self.log = self.root / "error.log"
        for directory in ("www", "cgi", "run"):
            (self.root / directory).mkdir()
            os.chmod(self.root / directory, 0o777)
        (self.root / "php.ini").write_text(php_ini)
        (self.root / "mime.types").write_text("text/html html htm\ntext/plain txt\ntext/css css\napplication/json json\nimage/png png\n")
        load = [f"LoadModule mpm_{mpm}_module {MODULES}/mod_mpm_{mpm}.so"]
        load += [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in [*LOADED, *modules]]
        if module:
            load += [f"LoadModule outlive_module {BUILD}/mod_outlive.so"]
            load += ["<IfModule mod_outlive.c>", "PHPINIDir @ROOT@/php.ini"]
            load += ["OutliveEngine On", "OutliveHandlers On"] if engine else []
            load += ["</IfModule>"]
        account = ["User www-data", "Group www-data"] if os.geteuid() == 0 else []
        text = "\n".join([
            *load, *account, *more, "ServerRoot @ROOT@", "DefaultRuntimeDir @ROOT@/run", "PidFile @ROOT@/run/pid", "ServerName localhost",
            f"Listen 127.0.0.1:{self.port}", "ErrorLog @ROOT@/error.log", "LogLevel warn outlive:info" if module else "LogLevel warn",
            "TypesConfig @ROOT@/mime.types",
            "DocumentRoot @ROOT@/www", "Timeout 60", "GracefulShutdownTimeout 60", limits, "<Directory @ROOT@>", "  Require all granted",
            "  AllowOverride All", "  Options +Includes", "</Directory>", conf, ""])
        (self.root / "httpd.conf").write_text(text.replace("@ROOT@", str(self.root)))
        self.process = None

    def command(self):
        return ["apache2", "-f", self.root / "httpd.conf", "-DFOREGROUND"]

    def __exit__(self, kind, *_):
        if self in Httpd.running:
            Httpd.running.remove(self)
        self.settle()
        end(self.process)
        said = self.said()
        if kind is not None:
            print(f"httpd said:\n{said[-6000:]}", file=sys.stderr)
        shutil.rmtree(self.root, ignore_errors=True)
        if kind is None and not self.may_crash:
            assert self.process.returncode != -signal.SIGKILL, f"httpd did not end within a minute:\n{said}"
            assert not re.search(r"exit signal|seg(mentation )?fault|core dump", said, re.I), f"a child crashed:\n{said}"

    may_crash = False

    def settle(self):
        """Told to end, a child with threads closes its connections while they do so themselves, and may crash (httpd 2.4.71 does without
        modules of others, once in 150 times): connections that are about to close get the time for it, and the threads that had them."""
        if self.mpm == "prefork" or self.process.poll() is not None:
            return
        until = time.monotonic() + 2
        while open_connections(self.port) and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.1)

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def children(self):
        """The numbers of its processes, the oldest first."""
        return [int(pid) for pid in pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]

    def graceful(self):
        self.process.send_signal(signal.SIGUSR1)

    def restart(self):
        """Gracefully; until httpd has read its configuration anew."""
        serves = "resuming normal operations"
        made = self.said().count(serves)
        self.graceful()
        wait_for("httpd has read its configuration anew", lambda: self.said().count(serves) > made, 60)

    def counters(self):
        """Of the metrics those that only grow (REPORTS), by their names without outlive_."""
        text = self.ask("/metrics")[2].decode()
        return {key: int(value) for key, value in re.findall(r"(?m)^outlive_(\w+_total(?:\{[^}]*\})?) (\d+)$", text)}


class Fpm:
    """php-fpm on a free port."""

    def __init__(self, children=4, options=()):
        self.directory = tempfile.mkdtemp(prefix="outlive-fpm-")
        self.port = free_port()
        account = "user = www-data\ngroup = www-data\n" if os.geteuid() == 0 else ""
        conf = pathlib.Path(self.directory, "fpm.conf")
        conf.write_text(f"[global]\nerror_log = {self.directory}/log\ndaemonize = no\n[www]\n{account}"
                        f"listen = 127.0.0.1:{self.port}\npm = static\npm.max_children = {children}\n")
        self.process = subprocess.Popen(["php-fpm8.2", "-n", *options, "-y", conf, "-F"], stderr=subprocess.DEVNULL)
        wait_for("php-fpm answers", self.up)

    def up(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Client:
    """A client on a plain socket, which goes when it is told to."""

    def __init__(self, port, path, method="GET", body=b""):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
        if body:
            head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        self.socket.sendall(head.encode() + b"\r\n" + body)

    def read(self, text):
        """Reads until the text has come."""
        seen = b""
        while text not in seen:
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError(f"the connection ended before {text!r}: {seen!r}")
            seen += more
        return seen

    def go(self, reset=True):
        """Closes; with a reset, as a process that is killed with unread data does it."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Backend:
    """An HTTP server that works: /NAME?steps=N&pause=S writes a line each step, `silent` says nothing before the last one. With `held` in place of
    `steps`, there is a last one when NAME is in `released`.

    What became of each NAME is in `ends`: "done", or "lost" with the number of steps.
    """

    def __init__(self):
        outer = self
        self.ends, self.begun, self.released = {}, {}, set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.work(self)

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.work(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def work(self, handler):
        path, _, query = handler.path.partition("?")
        name = path.strip("/")
        options = dict(word.partition("=")[::2] for word in query.split("&") if word)
        steps, pause = int(options.get("steps", 20 if "held" not in options else 10**9)), float(options.get("pause", 0.05))
        self.begun[name] = True
        size = int(options.get("size", 100))
        if "status" in options:
            handler.send_response(int(options["status"]))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        try:
            if "silent" not in options:
                self.head(handler)
            for step in range(steps):
                if "silent" not in options:
                    self.chunk(handler, f"step {step}".ljust(size).encode() + b"\n")
                if self.hung_up(handler, pause):
                    self.ends[name] = f"lost {step}"
                    handler.close_connection = True
                    return
                if "held" in options and name in self.released:
                    break
            if "silent" in options:
                self.head(handler)
            self.chunk(handler, b"the end\n")
            handler.wfile.write(b"0\r\n\r\n")
            self.ends[name] = "done"
        except OSError:
            self.ends[name] = "lost"
            handler.close_connection = True

    @staticmethod
    def head(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()

    @staticmethod
    def chunk(handler, data):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        handler.wfile.flush()

    @staticmethod
    def hung_up(handler, seconds):
        """Whether httpd closes its side while we sleep."""
        import select
        ready, _, _ = select.select([handler.connection], [], [], seconds)
        try:
            return bool(ready) and handler.connection.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True


@contextlib.contextmanager
def backend():
    one = Backend()
    try:
        yield one
    finally:
        one.close()


@contextlib.contextmanager
def kept_backend():
    """The port of one that tells each request the number of its connection."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if not hasattr(self, "number"):
                Handler.count += 1
                self.number = Handler.count
            body = b"connection %d, %s\n" % (self.number, str(self.headers).encode())
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass
    Handler.count = 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # the server before it ends, and resets what it kept
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
