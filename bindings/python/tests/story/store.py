"""Tables A, B, C and D: C in a file of its own, which somebody else has locked. And the founding story's work on them.

A note is saved under /plain without outlive, under the other prefixes with it.
"""

import asyncio
import contextlib
import os
import sqlite3
import time

import outlive

HERE = os.path.dirname(os.path.abspath(__file__))
HTTPD_CONF = os.path.join(HERE, "httpd.conf")
FILES = {"C": "c.db"}


def connect(table):
    path = os.path.join(os.environ["STORY"], FILES.get(table, "main.db"))
    return contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None))


def write(table, note):
    if table == "C":
        open(os.path.join(os.environ["STORY"], "waits-" + note), "w").close()
    with connect(table) as db:
        db.execute("INSERT INTO %s VALUES (?)" % table, (note,))


def written(table, note):
    """As a view does it: under gevent, what would block the whole worker goes to its threads."""
    if "gevent" in os.environ.get("STORY_SERVER", ""):
        import gevent

        return gevent.get_hub().threadpool.apply(write, (table, note))
    return write(table, note)


def journal(note):
    with connect("journal") as db:
        db.execute("INSERT INTO journal VALUES (?, ?)", (note, str(outlive.ending())))


def save(note):
    """The work, as a view that blocks does it."""
    guarded = not note.startswith("plain")
    if guarded:
        outlive.register_shutdown_function(journal, note)
    if note.startswith("sleep"):
        open(os.path.join(os.environ["STORY"], "waits-" + note), "w").close()
        while True:
            time.sleep(0.05)
    written("A", note)
    with outlive.hold() if guarded else contextlib.nullcontext():
        written("B", note)
        written("C", note)
    written("D", note)


async def asave(note):
    """The work, as an asynchronous view does it."""
    guarded = not note.startswith("plain")
    if guarded:
        outlive.register_shutdown_function(journal, note)
    await asyncio.to_thread(write, "A", note)
    async with outlive.hold() if guarded else contextlib.AsyncExitStack():
        await asyncio.to_thread(write, "B", note)
        await asyncio.to_thread(write, "C", note)
    await asyncio.to_thread(write, "D", note)


def note_of(path):
    """/finish/7 is the note finish-7."""
    return path.strip("/").replace("/", "-")


def wsgi(app):
    """/plain without the middleware, the rest with it."""
    from outlive.wsgi import OutliveMiddleware

    guarded = OutliveMiddleware(app, httpd_conf=HTTPD_CONF)
    return lambda environ, start: (app if environ["PATH_INFO"].startswith("/plain") else guarded)(environ, start)


def asgi(app):
    from outlive.asgi import OutliveMiddleware

    guarded = OutliveMiddleware(app, httpd_conf=HTTPD_CONF)

    async def switch(scope, receive, send):
        plain = scope["type"] == "http" and scope["path"].startswith("/plain")
        await (app if plain else guarded)(scope, receive, send)

    return switch
