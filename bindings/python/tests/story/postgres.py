"""A PostgreSQL of the test's own, in a directory of its own, run by an account without privileges."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BINARIES = pathlib.Path("/usr/lib/postgresql/15/bin")


def installed():
    return (BINARIES / "postgres").exists()


class Postgres:
    """One server: `port` on the loopback; user postgres, database postgres, no password."""

    def __init__(self, directory):
        self.directory = directory
        self.account = {}
        if os.geteuid() == 0:  # it refuses to be root's
            self.account = {"user": "postgres", "group": "postgres", "extra_groups": ()}
            shutil.chown(directory, "postgres", "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None
        subprocess.run(
            [BINARIES / "initdb", "-D", directory / "data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"],
            check=True, stdout=subprocess.DEVNULL, cwd=directory, **self.account,
        )

    def start(self, *options):
        """Without fsync, unless an option says `-cfsync=on`: the machine does not die."""
        log = self.directory / "log"
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [BINARIES / "postgres", "-D", self.directory / "data", "-h", "127.0.0.1", "-p", str(self.port), "-k", self.directory, "-F", *options],
                stdout=out, stderr=out, cwd=self.directory, **self.account,
            )
        ready = [BINARIES / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(600):
            if subprocess.run(ready).returncode == 0:
                return
            assert self.process.poll() is None, log.read_text()
            time.sleep(0.1)
        raise AssertionError("PostgreSQL does not start:\n" + log.read_text())

    def end(self, number=signal.SIGINT):
        """SIGINT: in order. SIGQUIT: as if it had crashed."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(60)


@contextlib.contextmanager
def server():
    """A Postgres that runs; it may be ended and started again."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="outlive-postgres-"))
    one = None
    try:
        one = Postgres(directory)
        one.start()
        yield one
    finally:
        if one is not None:
            one.end()
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def postgres():
    """The port of one that runs."""
    with server() as one:
        yield one.port
