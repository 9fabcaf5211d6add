"""A client of HTTP/2 and one of TLS, and what httpd needs to answer both: a certificate, and its lines."""

import socket
import ssl
import struct
import subprocess


# Of httpd: HTTP/2 in clear, and over TLS on a port of its own.
TLS = """
Listen 127.0.0.1:@TLS@
Protocols h2c http/1.1
SSLSessionCache none
<VirtualHost 127.0.0.1:@TLS@>
  SSLEngine on
  Protocols h2 http/1.1
  SSLCertificateFile @ROOT@/cert.pem
  SSLCertificateKeyFile @ROOT@/cert.pem
</VirtualHost>
"""


class Http2:
    """A client of HTTP/2, as much of one as is needed: literal headers, data, bodies in pieces, resets."""

    def __init__(self, connection):
        self.socket, self.stream, self.seen, self.buffer = connection, -1, {}, b""
        self.resets = set()  # streams that the server has reset
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a reset does not take with it what was sent before
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
        if kind == 0 and size:
            self.send(8, 0, 0, struct.pack(">I", size))  # the connection's window stays as it is; a stream's ends
        if kind == 3:
            self.resets.add(stream)
        if kind == 0 and stream in self.seen:
            self.seen[stream] += payload
        return kind

    def read(self, stream, text):
        while text not in self.seen[stream]:
            self.frame()

    def drained(self):
        """Takes what has come, so that nobody waits for us to read, and looks at none of it. True: the connection is there."""
        self.socket.setblocking(False)
        try:
            while self.socket.recv(65536):
                pass
            raise AssertionError("the connection ended")
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        finally:
            self.socket.settimeout(60)

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
    """For localhost, in one file with its key: cert.pem."""
    pem = server.root / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                    "/CN=localhost", "-days", "2", "-keyout", pem, "-out", server.root / "cert"], check=True, capture_output=True)
    pem.write_text(pem.read_text() + (server.root / "cert").read_text())
