"""What is stopped in the middle: transactions in threads, task groups, clean-up that awaits, behind two BaseHTTPMiddlewares."""

import asyncio
import os
import pathlib
import threading
import time

import anyio
import fastapi
import outlive
import quart
import sqlalchemy
import store
from outlive.asgi import OutliveMiddleware
from sqlalchemy.orm import Session

HERE = pathlib.Path(os.environ["STORY"])
engine = sqlalchemy.create_engine(os.environ["STORY_URL"], pool_size=40)
app, bare, quarts = fastapi.FastAPI(), fastapi.FastAPI(), quart.Quart(__name__)


def note_down(what, note):
    """In the order of events, as the test reads it."""
    with open(HERE / note, "a") as file:
        file.write(what + "\n")


def told(note):
    with Session(engine) as db:
        rows = db.execute(sqlalchemy.text("SELECT letter FROM letters WHERE note = :note ORDER BY letter"), {"note": note})
        note_down("told %s: %s" % (outlive.ending(), "".join(letter for letter, in rows)), note)


@app.middleware("http")
async def outer(request, call_next):
    return await call_next(request)


@app.middleware("http")
async def inner(request, call_next):
    return await call_next(request)


def get_db(path: str):
    db = Session(engine)
    try:
        yield db
    finally:
        db.close()
        note_down("closed", store.note_of(path))


def waits(note):
    (HERE / ("waits-" + note)).touch()
    while not (HERE / "go-on").exists():
        time.sleep(0.02)


@app.post("/{path:path}")
@bare.post("/{path:path}")
def save(path: str, db: Session = fastapi.Depends(get_db)):
    """One transaction, in a thread."""
    note = store.note_of(path)
    outlive.register_shutdown_function(told, note)
    for letter in "ABCD":
        if letter == "C":
            waits(note)
        db.execute(sqlalchemy.text("INSERT INTO letters VALUES (:note, :letter)"), {"note": note, "letter": letter})
    db.commit()
    return "saved"


@app.get("/threads")
async def threads():
    return [thread.name for thread in threading.enumerate()]


@app.get("/stop/blocks/{number}")
def blocks(number: int):
    waits("blocks")


async def long(note):
    """Cleans up with awaits, twice, the second time with a hold around it."""
    (HERE / ("waits-" + note)).touch()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0.1)
        note_down("part stored", note)
        raise
    finally:
        async with outlive.hold():
            await asyncio.sleep(0.1)
            note_down("cleaned up", note)


async def in_asyncio_group(note):
    async with asyncio.TaskGroup() as group:
        group.create_task(long(note))


async def in_anyio_group(note):
    async with anyio.create_task_group() as group:
        group.start_soon(long, note)
    note_down("went on", note)


async def gathered(note):
    await asyncio.gather(long(note), asyncio.sleep(60))


async def left_alone(note):
    app.state.task = asyncio.create_task(long(note))
    await asyncio.sleep(60)


async def in_thread(note):
    def works():
        (HERE / ("waits-" + note)).touch()
        time.sleep(1)
        note_down("thread has ended", note)

    while True:
        await asyncio.to_thread(works)


async def in_thread_for_a_time(note):
    def works():
        (HERE / ("waits-" + note)).touch()
        time.sleep(1)
        note_down("thread has ended", note)

    while True:
        await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, works), 30)


async def view_that_holds(note):
    """The stop is an exception here, which the end of the hold raises."""
    (HERE / ("waits-" + note)).touch()
    async with outlive.hold():
        while not outlive.current().is_gone:
            await asyncio.sleep(0.01)
        note_down("stops", note)


async def group_that_holds(note):
    async with asyncio.TaskGroup() as group:
        group.create_task(view_that_holds(note))


async def holds(note, when):
    """Begins a hold as soon as `when` says so, and is torn if B is written without C."""
    (HERE / ("waits-" + note)).touch()
    while not when():
        await asyncio.sleep(0)
    async with outlive.hold():
        await asyncio.sleep(0.1)
        note_down("B", note)
        await asyncio.sleep(0.1)
        note_down("C", note)
    note_down("D", note)


async def child_that_holds(note):
    """In the turn of the loop in which the task that waits for it hears of the stop: as Django's view, whose task nobody cancels but outlive."""
    await asyncio.wait([asyncio.ensure_future(holds(note, outlive.connection_aborted))])


async def grouped_child(note):
    async with asyncio.TaskGroup() as group:
        group.create_task(holds(note, outlive.connection_aborted))


async def timed_child(note):
    await asyncio.wait_for(holds(note, outlive.connection_aborted), 60)


async def late_child(note):
    """Begun by clean-up, which does not wait for it."""
    try:
        (HERE / ("waits-" + note)).touch()
        await asyncio.sleep(60)
    finally:
        app.state.late = asyncio.ensure_future(holds(note, lambda: True))
        await asyncio.sleep(0)


async def swallows(note):
    (HERE / ("waits-" + note)).touch()
    for _ in range(2):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            note_down("swallowed", note)


WAYS = {
    "plain": long, "asyncio": in_asyncio_group, "anyio": in_anyio_group, "gather": gathered, "task": left_alone, "thread": in_thread, "timed": in_thread_for_a_time,
    "group": group_that_holds, "view": view_that_holds, "child": child_that_holds, "grouped-child": grouped_child, "timed-child": timed_child, "late-child": late_child, "swallow": swallows,
}


@app.get("/{decision}/way/{way}")
async def way(decision: str, way: str):
    note = "%s-way-%s" % (decision, way)
    outlive.register_shutdown_function(note_down, "told", note)
    await WAYS[way](note)


@quarts.get("/stop/quart/<way>")
async def quart_way(way):
    note = "stop-quart-" + way
    outlive.register_shutdown_function(note_down, "told", note)
    await WAYS[way](note)
    return "went to its end"


@quarts.teardown_request
async def torn_down(why):
    if isinstance(why, Exception):
        note_down(repr(why), "tracker")


@app.get("/stop/functions/{number}")
async def functions(number: int):
    """A coroutine function as a shutdown function, which needs the loop's threads itself."""

    async def function():
        await asyncio.to_thread(time.sleep, 0.05)
        note_down("told", "functions")

    outlive.register_shutdown_function(function)


@app.put("/finish/half")
async def half(request: fastapi.Request):
    """Takes in a form of which only half comes."""
    outlive.register_shutdown_function(lambda: note_down("told %s" % outlive.ending(), "half"))
    async for part in request.stream():
        note_down("got %d" % len(part), "half")


@app.get("/stop/background/{number}")
async def background(number: int, tasks: fastapi.BackgroundTasks):
    """Work behind a response that the client has got, whole; it goes then."""
    note = "background"

    async def work():
        await asyncio.sleep(5)  # gunicorn cancels after three seconds
        note_down("worked", note)

    outlive.register_shutdown_function(lambda: note_down("told %s" % outlive.ending(), note))
    tasks.add_task(work)
    return "saved"


class Quiet:
    """As an error tracker: sees every exception that passes. What asks for it is served without the middlewares, or by Quart."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        try:
            await self.chosen(scope)(scope, receive, send)
        except Exception as why:
            note_down(repr(why), "tracker")
            raise

    def chosen(self, scope):
        if scope.get("path", "").startswith("/stop/quart/"):
            return quarts
        return bare if scope.get("query_string") == b"bare" else self.app


asgi_application = OutliveMiddleware(Quiet(app), httpd_conf=store.HTTPD_CONF, cleanup=2)
