"""What a stop does to work in the middle, on real servers: no transaction in a thread is torn, clean-up runs to its end, and
nothing writes behind the shutdown functions. With SQLite, and with a PostgreSQL of the test's own.
"""

import concurrent.futures
import contextlib
import json
import os
import socket
import sys
import time

import postgres
import sqlalchemy
from servers import Server, wait_for

SERVERS = ("uvicorn", "hypercorn", "gunicorn asgi", "granian")
WAYS = {
    "plain": ["part stored", "cleaned up", "told"],
    "asyncio": ["part stored", "cleaned up", "told"],
    "anyio": ["part stored", "cleaned up", "told"],
    "gather": ["part stored", "cleaned up", "told"],
    "task": ["part stored", "cleaned up", "told"],
    "thread": ["thread has ended", "told"],
    "timed": ["thread has ended", "told"],
    "group": ["stops", "told"],
    "view": ["stops", "told"],
    "child": ["told"],
    "grouped-child": ["told"],
    "timed-child": ["told"],
    "late-child": ["B", "C", "told"],
    "swallow": ["swallowed", "swallowed", "told"],
}


@contextlib.contextmanager
def served(server, port=None):
    """A server with tables on SQLite, or on the PostgreSQL at that port."""
    url = "postgresql+psycopg://postgres@127.0.0.1:%d/%s" % (port, server.replace(" ", "_")) if port else None
    if port:
        admin = sqlalchemy.create_engine("postgresql+psycopg://postgres@127.0.0.1:%d/postgres" % port, isolation_level="AUTOCOMMIT")
        with admin.connect() as db:
            db.execute(sqlalchemy.text('CREATE DATABASE "%s"' % server.replace(" ", "_")))
        admin.dispose()
    with contextlib.closing(Server(server, "stops_app", env={"STORY_URL": url or "sqlite:///{directory}/letters.db"})) as running:
        engine = sqlalchemy.create_engine(url or "sqlite:///%s/letters.db" % running.directory)
        with engine.begin() as db:
            db.execute(sqlalchemy.text("CREATE TABLE letters (note VARCHAR(40), letter VARCHAR(1))"))
        try:
            yield running
        except BaseException:
            print("%s said:\n%s" % (server, running.said()), file=sys.stderr)
            raise
        finally:
            engine.dispose()


def ask(running, path, method=b"GET"):
    client = socket.create_connection(("127.0.0.1", running.port), timeout=60)
    client.sendall(b"%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" % (method, path.encode()))
    return client


def answer(client):
    """The body of a response that says how long it is."""
    got = b""
    while True:
        part = client.recv(65536)
        got += part
        head, found, body = got.partition(b"\r\n\r\n")
        if not part or found and len(body) >= int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
            return head, body


def events(running, note):
    file = running.directory / note
    return file.read_text().splitlines() if file.exists() else []


def transaction(running):
    """The client leaves, or the time is up, while a thread is in the middle of its transaction."""
    for note, query, ending in (
        ("stop-1", "", "aborted"), ("limit-1", "", "time limit"), ("stop-2", "?bare", "aborted"), ("limit-2", "?bare", "time limit"),
    ):
        (running.directory / "go-on").unlink(missing_ok=True)
        client = ask(running, "/" + note.replace("-", "/") + query, b"POST")
        wait_for("%s is in its transaction" % note, lambda note=note: running.waits(note))
        if ending == "aborted":
            client.close()
        time.sleep(1.5)
        assert events(running, note) == [], "something was done while the thread worked: %s" % events(running, note)
        (running.directory / "go-on").touch()
        wait_for("%s has ended" % note, lambda note=note: len(events(running, note)) == 2)
        assert events(running, note) == ["closed", "told %s: ABCD" % ending], events(running, note)
        client.close()


def ways(running, framework="way"):
    """FastAPI's ways, or Quart's."""
    note_of = ("stop-" + framework + "-%s").__mod__
    for way in WAYS:
        client = ask(running, "/stop/%s/%s" % (framework, way))
        wait_for("%s waits" % way, lambda way=way: running.waits(note_of(way)))
        time.sleep(0.1)
        client.close()
    for way in WAYS:
        note = note_of(way)
        wait_for("%s has ended" % note, lambda note=note: "told" in events(running, note))
    time.sleep(0.3)
    for way, expected in WAYS.items():
        assert events(running, note_of(way)) == expected, "%s: %s" % (note_of(way), events(running, note_of(way)))
    assert events(running, "tracker") == [], events(running, "tracker")
    assert "Traceback" not in running.said(), "a traceback"


def quart(running):
    ways(running, "quart")


def functions(running):
    clients = [ask(running, "/stop/functions/%d" % number) for number in range(40)]
    wait_for("forty coroutine functions have run", lambda: len(events(running, "functions")) == 40)
    for client in clients:
        client.close()


def background(running):
    client = ask(running, "/stop/background/1")
    answer(client)
    client.close()
    wait_for("it has ended", lambda: len(events(running, "background")) == 2)
    assert events(running, "background") == ["worked", "told completed"], events(running, "background")


def half(running):
    """A client that leaves within its form: nobody has failed, though Starlette raises."""
    client = socket.create_connection(("127.0.0.1", running.port), timeout=60)
    client.sendall(b"PUT /finish/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nnote")
    wait_for("half of it is there", lambda: events(running, "half") == ["got 4"])
    client.close()
    wait_for("it has ended", lambda: len(events(running, "half")) == 2)
    assert events(running, "half") == ["got 4", "told aborted"], events(running, "half")
    assert events(running, "tracker") == ["ClientDisconnect()"], events(running, "tracker")  # Starlette's own, within
    assert "Traceback" not in running.said(), "a traceback"


def threads(running):
    """Three hundred views whose clients leave, and whose threads are blocked: no more than the forty that anyio has."""
    (running.directory / "go-on").unlink()
    for _ in range(5):
        clients = [ask(running, "/stop/blocks/%d" % number) for number in range(60)]
        time.sleep(0.7)
        for client in clients:
            client.close()
    client = ask(running, "/threads")
    names = json.loads(answer(client)[1])
    workers = [name for name in names if "AnyIO" in name]
    assert 1 <= len(workers) <= 40, names
    client.close()
    (running.directory / "go-on").touch()


def scenes(server):
    with served(server) as running:
        for scene in (transaction, ways, quart, functions, background, half, threads):
            scene(running)
        running.stop()
    return "%s: stops, with SQLite: ok" % server


def with_postgres(server, port):
    with served(server, port) as running:
        transaction(running)
        running.stop()
    return "%s: stops, with PostgreSQL: ok" % server


def main():
    servers = [server for server in SERVERS if all(word in server for word in sys.argv[1:])]
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(4) as pool:
        told = [pool.submit(scenes, server) for server in servers]
        if postgres.installed():
            port = stack.enter_context(postgres.postgres())
            told += [pool.submit(with_postgres, server, port) for server in servers]
        else:
            print("left out: PostgreSQL (postgresql-15)", file=sys.stderr)
            assert os.environ.get("CI") != "true"
        for one in told:
            print(one.result(), flush=True)


if __name__ == "__main__":
    main()
