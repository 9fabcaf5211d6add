"""Scripts that note how far they came, and how they ended."""

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


# ?name=NAME works until run/NAME.released is there, two minutes at most, and notes `begun`, then `done` or `lost`; `silent` as above.
HELD_PHP = """<?php
$note = fn($what) => touch("@ROOT@/run/{$_GET['name']}.$what");
register_shutdown_function(function () use ($note, &$done) { $note($done ? 'done' : 'lost'); });
$note('begun');
$until = time() + 120;
for ($step = 0; time() < $until && !file_exists("@ROOT@/run/{$_GET['name']}.released"); $step++) {
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
note = lambda what: open("@ROOT@/run/" + query["name"][0] + "." + what, "w").close()
def ended(*_):
    note("lost")
    os._exit(1)
signal.signal(signal.SIGTERM, ended)
note("begun")
try:
    print("Content-Type: text/plain\\n", flush="silent" not in query)
    step, until = 0, time.monotonic() + 120
    while time.monotonic() < until and not os.path.exists("@ROOT@/run/" + query["name"][0] + ".released"):
        if "silent" not in query:
            print("step %d" % step + " " * 20000, flush=True)
        step += 1
        time.sleep(0.05)
    if "silent" in query:
        note("done")
    print("the end", flush=True)
    note("done")
except BrokenPipeError:
    ended()
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
