"""Kills workers of Python servers, and PostgreSQL, while people submit forms and C is locked: what was accepted is done once. The play is that of
tests/durable; here are servers for it. Arguments: how many kills each row of the table gets, and words of the rows to be played.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import signal
import socket
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(sys.executable).parent
sys.path[:0] = [str(HERE.parents[3] / "tests/durable"), str(HERE.parent / "story")]
import play  # noqa: E402
import postgres  # noqa: E402
from outlive._keeping import scoped  # noqa: E402
from servers import Group, wait_for  # noqa: E402

UVICORN = [BIN / "uvicorn", "--port", "{port}", "--log-level", "warning", "--workers", "2", "--timeout-graceful-shutdown", "10"]
GUNICORN = [BIN / "gunicorn", "--bind", "127.0.0.1:{port}", "--log-level", "error", "--workers", "2", "--worker-class", "gthread", "--threads", "6"]
ROWS = [
    ("uvicorn, asyncpg: one transaction", "transaction", [*UVICORN, "awaiting:application"]),
    ("uvicorn, psycopg in threads: keyed", "keyed", [*UVICORN, "blocking:asgi_application"]),
    ("gunicorn, psycopg: keyed", "keyed", [*GUNICORN, "blocking:application"]),
    ("gunicorn, psycopg: one transaction", "transaction", [*GUNICORN, "blocking:application"]),
]


class Database(play.Database):
    schema = HERE / "schema.sql"

    @staticmethod
    def name_of(key):
        """A client's key, as the journal has it."""
        return scoped(b"", "POST", "/save", key).decode()


class Row(play.Row):
    answers = (*play.Row.answers, 500)  # the database died in the middle of the work


@contextlib.contextmanager
def started(command, manner, database):
    with tempfile.TemporaryDirectory() as directory, open(pathlib.Path(directory) / "log", "w+b") as log:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        env = {
            **os.environ, "DURABLE_URL": "postgresql://postgres@127.0.0.1:%d/postgres" % database.server.port, "DURABLE_MANNER": manner,
            "PYTHONPATH": str(HERE), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
        }
        group = Group([str(part).format(port=port) for part in command], cwd=HERE, stdout=log, env=env)

        def serves():
            assert group.process.poll() is None, "the server did not start"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                return True

        try:
            wait_for("it serves", serves)
            yield port, group.process.pid
            group.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(Exception):
                group.process.wait(20)
        except BaseException:
            log.seek(0)
            print(log.read().decode(errors="replace")[-6000:], file=sys.stderr)
            raise
        finally:
            group.close()


def played(kills, name, manner, command):
    with postgres.server() as server:
        database = Database(server)
        database.make_anew(unique=True)
        row = Row(name, database, kills, lambda database: started(command, manner, database), True)
        accepted, once, twice, other = row.play()
        assert 0 < accepted == once, f"{name}: {accepted} accepted, {once} done once, {twice} twice, {other} neither"


def main():
    kills, words = int(sys.argv[1]), sys.argv[2:]
    if not postgres.installed():
        print("left out: PostgreSQL (postgresql-15)", file=sys.stderr)
        assert os.environ.get("CI") != "true"
        return
    chosen = [row for row in ROWS if all(word in row[0] for word in words)]
    play.print_head()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for told in [pool.submit(played, kills, *row) for row in chosen]:
            told.result()


if __name__ == "__main__":
    main()
