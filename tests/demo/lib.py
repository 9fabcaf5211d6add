"""What the tests of the example server share: start it, ask it, look into its databases, end it."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/tools"))
from waiting import rest, wait_for  # noqa: E402, F401

BUILD = pathlib.Path(os.environ.get("DEMO_BUILD") or ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/demo")


class Server:
    """formsave on a free port, with databases of its own."""

    running = []  # whose standard error a failed test shows

    def __init__(self, *options, wrapper=()):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="formsave-"))
        self.errors = open(self.directory / "errors", "w+b")
        self.process = subprocess.Popen(
            [*wrapper, BUILD / "formsave", "-i", "php.ini.example", "-c", "examples/httpd.conf", "-s", "examples/site",
             "-d", self.directory, "-p", "0", *options],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=self.errors)
        line = self.process.stdout.readline().decode()
        if "http://127.0.0.1:" not in line:
            raise AssertionError(f"the server did not start: {line!r} {self.said()}")
        Server.running.append(self)
        self.port = int(line.rsplit(":", 1)[1].strip(" /\n"))
        self.url = f"http://127.0.0.1:{self.port}"
        self.db = sqlite3.connect(self.directory / "formsave.db", timeout=30, isolation_level=None)
        self.db.execute("ATTACH ? AS table_c", (str(self.directory / "table-c.db"),))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the server did not end on SIGTERM") from None
        finally:
            Server.running.remove(self)
            self.db.close()
            said = self.said()
            if kind is not None and said:
                print(f"the server said:\n{said}", file=sys.stderr)
            self.process.stdout.close()
            self.errors.close()
            shutil.rmtree(self.directory, ignore_errors=True)
        if kind is None and self.process.returncode != 0:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{said}")

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def ask(self, path, body=None):
        """The status and text of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET" if body is None else "POST", path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def lock(self, seconds):
        status, text = self.ask("/lock", f"seconds={seconds}")
        assert status == 200, f"locking C: {status} {text}"

    def live(self):
        return json.loads(self.ask("/live.json")[1])

    def written(self, note):
        """Which tables hold the note, such as "AB": read from the database files."""
        there = "".join(table for table in "ABCD"
                        if self.db.execute(f"SELECT 1 FROM {table} WHERE note = ?", (note,)).fetchone())
        return there

    def ending(self, note):
        """What the shutdown function was told; None as long as it has not run."""
        row = self.db.execute("SELECT ending FROM journal WHERE note = ?", (note,)).fetchone()
        return row and row[0]
