"""The recipes of docs/durable.md as they stand, on a PostgreSQL of the test's own: a client that goes, a process that is killed in the middle of its work,
and whoever takes up what it has left.
"""

import asyncio
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "story"))
import postgres  # noqa: E402
import psycopg  # noqa: E402
from outlive.testing import Client, Ending  # noqa: E402

PAGE = (HERE.parents[3] / "docs/durable.md").read_text()
RECIPES = {name: text for text, name in re.findall(r"```python\n(# recipe: (\w+)\n.*?)```", PAGE, flags=re.S)}
KILLED = """
import os, signal
def save(note):
    os.kill(os.getpid(), signal.SIGKILL)
from outlive.testing import Client
Client(application).post("/save", b"beer").result()
"""


def recipe(name):
    found = {"__name__": name}
    exec(compile(RECIPES[name], name, "exec"), found)
    return found


def rows(sql):
    with psycopg.connect(os.environ["DSN"]) as db:
        return db.execute(sql).fetchall()


def postgresql():
    found = recipe("postgresql")
    with psycopg.connect(os.environ["DSN"]) as db:
        db.execute(found["TABLES"])
    headers = {"idempotency-key": '"one"'}
    with Client(found["application"]).post("/save", b"milk", headers=headers) as exchange:
        assert exchange.result().ending == Ending.COMPLETED
    assert rows("SELECT note FROM saved") == [("milk",)] and rows("SELECT state FROM submission") == [("done",)]
    again = Client(found["application"]).post("/save", b"milk", headers=headers).result()
    assert (again.status, again.body) == (200, b"saved"), again
    assert Client(found["application"]).post("/save", b"wine", headers=headers).result().status == 422
    # A process that dies in the middle of its work: its lease runs out, here by hand.
    killed = subprocess.run([sys.executable, "-c", RECIPES["postgresql"] + KILLED])
    assert killed.returncode == -signal.SIGKILL, killed
    assert rows("SELECT count(*) FROM saved") == [(1,)] and found["resume"]() == 0, "its lease holds"
    with psycopg.connect(os.environ["DSN"]) as db:
        db.execute("UPDATE lease SET until = now() WHERE process <> %s", (found["journal"].process,))
    # A worker that has accepted nothing itself. It lives while it works, and one that fails keeps no other waiting.
    rows("INSERT INTO submission (key, body) VALUES ('other', 'ham') RETURNING key")
    worker, seen = recipe("postgresql"), []
    save = worker["save"]

    def fails(note):
        seen.append(rows("SELECT count(*) FROM lease WHERE process = '%s' AND until > now()" % worker["journal"].process))
        if len(seen) == 1:
            raise LookupError(note)
        save(note)

    worker["save"] = fails
    worker["app"].logger.disabled = True
    assert worker["resume"]() == 2 and seen == [[(1,)]] * 2, seen
    assert rows("SELECT count(*) FROM saved") == [(2,)]
    assert worker["resume"]() == 1 and worker["resume"]() == 0
    worker["journal"].close()
    assert rows("SELECT note FROM saved ORDER BY note") == [("beer",), ("ham",), ("milk",)]
    assert rows("SELECT DISTINCT state FROM submission") == [("done",)]
    found["journal"].close()
    print("docs/durable.md, postgresql: ok")


def procrastinate():
    found = recipe("procrastinate")
    asyncio.run(jobs(found))
    print("docs/durable.md, procrastinate: ok")


DBOS_KILLED = """
import signal
DBOS.launch()
def killed(key, note):
    os.kill(os.getpid(), signal.SIGKILL)
write = killed
from outlive.testing import Client
Client(application).post("/save", b"beer").result()
"""
DBOS_RECOVERS = """
import time
DBOS.launch()
from outlive.testing import Client
assert Client(application).post("/save", b"milk").result().body == b"saved"
time.sleep(0.5)
assert notes() == ["milk"], notes()
assert recover() == 1
until = time.monotonic() + 30
while notes() != ["beer", "milk"]:
    assert time.monotonic() < until, notes()
    time.sleep(0.1)
assert recover() == 0
DBOS.destroy()
print("docs/durable.md, dbos: ok", flush=True)
os._exit(0)
"""
NOTES = """
def notes():
    with psycopg.connect(os.environ["DSN"]) as db:
        return [note for note, in db.execute("SELECT note FROM saved ORDER BY note")]
"""


def dbos():
    """One process is killed in the middle of a workflow; another, which has work of its own, takes up that one only."""
    with psycopg.connect(os.environ["DSN"]) as db:
        db.execute("CREATE TABLE IF NOT EXISTS saved (key text PRIMARY KEY, note text)")
        db.execute("DELETE FROM saved")
    with tempfile.TemporaryDirectory() as directory:
        env = {**os.environ, "BOARD": directory + "/board"}

        def run(program):
            file = pathlib.Path(directory) / "program.py"
            file.write_text(RECIPES["dbos"] + program)
            return subprocess.run([sys.executable, str(file)], env=env, timeout=120).returncode

        assert run(DBOS_KILLED) == -signal.SIGKILL
        assert run(NOTES + DBOS_RECOVERS) == 0


async def jobs(found):
    from outlive.asgi import OutliveMiddleware

    queue, left = found["queue"], False
    async with queue.open_async():
        await queue.schema_manager.apply_schema_async()

        async def app(scope, receive, send):
            import outlive

            if not left:
                await found["work"](outlive.current().key.decode(), (await receive())["body"].decode())
            else:
                raise asyncio.CancelledError  # the loop is being closed under it
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

        middleware = OutliveMiddleware(app, journal=found["Jobs"](), disconnect="stop")

        async def ask(note, key):
            sent = []

            async def receive():
                return {"type": "http.request", "body": note}

            async def send(message):
                sent.append(message)

            scope = {"type": "http", "method": "POST", "path": "/save", "headers": [(b"idempotency-key", key)]}
            try:
                await middleware(scope, receive, send)
            except asyncio.CancelledError:
                pass
            return sent[0]["status"] if sent else None

        assert await ask(b"bread", b"k1") == 200
        assert rows("SELECT status::text FROM procrastinate_jobs") == [("cancelled",)]
        assert rows("SELECT note FROM saved WHERE note = 'bread'") == [("bread",)]
        left = True
        await ask(b"wine", b"k2")
        assert rows("SELECT count(*) FROM saved WHERE note = 'wine'") == [(0,)]
        assert await ask(b"wine", b"k2") == 409, "it waits"
        with psycopg.connect(os.environ["DSN"]) as db:
            db.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")
        await queue.run_worker_async(wait=False, listen_notify=False, install_signal_handlers=False)
        assert rows("SELECT note FROM saved WHERE note = 'wine'") == [("wine",)]
        assert await middleware.adrain()


def main():
    if not postgres.installed():
        print("left out: PostgreSQL (postgresql-15)", file=sys.stderr)
        assert os.environ.get("CI") != "true"
        return
    with postgres.postgres() as port:
        os.environ["DSN"] = "postgresql://postgres@127.0.0.1:%d/postgres" % port
        postgresql()
        procrastinate()
        dbos()


if __name__ == "__main__":
    main()
