"""RECIPES.md on a PostgreSQL of its own: C is locked, a form is submitted, its sender goes. Stop: nothing is written, and nothing waits
for C any more. Finish: once C is free, all is written."""

import contextlib
import importlib.util
import os
import pathlib
import socket
import sys
import threading

import psycopg

HERE = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("policy_run", HERE.parent / "policy/run.py")
policy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(policy)
policy.HERE = HERE  # where the application is
wait_for = policy.wait_for
from postgres import installed, postgres  # noqa: E402  (policy/run.py has put its directory on the path)

DATABASES = [("gunicorn", "psycopg"), ("uvicorn", "asgi psycopg"), ("gunicorn", "sqlalchemy"), ("gunicorn", "django"), ("uvicorn", "asyncpg")]


class Postgres:
    """How to get to the server."""

    def __init__(self, port):
        self.keywords = "host=127.0.0.1 port=%d user=postgres dbname=postgres" % port
        self.dsn = "postgresql://postgres@127.0.0.1:%d/postgres" % port

    def connect(self):
        return psycopg.connect(self.keywords, autocommit=True)


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
    if not installed():
        print("left out: the recipes (postgresql-15)", file=sys.stderr)
        sys.exit(os.environ.get("CI") == "true")
    with postgres() as port:
        for case in DATABASES:
            database(Postgres(port), *case)
    other("gunicorn", "sqlite3")
    other("uvicorn", "httpx")


if __name__ == "__main__":
    main()
