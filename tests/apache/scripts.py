"""Scripts that note how far they came, and how they ended."""

from lib import wait_for

# Each works until run/NAME.released is there, two minutes at most, and notes `begun`, then `done` or `lost`. NAME is in the query, or the last part of the
# path behind the script's. It writes a line a step; with `silent` in the query, nothing before its end. The CGI script notes how it was lost,
# too: `terminated` or `broken`.
HELD_PHP = """<?php
$name = $_GET['name'] ?? basename($_SERVER['PATH_INFO']);
$note = fn($what) => touch("@ROOT@/run/$name.$what");
register_shutdown_function(function () use ($note, &$done) { $note($done ? 'done' : 'lost'); });
$note('begun');
$until = time() + 120;
for ($step = 0; time() < $until && !file_exists("@ROOT@/run/$name.released"); $step++) {
    if (!isset($_GET['silent'])) { echo "step $step\\n", str_repeat(' ', 20000); flush(); }
    usleep(50000);
}
$done = isset($_GET['silent']);
echo "the end\\n";
flush();
$done = true;
"""
HELD_CGI = """#!/usr/bin/python3
import os, signal, sys, time, urllib.parse
query = urllib.parse.parse_qs(os.environ["QUERY_STRING"], keep_blank_values=True)
name = query["name"][0] if "name" in query else os.environ["PATH_INFO"].rsplit("/", 1)[1]
note = lambda what: open("@ROOT@/run/" + name + "." + what, "w").close()
def ended(how):
    note(how)
    note("lost")
    os._exit(1)
signal.signal(signal.SIGTERM, lambda *_: ended("terminated"))
note("begun")
try:
    print("Content-Type: text/plain\\n", flush="silent" not in query)
    step, until = 0, time.monotonic() + 120
    while time.monotonic() < until and not os.path.exists("@ROOT@/run/" + name + ".released"):
        if "silent" not in query:
            print("step %d" % step + " " * 20000, flush=True)
        step += 1
        time.sleep(0.05)
    if "silent" in query:
        note("done")
    print("the end", flush=True)
    note("done")
except BrokenPipeError:
    ended("broken")
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


def release(server, name):
    (server.root / "run" / f"{name}.released").touch()


def left(server, name, *ends):
    """How a script ended."""
    return wait_for(f"{name} is over: {ends}",
                    lambda: next((end for end in ends if (server.root / "run" / f"{name}.{end}").exists()), None))
