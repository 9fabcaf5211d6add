"""Backends that speak what nginx can pass a request on with, beside HTTP (tests/apache/lib.py) and php-fpm: uwsgi and gRPC. Each works as the one
for HTTP does: a line each step, or nothing before the end, `held` until its name is in `released`; `begun` and `ends` say what became of each request, by
its name."""

import contextlib
import select
import socket
import struct
import threading
import time

from server import HELD_PHP

# php-fpm, for a script that works until it is released, and notes in files what becomes of it.
FCGI = "fastcgi_param SCRIPT_FILENAME @ROOT@/www/work.php; fastcgi_param PATH_INFO $uri; fastcgi_param QUERY_STRING $args; " \
       "fastcgi_param REQUEST_METHOD $request_method; fastcgi_param CONTENT_LENGTH $content_length;"
PARAMS = "uwsgi_param REQUEST_URI $request_uri; uwsgi_param CONTENT_LENGTH $content_length;"
# Its notes are in tmp, where php-fpm may write.
PHP = HELD_PHP.replace("@ROOT@/run", "@ROOT@/tmp")


class Raw:
    """Serves connections, each on a thread of its own."""

    def __init__(self):
        self.begun, self.ends, self.released = {}, {}, set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.guarded, args=(connection,), daemon=True).start()

    def guarded(self, connection):
        with contextlib.suppress(OSError, EOFError), connection:
            self.serve(connection)

    def close(self):
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @staticmethod
    def exactly(connection, size):
        data = b""
        while len(data) < size:
            more = connection.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def work(self, name, options, connection, write):
        """True: it ran to its end."""
        self.begun[name] = True
        try:
            for step in range(int(options.get("steps", 20 if "held" not in options else 10**9))):
                if "silent" not in options:
                    write((b"step %d" % step).ljust(2000) + b"\n")
                if self.left(connection, float(options.get("pause", 0.05))):
                    self.ends[name] = f"lost {step}"
                    return False
                if "held" in options and name in self.released:
                    break
            write(b"the end\n")
            self.ends[name] = "done"
            return True
        except OSError:
            self.ends[name] = "lost"
            return False

    @staticmethod
    def left(connection, seconds):
        """Whether nginx closes its side meanwhile."""
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            if select.select([connection], [], [], rest)[0]:
                try:
                    if connection.recv(1, socket.MSG_PEEK) == b"":
                        return True
                except OSError:
                    return True
                time.sleep(min(0.01, rest))
        return False


class Uwsgi(Raw):
    def serve(self, connection):
        _, size, _ = struct.unpack("<BHB", self.exactly(connection, 4))
        data, words = self.exactly(connection, size), []
        while data:
            length = int.from_bytes(data[:2], "little")
            words.append(data[2:2 + length].decode())
            data = data[2 + length:]
        given = dict(zip(words[::2], words[1::2]))
        self.exactly(connection, int(given.get("CONTENT_LENGTH") or 0))
        path, _, query = given["REQUEST_URI"].partition("?")
        options = dict(word.partition("=")[::2] for word in query.split("&") if word)
        begun = []

        def write(data):
            if not begun:
                begun.append(True)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
            connection.sendall(data)
        self.work(path.rsplit("/", 1)[1], options, connection, write)


class Grpc(Raw):
    """Requests have no names here, for their headers are compressed: the next one has `name`, and works as `options` say."""
    name, options = "", {}

    def serve(self, connection):
        self.exactly(connection, len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        self.send(connection, 4, 0, 0, b"")
        name, options, stream = self.name, self.options, 0
        while True:
            head = self.exactly(connection, 9)
            payload = self.exactly(connection, int.from_bytes(head[:3], "big"))
            kind, flags = head[3], head[4]
            if kind == 4 and not flags & 1:
                self.send(connection, 4, 1, 0, b"")
            if kind == 1:
                stream = int.from_bytes(head[5:9], "big")
                self.begun[f"{name}.headers"] = True
            if kind == 0 and payload:
                self.begun[f"{name}.data"] = True
            if kind in (0, 1) and flags & 1:
                break
        begun = []

        def write(data):
            if not begun:
                begun.append(True)
                self.send(connection, 1, 4, stream, b"\x88\x0f\x10\x10application/grpc")
            self.send(connection, 0, 0, stream, b"\0" + len(data).to_bytes(4, "big") + data)
        if self.work(name, options, connection, write):
            self.send(connection, 1, 5, stream, b"\x00\x0bgrpc-status\x010")

    def left(self, connection, seconds):
        """nginx may send a window update, or reset the stream, before it closes."""
        time.sleep(seconds)
        while select.select([connection], [], [], 0)[0]:
            head = connection.recv(9, socket.MSG_WAITALL)
            if len(head) < 9 or head[3] in (3, 7):
                return True
            self.exactly(connection, int.from_bytes(head[:3], "big"))
        return False

    @staticmethod
    def send(connection, kind, flags, stream, payload):
        connection.sendall(struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload)
