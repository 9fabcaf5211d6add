"""The client of a scenario: a real connection that is closed when, and how, the scenario says.

The program that plays asks by files beside its log: LOG.close (with the way in it) and LOG.settle; what has been done is
answered by LOG.close.done and LOG.settle.done. So nothing in a scenario depends on how fast anybody is.
"""
import errno
import json
import os
import socket
import struct
import time

PATIENCE = 60
RESET = struct.pack("ii", 1, 0)
# TCP states. The server has closed its end; the client has, and the server has not; and no connection at all.
CLOSED = (4, 5, 6, 7, 9, 11)
CLOSE_WAIT = 8
LISTENING = 10


class Hung(Exception):
    pass


def ping_of(scenario_path):
    """A scenario that only says that its server is free again: with one worker, whatever came before it has ended."""
    path = scenario_path + ".ping"
    with open(path, "w") as out:
        json.dump({"log": path + ".log", "main": [["echo", 1]], "sd": []}, out)
    return path


def wants_unread(scenario):
    return any(operation == ["close", "unread"] for part in [scenario["main"], *scenario["sd"]] for operation in part)


class Client:
    """One connection. `request` is what is sent at once."""

    def __init__(self, address, request, reads=True):
        """`reads`: everything; otherwise one byte always stays unread."""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(address)
        self.ports = None if family == socket.AF_UNIX else (address[1], self.socket.getsockname()[1])
        self.reads = reads or self.ports is None
        self.open = True
        self.socket.sendall(request)
        self.socket.setblocking(False)

    def read(self):
        """Reads what is there; when the server has closed, so does the client."""
        if self.open and not self.reads and (server_end(*self.ports) or CLOSED)[0] in CLOSED:
            self.leave()
        while self.open:
            try:
                # One that is to leave something unread always keeps a byte.
                there = 65536 if self.reads else len(self.socket.recv(65536, socket.MSG_PEEK)) - 1
                if there <= 0:
                    return
                if self.socket.recv(there) == b"":
                    self.leave()
            except BlockingIOError:
                return
            except ConnectionError:
                self.leave()

    def leave(self):
        self.open = False
        self.socket.close()

    def close(self, how):
        """fin: in order, with nothing left to read. rst (the default): reset. unread: with data that nobody read. half: only the sending side."""
        if not self.open:
            return
        self.settle()
        if how == "half":
            self.socket.shutdown(socket.SHUT_WR)
            self.until(lambda state: state is None or state[0] == CLOSE_WAIT)
            return
        if how == "fin":
            self.read()
        elif how != "unread" and self.ports:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.leave()
        # Where nothing was left to read after all, unread is fin.
        self.until(lambda state: state is None or (state[0] == CLOSE_WAIT and how in ("fin", "unread")))

    def settle(self):
        """Until nothing that the server has sent is on its way: it has arrived here, or has been answered by a reset."""
        self.until(lambda state: state is None or state[1] == 0)

    def until(self, holds):
        """Waits until something holds for the server's end of the connection: None if it is gone, else its state and the bytes in flight."""
        end = time.monotonic() + PATIENCE
        while self.ports and not holds(server_end(*self.ports)):
            self.read()
            if time.monotonic() > end:
                raise Hung
            time.sleep(0.0002)


def server_end(server_port, client_port):
    """The server's end of a connection over 127.0.0.1, asked of the kernel (sock_diag): its TCP state and the bytes that have not arrived
    here yet; None: gone."""
    here = socket.inet_aton("127.0.0.1") + bytes(12)
    which = struct.pack(">HH", server_port, client_port) + here + here + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    question = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + which
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(question), 20, 1, 1, 0) + question)
        answer = kernel.recv(8192)
    if struct.unpack_from("=H", answer, 4) == (2,):
        code = -struct.unpack_from("=i", answer, 16)[0]
        if code != errno.ENOENT:
            raise OSError(code, "sock_diag: " + os.strerror(code))
        return None
    state, in_flight = answer[17], struct.unpack_from("=I", answer, 76)[0]
    # Where the connection has gone, the listening socket is what the kernel finds.
    return None if state == LISTENING else (state, in_flight)


def serve_asked(log, client):
    """Does what the playing program asks of its client."""
    for what in ("close", "settle"):
        asked = f"{log}.{what}"
        if os.path.exists(asked):
            with open(asked) as file:
                how = file.read()
            os.unlink(asked)
            client.close(how) if what == "close" else client.settle()
            open(asked + ".done", "w").close()


def upload_of(scenario):
    """What the client says that it will send, what it sends of that, and whether it then leaves."""
    declared, sent = scenario.get("upload", (0, 0))
    return declared, b"x" * sent, sent < declared


def play(scenario, path, address, request_of):
    """Plays a scenario on a server with one worker at `address`: the lines that it logged. request_of(path): the request's bytes."""
    log = path + ".log"
    with open(path, "w") as out:
        json.dump({**scenario, "log": log}, out)
    client = Client(address, request_of(path), reads=not wants_unread(scenario))
    if upload_of(scenario)[2]:
        # In order, and in the middle of what it had announced; nothing can have been sent to it yet.
        client.close("fin")
    ping = None
    end = time.monotonic() + PATIENCE
    while ping is None or ping.open:
        serve_asked(log, client)
        client.read()
        if ping is None and not client.open:
            # Queued behind the scenario, which may still work on.
            ping = Client(address, request_of(ping_of(path)))
        if ping:
            ping.read()
        if time.monotonic() > end:
            raise Hung
        time.sleep(0.0002)
    if client.open:
        client.leave()
    return lines(log)


def lines(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return file.read().split("\n")[:-1]


def http_request(method, url, query, declared=0, body=b""):
    length = f"Content-Length: {declared}\r\n" if declared else ""
    return f"{method} {url}?{query} HTTP/1.1\r\nHost: localhost\r\n{length}Connection: close\r\n\r\n".encode() + body


def _record(kind, content):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def _pairs(params):
    out = b""
    for name, value in params.items():
        for text in (name.encode(), value.encode()):
            out += bytes([len(text)]) if len(text) < 128 else struct.pack(">I", len(text) | 1 << 31)
        out += name.encode() + value.encode()
    return out


def fastcgi_request(method, script, query, declared=0, body=b""):
    params = {"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": method, "SCRIPT_FILENAME": script,
              "SCRIPT_NAME": "/play.php", "REQUEST_URI": "/play.php?" + query, "QUERY_STRING": query}
    if declared:
        params.update(CONTENT_LENGTH=str(declared), CONTENT_TYPE="application/octet-stream")
    begin = _record(1, struct.pack(">HB5x", 1, 0))
    stdin = b"".join(_record(5, body[at:at + 8000]) for at in range(0, len(body), 8000))
    end = _record(5, b"") if len(body) == declared else b""
    return begin + _record(4, _pairs(params)) + _record(4, b"") + stdin + end
