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


@contextlib.contextmanager
def postgres():
    """Its port on the loopback; user postgres, database postgres, no password."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="outlive-postgres-"))
    account = {}
    if os.geteuid() == 0:  # it refuses to be root's
        account = {"user": "postgres", "group": "postgres", "extra_groups": ()}
        shutil.chown(directory, "postgres", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = None
    try:
        subprocess.run(
            [BINARIES / "initdb", "-D", directory / "data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"],
            check=True, stdout=subprocess.DEVNULL, cwd=directory, **account,
        )
        with open(directory / "log", "wb") as log:
            process = subprocess.Popen(
                [BINARIES / "postgres", "-D", directory / "data", "-h", "127.0.0.1", "-p", str(port), "-k", directory, "-F"],
                stdout=log, stderr=log, cwd=directory, **account,
            )
        ready = [BINARIES / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        for _ in range(600):
            if subprocess.run(ready).returncode == 0:
                break
            assert process.poll() is None, (directory / "log").read_text()
            time.sleep(0.1)
        else:
            raise AssertionError("PostgreSQL does not start:\n" + (directory / "log").read_text())
        yield port
    finally:
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        shutil.rmtree(directory, ignore_errors=True)
