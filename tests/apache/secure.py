#!/usr/bin/env python3
"""The same through TLS, and through HTTP/2: a stream that is reset, and a connection that is closed."""

import random
import socket
import ssl
import struct
import subprocess
import sys

from lib import Httpd, backend, free_port, wait_for

CONF = """
ProxyPass /finish/ http://127.0.0.1:@BACKEND@/
ProxyPass /stop/ http://127.0.0.1:@BACKEND@/
<Location /finish>
  php_flag ignore_user_abort on
</Location>
<Location /stop>
  php_value outlive.disconnect stop
  php_value outlive.detect watch
</Location>
Protocols h2c http/1.1
Listen 127.0.0.1:@TLS@
SSLSessionCache none
<VirtualHost 127.0.0.1:@TLS@>
  SSLEngine on
  Protocols h2 http/1.1
  SSLCertificateFile @CERTIFICATE@
  SSLCertificateKeyFile @CERTIFICATE@
</VirtualHost>
"""


class Http2:
    """A client of HTTP/2, as much of one as is needed: literal headers, data, bodies in pieces, resets."""

    def __init__(self, connection):
        self.socket, self.stream, self.seen, self.buffer = connection, -1, {}, b""
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(4, 0, 0, b"")

    def send(self, kind, flags, stream, payload):
        self.socket.sendall(struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload)

    def get(self, path):
        self.stream += 2
        text = path.encode()
        self.send(1, 5, self.stream, b"\x82\x86\x04" + bytes([len(text)]) + text + b"\x01\x09localhost")
        self.seen[self.stream] = b""
        return self.stream

    def post(self, path, body=b"", end=True, length=None):
        self.stream += 2
        text, size = path.encode(), str(len(body) if length is None else length).encode()
        self.send(1, 4, self.stream, b"\x83\x86\x04" + bytes([len(text)]) + text + b"\x01\x09localhost\x0f\x0d" + bytes([len(size)]) + size)
        self.seen[self.stream] = b""
        self.data(body, end)
        return self.stream

    def data(self, body, end):
        self.send(0, 1 if end else 0, self.stream, body)

    def frame(self):
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError("the connection ended")
            self.buffer += more
        size, kind, flags = int.from_bytes(self.buffer[:3], "big"), self.buffer[3], self.buffer[4]
        stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
        payload, self.buffer = self.buffer[9:9 + size], self.buffer[9 + size:]
        if kind == 4 and not flags & 1:
            self.send(4, 1, 0, b"")
        if kind == 0 and stream in self.seen:
            self.seen[stream] += payload
        return kind

    def read(self, stream, text):
        while text not in self.seen[stream]:
            self.frame()

    def reset(self, stream):
        self.send(3, 0, stream, struct.pack(">I", 8))

    def go(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def over_tls(port, protocols=("http/1.1",)):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(protocols))
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 60))


def certificate(server):
    """For localhost, in one file with its key."""
    pem = server.root / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                    "/CN=localhost", "-days", "2", "-keyout", pem, "-out", server.root / "cert"], check=True, capture_output=True)
    pem.write_text(pem.read_text() + (server.root / "cert").read_text())


def ended(back, name):
    return wait_for(f"{name} is over", lambda: back.ends.get(name))


def tls(port, back):
    def begin(path):
        client = over_tls(port)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return client
    client, seen = begin("/finish/t1?steps=10"), b""
    while b"step 1" not in seen:
        seen += client.recv(65536)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert ended(back, "t1") == "done"
    client = begin("/stop/t2?steps=1&pause=3600&silent")
    wait_for("t2 has begun", lambda: "t2" in back.begun)
    client.close()
    assert ended(back, "t2").startswith("lost")


def http2(connect, back, name):
    client = Http2(connect())
    # A stream that is reset, beside one that is not.
    reset, kept = client.get(f"/finish/{name}1?steps=10"), client.get(f"/finish/{name}2?steps=10")
    client.read(reset, b"step 1")
    client.reset(reset)
    client.read(kept, b"the end")
    assert ended(back, f"{name}1") == "done" and ended(back, f"{name}2") == "done"
    reset, kept = client.get(f"/stop/{name}3?steps=1&pause=3600&silent"), client.get(f"/stop/{name}4?steps=1&pause=1&silent")
    wait_for("both have begun", lambda: {f"{name}3", f"{name}4"} <= set(back.begun))
    client.reset(reset)
    assert ended(back, f"{name}3").startswith("lost")
    client.read(kept, b"the end")
    assert ended(back, f"{name}4") == "done"
    # The whole connection.
    finish, stop = client.get(f"/finish/{name}5?steps=20"), client.get(f"/stop/{name}6?steps=1&pause=3600&silent")
    client.read(finish, b"step 1")
    wait_for("the other has begun", lambda: f"{name}6" in back.begun)
    assert stop != finish
    client.go()
    assert ended(back, f"{name}6").startswith("lost")
    assert ended(back, f"{name}5") == "done"


def storm(connect, back, batches, streams=20):
    """Streams that are reset at any moment, some of them while the handler has just looked away: what is to be finished is finished."""
    chance = random.Random(20)
    for batch in range(batches):
        client = Http2(connect())
        client.send(8, 0, 0, struct.pack(">I", 1 << 30))  # nobody waits for us to read
        left = {f"r{batch}.{number}": client.get(f"/finish/r{batch}.{number}?steps=150&pause=0.001&size=300") for number in range(streams)}
        names = list(left)
        while left:
            # A stream that is reset before it has begun never begins.
            name = chance.choice(wait_for("another has begun", lambda: [name for name in left if name in back.begun]))
            client.reset(left.pop(name))
        for name in names:
            assert ended(back, name) == "done", (name, back.ends)
        client.go()


def main():
    mpm = sys.argv[1]
    port = free_port()
    with backend() as back:
        conf = CONF.replace("@BACKEND@", str(back.port)).replace("@TLS@", str(port)).replace("@CERTIFICATE@", "@ROOT@/cert.pem")
        server = Httpd(conf, mpm=mpm, modules=["ssl", "http2"])
        certificate(server)
        with server:
            tls(port, back)
            http2(lambda: socket.create_connection(("127.0.0.1", server.port), 60), back, "c")
            http2(lambda: over_tls(port, ["h2"]), back, "s")
            storm(lambda: socket.create_connection(("127.0.0.1", server.port), 60), back, 15)
    print(f"{mpm}: TLS, HTTP/2 in clear and over TLS: finished, stopped, reset streams beside others")


if __name__ == "__main__":
    main()
