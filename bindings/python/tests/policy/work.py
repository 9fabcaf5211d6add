"""What the views do: a note is written once somebody has released it; a stream says a word every moment until then."""

import asyncio
import os
import pathlib
import time

import outlive

HERE = pathlib.Path(os.environ.get("NOTES", "."))
POLICY = {"disconnect": "auto", "max_detached": 50}
LIMIT = outlive.policy(time_limit=1)
KEPT = outlive.policy(disconnect="finish")


def mark(note, word):
    with open(HERE / note, "a") as file:
        file.write(word + "\n")


def began(note):
    outlive.register_shutdown_function(lambda: mark(note, "ended: %s" % outlive.ending()))
    mark(note, "began")


def is_released(note):
    return (HERE / (note + ".released")).exists()


def work(note):
    began(note)
    while not is_released(note):
        outlive.check()
        time.sleep(0.02)
    mark(note, "written")
    return "saved"


async def awork(note):
    began(note)
    while not is_released(note):
        await asyncio.sleep(0.02)
    mark(note, "written")
    return "saved"


def words(note):
    began(note)
    while not is_released(note):
        time.sleep(0.02)
        yield b"data: word\n\n"
    mark(note, "written")


async def awords(note):
    began(note)
    while not is_released(note):
        await asyncio.sleep(0.02)
        yield b"data: word\n\n"
    mark(note, "written")
