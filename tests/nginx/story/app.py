"""Saves a note in the tables A, B, C and D of PostgreSQL: an application as people write it, which knows nothing of outlive. /progress shows how far it is,
/quiet answers when it is done."""

import os
import urllib.parse

import anyio
import asyncpg
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.routing import Route


async def note_of(request):
    return urllib.parse.parse_qs((await request.body()).decode())["note"][0]


async def write(note):
    connection = await asyncpg.connect(os.environ["DATABASE"])
    try:
        for table in "abcd":
            await connection.execute(f"INSERT INTO {table} (note) VALUES ($1)", note)
            yield f"Table {table.upper()} is written.<br>\n"
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close()
        with open(os.environ["ENDS"], "a") as ends:
            ends.write(f"{note}\n")


async def progress(request):
    """Starlette cancels a response in parts when uvicorn says that the client has gone."""
    return StreamingResponse(write(await note_of(request)), media_type="text/html")


async def quiet(request):
    return HTMLResponse("".join([line async for line in write(await note_of(request))]))


app = Starlette(routes=[Route("/progress", progress, methods=["POST"]), Route("/quiet", quiet, methods=["POST"])])
