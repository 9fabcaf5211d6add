"""Clients that stay, and clients that hang up in each way, against the servers of examples/embed.

Each server writes tables A, B, C and D; this program holds the lock on C. What was written, and the ending that the shutdown
function was told, must be what the php.ini says.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

import pytest
from conftest import ROOT, SERVERS

sys.path.append(str(ROOT / "tests/apache"))
from lib import free_port  # noqa: E402

FINISH = "ignore_user_abort = On\noutlive.detect = watch\n"
STOP = "ignore_user_abort = Off\noutlive.detect = watch\n"
PATIENCE = 60  # seconds; far more than any step takes


class Story:
    """One server with one php.ini, and the lock on table C."""

    running = []  # whose tables a failed test shows

    def __init__(self, program, ini, *more):
        self.name = os.path.basename(program)
        self.directory = tempfile.TemporaryDirectory()
        path = os.path.join(self.directory.name, "php.ini")
        with open(path, "w") as file:
            file.write(ini)
        self.lock = open(os.path.join(self.directory.name, "C.lock"), "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.errors = os.path.join(self.directory.name, "errors")
        with open(self.errors, "w") as errors:
            self.server = subprocess.Popen([program, self.directory.name, path, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        Story.running.append(self)
        said = self.server.stdout.readline().strip()
        self.port = int(said) if said.isdigit() else None

    def said(self):
        """What it wrote to standard error."""
        with open(self.errors) as file:
            return "\n" + file.read()[-6000:]

    def post(self):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        client.sendall(b"POST /save HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\na=b&c")
        return client

    def written(self):
        try:
            with open(os.path.join(self.directory.name, "tables")) as file:
                return file.read().split()
        except FileNotFoundError:
            return []

    def until(self, expected):
        end = time.monotonic() + PATIENCE
        while self.written() != expected:
            assert time.monotonic() < end, f"{self.written()}, not {expected}"
            assert self.server.poll() is None, f"the server has ended: {self.server.returncode}"
            time.sleep(0.005)

    def unlock(self):
        fcntl.flock(self.lock, fcntl.LOCK_UN)

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        """The server ends by itself, with status 0, when its standard input does."""
        Story.running.remove(self)
        if not self.server.stdin.closed:
            self.server.stdin.close()
        try:
            status = 0 if failed else self.server.wait(PATIENCE)
        finally:
            self.server.kill()
            self.server.wait()
            self.lock.close()
            self.directory.cleanup()
        assert status == 0, f"the server ended with {status}"


class BehindNginx(Story):
    """A FastCGI program, with nginx in front of it."""

    def __init__(self, program, ini, *more):
        super().__init__(program, ini, *more)
        place = self.directory.name
        self.port = free_port()
        temporary = "".join(f"{kind}_temp_path {place}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(os.path.join(place, "nginx.conf"), "w") as file:
            file.write(f"""daemon off; master_process off; pid {place}/nginx.pid; error_log {place}/nginx.log;
events {{}}
http {{
    access_log off; {temporary}
    server {{
        listen 127.0.0.1:{self.port};
        location / {{
            fastcgi_pass unix:{place}/fcgi.sock;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param DOCUMENT_URI $document_uri;
        }}
    }}
}}
""")
        self.nginx = subprocess.Popen(["nginx", "-p", place, "-e", f"{place}/nginx.log", "-c", f"{place}/nginx.conf"], stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                assert time.monotonic() < end and self.nginx.poll() is None, open(f"{place}/nginx.log").read()
                time.sleep(0.01)

    def __exit__(self, failed, *rest):
        self.nginx.terminate()
        self.nginx.wait(PATIENCE)
        super().__exit__(failed, *rest)


def story_of(program):
    return BehindNginx if os.path.basename(program) == "libfcgi" else Story


def tell_to_end(program, time_enough):
    """A server that is told to end while C is locked and the client has gone, under finish: it waits for the work as long as it may; then
    the work stops at a safe point, and its shutdown function runs."""
    with story_of(program)(program, FINISH, *([] if time_enough else ["300"])) as story:
        client = story.post()
        story.until(["A", "B"])
        hang_up(client, "close")
        story.server.stdin.close()
        if time_enough:
            time.sleep(0.2)
            assert story.written() == ["A", "B"], story.written()
            story.unlock()
        assert story.server.wait(PATIENCE) == 0
        assert story.written() == (["A", "B", "C", "D", "completed"] if time_enough else ["A", "B", "shutdown"]), story.written()


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def tell_streams(program, ini, policy):
    """HTTP/2: of two streams of one connection one is reset, then the connection hangs up; a third one's client stayed."""
    with Story(program, ini) as story:
        paths = ["one", "two", "stays"]
        locks = {}
        for path in paths:
            os.mkdir(os.path.join(story.directory.name, path))
            locks[path] = open(os.path.join(story.directory.name, path, "C.lock"), "w")
            fcntl.flock(locks[path], fcntl.LOCK_EX)

        def written(path):
            try:
                with open(os.path.join(story.directory.name, path, "tables")) as file:
                    return file.read().split()
            except FileNotFoundError:
                return []

        def until(path, expected):
            end = time.monotonic() + PATIENCE
            while written(path) != expected:
                assert time.monotonic() < end and story.server.poll() is None, (path, written(path), expected)
                time.sleep(0.005)

        def connect(*streams, trailers=False):
            client = socket.create_connection(("127.0.0.1", story.port), timeout=PATIENCE)
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
            for number, path in streams:
                # :method POST, :scheme http, :path and :authority, none of them in a table
                fields = b"\x83\x86" + b"\x04" + bytes([len(path) + 1]) + b"/" + path.encode() + b"\x01\x09localhost"
                client.sendall(frame(1, 0x4 if trailers else 0x5, number, fields))
                if trailers:
                    client.sendall(frame(1, 0x5, number, b"\x00\x01x\x01y"))
            return client

        pair, single = connect((1, "one"), (3, "two")), connect((1, "stays"), trailers=True)
        for path in paths:
            until(path, ["A", "B"])
        pair.sendall(frame(3, 0, 1, (8).to_bytes(4, "big")))  # RST_STREAM, CANCEL
        if policy == "stop":
            until("one", ["A", "B", "aborted"])
        time.sleep(0.1)
        assert written("two") == ["A", "B"], "its neighbour's reset is not its own"
        hang_up(pair, "close")
        if policy == "stop":
            until("two", ["A", "B", "aborted"])
        else:
            for path in ("one", "two"):
                fcntl.flock(locks[path], fcntl.LOCK_UN)
                until(path, ["A", "B", "C", "D", "completed"])
        fcntl.flock(locks["stays"], fcntl.LOCK_UN)
        until("stays", ["A", "B", "C", "D", "completed"])
        answer = b""
        while b"saved" not in answer:
            more = single.recv(4096)
            assert more, answer
            answer += more
        single.close()
        for lock in locks.values():
            lock.close()


def hang_up(client, how):
    if how == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def tell(story, policy, how):
    client = story.post()
    story.until(["A", "B"])
    if how == "stays":
        story.unlock()
        story.until(["A", "B", "C", "D", "completed"])
        answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert b" 200 " in answer.split(b"\r\n")[0] and b"saved" in answer, answer
        client.close()
    elif policy == "finish":
        hang_up(client, how)
        time.sleep(0.1)  # not a wait for anything: a server that stops wrongly may do so now
        story.unlock()
        story.until(["A", "B", "C", "D", "completed"])
    else:
        hang_up(client, how)
        story.until(["A", "B", "aborted"])  # C is still locked
        story.unlock()


ONE_REQUEST = [name for name in SERVERS if name != "nghttp2"]
LOOPS = ("evhttp", "libuv", "beast", "h2o", "libfcgi", "civetweb")  # they go on with their loop until they are drained
POLICIES = pytest.mark.parametrize("policy, ini", [("finish", FINISH), ("stop", STOP)], ids=["finish", "stop"])


@POLICIES
@pytest.mark.parametrize("how", ["stays", "close", "reset"])
@pytest.mark.parametrize("name", ONE_REQUEST)
def test_client(program, name, policy, ini, how):
    with story_of(program(name))(program(name), ini) as story:
        tell(story, policy, how)


@pytest.mark.parametrize("time_enough", [True, False])
@pytest.mark.parametrize("name", LOOPS)
def test_told_to_end(program, name, time_enough):
    tell_to_end(program(name), time_enough)


@POLICIES
def test_streams(program, policy, ini):
    tell_streams(program("nghttp2"), ini, policy)
