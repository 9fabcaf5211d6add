"""CGI scripts that note how far they came, and how they ended."""

from lib import wait_for

# Writes a line a step, then that it is done; `silent` in the query: nothing before that.
SCRIPT = """#!/usr/bin/python3
import os, sys, time, signal
name = os.environ["PATH_INFO"].strip("/")
query = os.environ["QUERY_STRING"]
def note(text):
    open("@ROOT@/run/" + name + "." + text, "w").close()
def ended(*_):
    note("terminated")
    os._exit(1)
signal.signal(signal.SIGTERM, ended)
note("begun")
try:
    if "silent" not in query:
        print("Content-Type: text/plain\\n", flush=True)
    for step in range(20):
        if "silent" not in query:
            print("step %d" % step + " " * 20000, flush=True)
        time.sleep(0.05 if "long" not in query else 2)
    if "silent" in query:
        note("done")
        print("Content-Type: text/plain\\n", flush=True)
    print("the end", flush=True)
    note("done")
except BrokenPipeError:
    note("broken")
    os._exit(1)
"""


# Ignores SIGTERM.
DEAF = """#!/bin/sh
trap '' TERM
echo $$ > @ROOT@/run$PATH_INFO.pid
while :; do sleep 1; done
"""
SHELL = """#!/bin/sh
name=@ROOT@/run$PATH_INFO
setsid sh -c 'touch '$name.away'; while ! [ -e '$name.gone' ]; do sleep 0.1; done; touch '$name.apart </dev/null >/dev/null 2>&1 &
while ! [ -e $name.away ]; do sleep 0.05; done
sh -c 'touch '$name.begun'; sleep 3600'
"""


def begun(server, name):
    wait_for(f"{name} has begun", (server.root / "run" / f"{name}.begun").exists)


def left(server, name, *ends):
    """How a script ended."""
    return wait_for(f"{name} is over: {ends}",
                    lambda: next((end for end in ends if (server.root / "run" / f"{name}.{end}").exists()), None))
