"""A lighttpd of its own on loopback, with mod_outlive or without; clients, backends and php-fpm are those of tests/apache."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/apache"))
from lib import LONG, Fpm, Server, backend, end, free_port, marked, rest, wait_for, waits  # noqa: E402, F401
from http2 import Http2, certificate, over_tls  # noqa: E402, F401

BUILD = pathlib.Path(os.environ.get("LIGHTTPD_BUILD") or ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/lighttpd")


class Lighttpd(Server):
    """`conf` may say @ROOT@, @PORT@ and @TLS@."""

    running = []  # whose logs a failed test shows

    def __init__(self, conf, module=True, modules=("fastcgi", "proxy", "cgi", "accesslog", "status", "openssl")):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="outlive-lighttpd-"))
        self.root.chmod(0o777)
        for name in ("www", "run", "modules", "upload"):
            (self.root / name).mkdir()
            (self.root / name).chmod(0o777)
        for one in pathlib.Path("/usr/lib/lighttpd").glob("*.so"):
            (self.root / "modules" / one.name).symlink_to(one)
        (self.root / "modules/mod_outlive.so").symlink_to(BUILD / "mod_outlive.so")
        self.port, self.tls = free_port(), free_port()
        certificate(self)
        (self.root / "cert.pem").chmod(0o644)
        self.log = self.root / "error.log"
        loaded = list(modules) + (["outlive"] if module else [])  # as an operator's last line does it
        account = 'server.username = "www-data"\nserver.groupname = "www-data"\n' if os.geteuid() == 0 else ""
        text = f"""server.modules = ({", ".join(f'"mod_{name}"' for name in loaded)})
server.document-root = "@ROOT@/www"
server.bind = "127.0.0.1"
server.port = @PORT@
server.errorlog = "@ROOT@/error.log"
server.upload-dirs = ("@ROOT@/upload")
server.feature-flags += ("server.h2proto" => "enable", "server.h2c" => "enable", "server.graceful-shutdown-timeout" => 30)
$SERVER["socket"] == "127.0.0.1:@TLS@" {{ ssl.engine = "enable" ssl.pemfile = "@ROOT@/cert.pem" }}
{account}{conf}
"""
        (self.root / "lighttpd.conf").write_text(text.replace("@ROOT@", str(self.root)).replace("@PORT@", str(self.port)).replace("@TLS@", str(self.tls)))
        self.process = None

    def check(self):
        """What `lighttpd -tt` says."""
        told = subprocess.run(["lighttpd", "-tt", "-m", self.root / "modules", "-f", self.root / "lighttpd.conf"], capture_output=True, text=True, timeout=60)
        shutil.rmtree(self.root)
        return told.returncode, told.stdout + told.stderr

    def command(self):
        return ["lighttpd", "-D", "-m", self.root / "modules", "-f", self.root / "lighttpd.conf"]

    def __exit__(self, kind, *_):
        Lighttpd.running.remove(self)
        crashed = self.process.poll() is not None
        out = end(self.process)
        said = self.said()
        shutil.rmtree(self.root, ignore_errors=True)
        if kind is not None:
            print(f"lighttpd said:\n{said[-6000:]}{out.decode()}", file=sys.stderr)
        elif crashed or self.process.returncode not in (0, 1):  # 1: clients were left
            raise AssertionError(f"lighttpd ended with {self.process.returncode}:\n{said}{out.decode()}")

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Stopped:
    """Meanwhile a server does nothing: what happens in that time it learns at once."""

    def __init__(self, server):
        self.process = server.process

    def __enter__(self):
        self.process.send_signal(signal.SIGSTOP)
        wait_for("the server has stopped", lambda: pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1][0] in "Tt")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)
