"""Real servers, each on a free port of the loopback, each with tables of its own."""

import contextlib
import importlib.util
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(sys.executable).parent
# Ends the group of processes once the test, which holds the other end of its standard input, has ended, however that was.
GUARD = ["/bin/sh", "-c", 'read _; kill -KILL "-$1" 2>/dev/null', "guard"]

GUNICORN = [BIN / "gunicorn", "--bind", "127.0.0.1:{port}", "--graceful-timeout", "{patience}", "--log-level", "warning"]
UVICORN = [BIN / "uvicorn", "--port", "{port}", "--log-level", "warning"]
UWSGI = [
    BIN / "uwsgi", "--http-socket", "127.0.0.1:{port}", "--master", "--processes", "3", "--need-app", "--disable-logging", "--enable-threads",
    "--virtualenv", sys.prefix, "--pythonpath", HERE, "--module", "{app}:application",
]
GRANIAN = [BIN / "granian", "--port", "{port}", "--log-level", "warning"]
# Apache's modules, and the one of Python that Debian has for it.
MODULES = pathlib.Path("/usr/lib/apache2/modules")
SERVERS = {
    "gunicorn sync": [*GUNICORN, "--workers", "4", "{app}:application"],
    "gunicorn gthread": [*GUNICORN, "--worker-class", "gthread", "--threads", "4", "{app}:application"],
    "gunicorn --preload": [*GUNICORN, "--workers", "3", "--preload", "{app}:application"],
    "uWSGI": [*UWSGI, "--die-on-term"],
    "uWSGI, hook": [*UWSGI, "--hook-master-start", "unix_signal:15 gracefully_kill_them_all"],
    "gunicorn gevent": [*GUNICORN, "--worker-class", "gevent", "{app}:application"],
    "waitress": [BIN / "waitress-serve", "--listen", "127.0.0.1:{port}", "{app}:application"],
    "mod_wsgi": ["/usr/sbin/apache2", "-f", "{directory}/apache.conf", "-D", "FOREGROUND"],
    "gunicorn asgi": [*GUNICORN, "--worker-class", "asgi", "{app}:asgi_application"],
    "uvicorn": [*UVICORN, "--loop", "asyncio", "{app}:asgi_application"],
    "uvicorn, uvloop": [*UVICORN, "--loop", "uvloop", "{app}:asgi_application"],
    "granian": [*GRANIAN, "--interface", "asgi", "{app}:asgi_application"],
    "granian wsgi": [*GRANIAN, "--interface", "wsgi", "--blocking-threads", "4", "{app}:application"],
    "hypercorn": [BIN / "hypercorn", "--bind", "127.0.0.1:{port}", "--graceful-timeout", "{patience}", "{app}:asgi_application"],
    "uvicorn --workers": [*UVICORN, "--workers", "2", "{app}:asgi_application"],
    "uvicorn --reload": [*UVICORN, "--reload", "--reload-dir", "{directory}", "{app}:asgi_application"],
    "gunicorn, uvicorn worker": [*GUNICORN, "--workers", "4", "--worker-class", "uvicorn_worker.UvicornWorker", "{app}:asgi_application"],
    "daphne": [BIN / "daphne", "--port", "{port}", "--verbosity", "0", "{app}:asgi_application"],
    "cheroot": [BIN / "cheroot", "--bind", "127.0.0.1:{port}", "{app}:application"],
    "Werkzeug": [sys.executable, HERE / "serve.py", "Werkzeug", "{app}", "{port}"],
    "gevent": [sys.executable, HERE / "serve.py", "gevent", "{app}", "{port}"],
}


APACHE = """
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {directory}/apache.pid
DefaultRuntimeDir {directory}
ErrorLog {directory}/log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {modules}/mod_wsgi.so
{user}
WSGISocketPrefix {directory}/wsgi
WSGIDaemonProcess story threads=5 python-path={directory}/app shutdown-timeout={patience}
WSGIProcessGroup story
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias / {directory}/app/{app}.py
<Directory {directory}/app>
    Require all granted
</Directory>
"""


def installed(server):
    return os.path.exists(SERVERS[server][0]) and (server != "mod_wsgi" or (MODULES / "mod_wsgi.so").exists())


def wait_for(what, condition, seconds=60):
    until = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError("not within %d s: %s" % (seconds, what))
        time.sleep(0.02)


def marked_port():
    """A port that nobody has, and a socket: while it is open, no other server of these tests gets the port, though its own may not listen yet."""
    while True:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind("\0outlive-test-port-%d" % port)
            return port, mark
        except OSError:
            mark.close()


class Group:
    """A server's processes: none of them outlives `close`, nor this test, even where it is cut off."""

    def __init__(self, command, **keywords):
        self.process = subprocess.Popen([str(part) for part in command], start_new_session=True, stderr=subprocess.STDOUT, **keywords)
        self.guard = subprocess.Popen([*GUARD, str(self.process.pid)], stdin=subprocess.PIPE, start_new_session=True)

    def lives(self):
        """Whether one of its processes does."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def work(self):
        """Its processes, their states and how long each has worked."""
        found = []
        for file in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has ended
                state, _, group, *rest = file.read_text().rpartition(")")[2].split()
                if int(group) == self.process.pid:
                    found.append((file.parent.name, state, *rest[8:10]))
        return sorted(found)

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.guard.kill()
        self.guard.wait()
        self.guard.stdin.close()


class Process:
    """A server on a free port of the loopback, with a directory and a log of its own."""

    def __init__(self, prefix):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
        self.port, self.mark = marked_port()
        self.log = open(self.directory / "log", "w+b")

    def start(self, name, command, env, cwd=HERE):
        """Until it serves. name: what it is called in messages."""
        self.group = Group(command, cwd=cwd, stdout=self.log, env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **env})
        self.process = self.group.process
        try:
            wait_for("%s serves" % name, self.serves)
        except BaseException:
            self.close()
            raise

    def serves(self):
        if self.process.poll() is not None:
            raise AssertionError("the server did not start:\n" + self.said())
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=60) as asked:
            asked.sendall(b"OPTIONS /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return asked.recv(1)

    def rests(self):
        """Waits until none of its processes has worked for half a second: a worker that still starts may lose a signal."""
        seen, since, until = None, 0, time.monotonic() + 60
        while time.monotonic() < until:  # some servers look after something all the time
            work = self.group.work()
            if work != seen or any(state not in "SI" for _, state, *_ in work):
                seen, since = work, time.monotonic()
            elif time.monotonic() - since > 0.5:
                return
            time.sleep(0.05)

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def stop(self):
        self.process.terminate()
        self.wait()

    def wait(self):
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the server did not end:\n" + self.said()) from None

    def close(self):
        self.group.close()
        self.mark.close()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Server(Process):
    """A server with one of the applications. `view`: which of Django's. `options`: more of them for the server.
    `env`: more for its environment; {directory} in it, and in the options, is the server's. `patience`: seconds at its end, for those
    whose command says them."""

    def __init__(self, server, app, view="sync", options=(), env=None, patience=30):
        super().__init__("outlive-story-")
        self.main, self.c = self.open("main.db"), self.open("c.db")
        self.main.execute("PRAGMA journal_mode = WAL")
        for table in ("A (note)", "B (note)", "D (note)", "journal (note, ending)"):
            self.main.execute("CREATE TABLE " + table)
        self.c.execute("CREATE TABLE C (note)")
        if server == "mod_wsgi":
            self.for_apache(app, patience)
        command = [str(part).format(port=self.port, app=app, directory=self.directory, patience=patience) for part in SERVERS[server]]
        command[1:1] = [option.format(directory=self.directory) for option in options]
        env = {name: value.format(directory=self.directory) for name, value in (env or {}).items()}
        self.start("%s with %s" % (server, app), command, {
            "STORY": str(self.directory), "STORY_VIEW": view, "STORY_SERVER": server, "PYTHONPATH": str(HERE), **env,
        })

    def for_apache(self, app, patience):
        """Its processes are another user's where this is root's: they get copies, and tables that they may write to."""
        shutil.copytree(HERE, self.directory / "app", ignore=shutil.ignore_patterns("__pycache__"))
        package = pathlib.Path(importlib.util.find_spec("outlive").origin).parent
        shutil.copytree(package, self.directory / "app/outlive", ignore=shutil.ignore_patterns("__pycache__"))
        user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        text = APACHE.format(port=self.port, directory=self.directory, modules=MODULES, user=user, app=app, patience=patience)
        (self.directory / "apache.conf").write_text(text)
        self.directory.chmod(0o777)
        for file in self.directory.iterdir():
            if file.is_file():
                file.chmod(0o666)

    def open(self, name):
        return sqlite3.connect(self.directory / name, timeout=60, isolation_level=None, check_same_thread=False)

    def submit(self, path):
        """A client that has sent a form; closing it is closing the tab."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        client.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nnote=milk" % path.encode())
        return client

    def waits(self, note):
        """Whether it has come to where C is locked."""
        return (self.directory / ("waits-" + note)).exists()

    def written(self, note):
        tables = [(self.c if table == "C" else self.main, table) for table in "ABCD"]
        return "".join(table for db, table in tables if db.execute("SELECT 1 FROM %s WHERE note = ?" % table, (note,)).fetchone())

    def endings(self, note):
        return [ending for ending, in self.main.execute("SELECT ending FROM journal WHERE note = ?", (note,))]

    def lock_c(self):
        self.c.execute("BEGIN EXCLUSIVE")

    def unlock_c(self):
        self.c.execute("ROLLBACK")

    def close(self):
        for db in (self.main, self.c):
            db.close()
        super().close()
