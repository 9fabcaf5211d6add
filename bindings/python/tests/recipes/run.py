"""RECIPES.md on a PostgreSQL of its own: C is locked, a form is submitted, its sender goes. Stop: nothing is written, and nothing waits
for C any more. Finish: once C is free, all is written."""

import contextlib
import importlib.util
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import psycopg

HERE = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("policy_run", HERE.parent / "policy/run.py")
policy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(policy)
policy.HERE = HERE  # where the application is
wait_for = policy.wait_for
POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")
DATABASES = [("gunicorn", "psycopg"), ("uvicorn", "asgi psycopg"), ("gunicorn", "sqlalchemy"), ("gunicorn", "django"), ("uvicorn", "asyncpg")]


class Postgres:
    """A server in a directory of its own, on the loopback. Where this is root's, it is the account's that the package makes."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outlive-pg-"))
        self.account = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.account:
            shutil.chown(self.directory, "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        data = self.directory / "data"
        self.run(POSTGRES / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "--no-locale", "-E", "UTF8")
        self.process = subprocess.Popen(
            [*self.account, POSTGRES / "postgres", "-D", data, "-p", str(self.port), "-k", self.directory, "-c", "listen_addresses=127.0.0.1",
             "-c", "fsync=off"],
            cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.keywords = "host=127.0.0.1 port=%d user=postgres dbname=postgres" % self.port
        self.dsn = "postgresql://postgres@127.0.0.1:%d/postgres" % self.port
        wait_for("PostgreSQL serves", self.serves)

    def run(self, *command):
        subprocess.run([*self.account, *map(str, command)], cwd="/", check=True, stdout=subprocess.DEVNULL)

    def serves(self):
        assert self.process.poll() is None, "PostgreSQL has ended"
        with contextlib.suppress(psycopg.OperationalError):
            self.connect().close()
            return True

    def connect(self):
        return psycopg.connect(self.keywords, autocommit=True)

    def close(self):
        subprocess.run([*self.account, POSTGRES / "pg_ctl", "-D", self.directory / "data", "-m", "immediate", "stop"], cwd="/",
                       stdout=subprocess.DEVNULL)
        self.process.wait(60)
        shutil.rmtree(self.directory)


def database(postgres, server, recipe):
    db, locker = postgres.connect(), postgres.connect()
    for table in "abcd":
        db.execute("DROP TABLE IF EXISTS %s" % table)
        db.execute("CREATE TABLE %s (note text)" % table)

    def written(note):
        return "".join(table.upper() for table in "abcd" if db.execute("SELECT 1 FROM %s WHERE note = %%s" % table, [note]).fetchone())

    def waiting():
        return db.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()[0]

    @contextlib.contextmanager
    def locked():
        locker.execute("BEGIN")
        locker.execute("LOCK TABLE c IN SHARE MODE")  # which reading does not mind
        try:
            yield
        finally:
            locker.execute("ROLLBACK")

    os.environ.update(DSN=postgres.dsn, KEYWORDS=postgres.keywords)
    with contextlib.closing(policy.Running(server, "app", recipe)) as running, contextlib.closing(db), contextlib.closing(locker):
        try:
            with locked():
                with running.ask("stop"):
                    wait_for("it waits for C", waiting)
                assert policy.ended(running, "stop") == ["began", "ended: aborted"], running.note("stop")
                wait_for("nobody waits for C", lambda: waiting() == 0)
            assert written("stop") == "", written("stop")
            with locked():
                with running.ask("finish"):
                    wait_for("it waits for C", waiting)
                threading.Event().wait(1)
                assert running.note("finish") == ["began"] and waiting() == 1, running.note("finish")
            assert policy.ended(running, "finish") == ["began", "ended: completed"], running.note("finish")
            assert written("finish") == "ABCD", written("finish")
        except BaseException:
            print("%s on %s said:\n%s" % (recipe, server, running.said()), file=sys.stderr)
            raise
        assert "Traceback" not in running.said(), running.said()
    print("%s on %s: stop writes nothing, finish all" % (recipe, server), flush=True)


def other(server, recipe):
    """A call that would never return."""
    with socket.socket() as slow:
        slow.bind(("127.0.0.1", 0))
        slow.listen()
        os.environ["SLOW"] = "http://127.0.0.1:%d/" % slow.getsockname()[1]
        with contextlib.closing(policy.Running(server, "app", recipe)) as running:
            policy.left(running, "stop")
            assert policy.ended(running, "stop") == ["began", "ended: aborted"], running.note("stop")
    print("%s on %s: stop ends the wait" % (recipe, server), flush=True)


def main():
    if not (POSTGRES / "postgres").exists():
        print("left out: the recipes (postgresql-15)", file=sys.stderr)
        sys.exit(os.environ.get("CI") == "true")
    with contextlib.closing(Postgres()) as postgres:
        for case in DATABASES:
            database(postgres, *case)
    other("gunicorn", "sqlite3")
    other("uvicorn", "httpx")


if __name__ == "__main__":
    main()
