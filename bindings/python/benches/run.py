"""What the Python package costs, beside its gates: the best of many short runs, and CPU time of the server's process, so
that a busy machine lies less."""

import ctypes
import pathlib
import socket
import subprocess
import sys
import timeit

import outlive
from outlive import _library

HERE = pathlib.Path(__file__).resolve().parent
ROUNDS, REQUESTS = 100, 60


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


def requests():
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
        costs = {path: [] for path in (b"/bare", b"/outlive", b"/base")}
        for _ in range(ROUNDS):
            for path, found in costs.items():
                before = float(client.ask(b"/cpu"))
                for _ in range(REQUESTS):
                    client.ask(path)
                found.append((float(client.ask(b"/cpu")) - before) / REQUESTS * 1e6)
    finally:
        server.terminate()
        server.wait()
    bare = min(costs[b"/bare"])
    over = {path: min(found) - bare for path, found in costs.items()}
    print("a request under uvicorn            %6.1f us of CPU" % bare)
    print("  outlive's middleware adds        %6.1f us   gate 25, and less than the next line" % over[b"/outlive"])
    print("  a BaseHTTPMiddleware adds        %6.1f us" % over[b"/base"])
    return over[b"/outlive"] <= 25 and over[b"/outlive"] < over[b"/base"]


if __name__ == "__main__":
    met = [safe_points(), requests()]
    print("gates met" if all(met) else "GATES MISSED: on a quiet machine?")
