"""Runs each program of examples/stop: every call blocks for a minute or for ever, and comes back because its request was told to stop."""

import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "bindings/python/tests/story"))
import postgres

STOPPED = "; stopped: time limit"
EXPECTED = {
    "sqlite": [
        "waiting for a lock, with a busy handler that checks: database is locked" + STOPPED,
        "running, with sqlite3_interrupt: interrupted" + STOPPED,
        # What does not work, as it was seen.
        "waiting for a lock, with sqlite3_busy_timeout and sqlite3_interrupt: database is locked, behind the whole time-out" + STOPPED,
    ],
    "libpq": [
        "waiting for a lock, with PQcancel: 57014" + STOPPED,
        "waiting for a lock, with statement_timeout: 57014; not stopped: none",
    ],
    "curl": [
        "waiting for an answer, with a progress function: Operation was aborted by an application callback" + STOPPED,
        "waiting for an answer, with curl_multi_wakeup: removed while it ran" + STOPPED,
    ],
    "child": ["a child that listens: Terminated" + STOPPED, "a child that does not: Killed" + STOPPED],
    "pool": ["a thread that waits on a condition: woken" + STOPPED],
}


def run(directory, program, *arguments):
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [os.path.join(directory, program), *arguments], cwd=place, stdout=subprocess.PIPE, text=True, timeout=50, env={**os.environ, "LC_ALL": "C"},
        )
    assert done.returncode == 0, (program, done.returncode)
    assert done.stdout.splitlines() == EXPECTED[program], (program, done.stdout)
    print(done.stdout, end="")


def main():
    directory = os.path.abspath(sys.argv[1])
    for program in ("sqlite", "curl", "child", "pool"):
        run(directory, program)
    with postgres.server() as server:
        run(directory, "libpq", f"host=127.0.0.1 port={server.port} user=postgres dbname=postgres")
    # The page shows every program, and names what is there.
    page = (TOP / "docs/stop-a-blocked-call.md").read_text()
    for program in EXPECTED:
        assert f"../examples/stop/{program}.c" in page, program


main()
