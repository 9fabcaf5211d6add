"""ASGI and asyncpg. What the dead have left is taken up by whoever lives."""

import asyncio
import contextlib

import asyncpg
import outlive
from outlive.asgi import OutliveMiddleware
from statements import KEYED, LEFT, URL, journal


async def connect():
    return await asyncpg.connect(URL, timeout=5)


JOURNAL = journal(connect)


async def save(key, note):
    """Keyed: each table by itself, and twice is once. Else all of it, and done, in one transaction, which the other of two does not commit."""
    db = await connect()
    try:
        async with contextlib.AsyncExitStack() as stack:
            if not KEYED:
                await stack.enter_async_context(db.transaction())
                if await db.execute("UPDATE submission SET state = 'done' WHERE key = $1 AND state = 'accepted'", key) != "UPDATE 1":
                    return
            for table in "abcd":
                await db.execute("INSERT INTO %s VALUES ($1, $2)%s" % (table, " ON CONFLICT DO NOTHING" if KEYED else ""), key, note)
    finally:
        with contextlib.suppress(Exception):
            await asyncio.shield(db.close(timeout=5))


async def resume():
    while True:
        try:
            db = await connect()
            while True:
                await JOURNAL.renew()
                left = await db.fetchrow(LEFT.format("$1"), JOURNAL.process)
                if left is None:
                    await asyncio.sleep(0.2)
                    continue
                async with outlive.resumed(left["key"], journal=JOURNAL, path="/save"):
                    await save(left["key"], left["note"].decode())
        except Exception as why:
            print("resuming: %r" % why, flush=True)
            await asyncio.sleep(0.2)


async def answer(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        task = asyncio.create_task(resume())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        task.cancel()
        return await send({"type": "lifespan.shutdown.complete"})
    note = (await receive())["body"].decode()
    await save(outlive.current().key.decode(), note)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"saved"})


application = OutliveMiddleware(answer, journal=JOURNAL, disconnect="stop", time_limit=20, drain=5)
