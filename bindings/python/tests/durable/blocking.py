"""WSGI and psycopg; under ASGI as Starlette runs it, in threads. What the dead have left is taken up by whoever lives."""

import contextlib
import threading
import time

import outlive
import psycopg
from outlive.asgi import OutliveMiddleware as Awaiting
from outlive.wsgi import OutliveMiddleware
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from statements import KEYED, LEFT, URL, journal


def connect():
    return psycopg.connect(URL, connect_timeout=5)


JOURNAL = journal(connect)


def save(key, note):
    with contextlib.closing(connect()) as db:
        db.autocommit = KEYED
        if not KEYED and db.execute("UPDATE submission SET state = 'done' WHERE key = %s AND state = 'accepted'", (key,)).rowcount != 1:
            return
        for table in "abcd":
            db.execute("INSERT INTO %s VALUES (%%s, %%s)%s" % (table, " ON CONFLICT DO NOTHING" if KEYED else ""), (key, note))
        if not KEYED:
            db.commit()


def resume():
    while True:
        try:
            with contextlib.closing(connect()) as db:
                db.autocommit = True
                while True:
                    JOURNAL.renew()
                    left = db.execute(LEFT.format("%s"), (JOURNAL.process,)).fetchone()
                    if left is None:
                        time.sleep(0.2)
                        continue
                    with outlive.resumed(left[0], journal=JOURNAL, path="/save"):
                        save(left[0], left[1].decode())
        except Exception as why:
            print("resuming: %r" % why, flush=True)
            time.sleep(0.2)


threading.Thread(target=resume, daemon=True).start()


def answer(environ, start_response):
    save(outlive.current().key.decode(), environ["wsgi.input"].read().decode())
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"saved"]


async def view(request):
    await run_in_threadpool(save, outlive.current().key.decode(), (await request.body()).decode())
    return PlainTextResponse("saved")


POLICY = {"journal": JOURNAL, "disconnect": "stop", "time_limit": 20, "drain": 5}
application = OutliveMiddleware(answer, **POLICY)
asgi_application = Awaiting(Starlette(routes=[Route("/save", view, methods=["POST"])]), **POLICY)
