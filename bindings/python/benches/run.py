"""What the Python package costs, beside its gates. Other people's work only ever adds to a measurement: so everything is measured
many times in short rounds, with and without taking turns, as CPU time of the thread or process that works, and the quietest
rounds are compared. The median of what neighbouring rounds differ by is printed beside it: on a quiet machine they agree.
"""

import asyncio
import ctypes
import pathlib
import socket
import statistics
import subprocess
import sys
import time
import timeit

import outlive
from app import INNER, MIDDLEWARE, plain_wsgi
from outlive import _library
from outlive.wsgi import OutliveMiddleware as WsgiMiddleware

HERE = pathlib.Path(__file__).resolve().parent
PROCESSES, ROUNDS, REQUESTS = 4, 40, 40


def nanoseconds(statement, **names):
    return min(timeit.repeat(statement, globals=names, number=1000, repeat=500)) / 1000 * 1e9


class Empty:
    def method(self):
        pass


def safe_points():
    with outlive.Engine() as engine, engine.begin(outlive.Config().resolve()) as request:
        plain = ctypes.PyDLL(_library.path()).outlive_request_check
        plain.argtypes, handle = [ctypes.c_void_p], request._handle
        check = nanoseconds("check()", check=request.check)
        print("check()                            %6.0f ns   gate 80" % check)
        print("  an empty Python method           %6.0f ns" % nanoseconds("method()", method=Empty().method))
        print("  a plain ctypes call of the same  %6.0f ns" % nanoseconds("check(handle)", check=plain, handle=handle))
        print("hold                               %6.0f ns" % nanoseconds("with hold(): pass", hold=request.hold))
    with outlive.Config() as config, outlive.Engine() as engine:
        settings = config.resolve()
        print("begin and end                      %6.0f ns" % nanoseconds("begin(s).end()", begin=engine.begin, s=settings))
    return check <= 80


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)

    def ask(self, path):
        self.socket.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
        answer = b""
        while True:
            answer += self.socket.recv(65536)
            head, found, body = answer.partition(b"\r\n\r\n")
            if found:
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                if len(body) >= length:
                    return body


def compared(rounds):
    """rounds: of each variant, what a request took in each round; the first is the bare one. What each adds: by the quietest
    rounds, and by the median of the differences within a round."""
    bare, *others = rounds
    return [(min(other) - min(bare), statistics.median(map(float.__sub__, other, bare))) for other in others]


def tell(what, found, gate=""):
    quiet, median = (statistics.median(values) for values in zip(*found))
    print("  %-33s %6.1f us   median %6.1f%s" % (what, quiet, median, gate))
    return quiet


async def exchange(app):
    """As a server does it, without a network: a task for each request."""

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        pass

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9),
        "scheme": "http", "method": "GET", "root_path": "", "path": "/", "raw_path": b"/", "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"user-agent", b"bench"), (b"accept", b"*/*")],
    }
    await asyncio.get_running_loop().create_task(app(scope, receive, send))


async def timed(app):
    before = time.thread_time()
    for _ in range(REQUESTS):
        await exchange(app)
    return (time.thread_time() - before) / REQUESTS * 1e6


def called():
    """The middleware alone, called as a server would."""

    async def rounds():
        apps = [INNER, *MIDDLEWARE.values()]
        return list(zip(*[[await timed(app) for app in apps] for _ in range(ROUNDS * 3)]))

    over, base = compared(asyncio.run(rounds()))
    print("a request, the application called directly, without a network")
    tell("outlive's ASGI middleware adds", [over])
    tell("a BaseHTTPMiddleware adds", [base])
    tell("outlive's WSGI middleware adds", compared(list(zip(*[
        [wsgi(app) for app in (plain_wsgi, WSGI)] for _ in range(ROUNDS * 3)
    ]))))


WSGI = WsgiMiddleware(plain_wsgi)


def wsgi(app):
    before = time.thread_time()
    for _ in range(REQUESTS):
        result = app({
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "localhost",
            "SERVER_PORT": "80", "HTTP_HOST": "localhost", "wsgi.url_scheme": "http", "SERVER_PROTOCOL": "HTTP/1.1",
        }, lambda status, headers, exc_info=None: None)
        for _ in result:
            pass
        if hasattr(result, "close"):
            result.close()
    return (time.thread_time() - before) / REQUESTS * 1e6


def served():
    """Under uvicorn: CPU time of the server's process. What each path took in each round."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "warning", "--no-access-log", "app:app"]
    server = subprocess.Popen(command, cwd=HERE)
    try:
        client = None
        while client is None:
            assert server.poll() is None
            try:
                client = Client(port)
            except ConnectionRefusedError:
                pass
        found = {path: [] for path in (b"/bare", b"/outlive", b"/base")}
        for _ in range(ROUNDS):
            for path, rounds in found.items():
                before = float(client.ask(b"/cpu"))
                for _ in range(REQUESTS):
                    client.ask(path)
                rounds.append((float(client.ask(b"/cpu")) - before) / REQUESTS * 1e6)
        return list(found.values())
    finally:
        server.terminate()
        server.wait()


def requests():
    processes = [served() for _ in range(PROCESSES)]
    over, base = zip(*map(compared, processes))
    print("a request under uvicorn             %6.1f us of CPU" % min(min(rounds[0]) for rounds in processes))
    ours = tell("outlive's middleware adds", over, "   gate 12, and less than the next line")
    theirs = tell("a BaseHTTPMiddleware adds", base)
    return ours <= 12 and ours < theirs


if __name__ == "__main__":
    met = [safe_points()]
    called()
    met.append(requests())
    print("gates met" if all(met) else "GATES MISSED: on a quiet machine?")
