"""The founding story on real servers: C is locked, a form is submitted, its sender goes, C becomes free. What is written?

Each server gets the form three times: without the middleware, with it where the configuration says finish, and where it says
stop. The table is compared with the one in README.md; BLESS=1 writes it there.
"""

import concurrent.futures
import os
import sys
import time

import readme_table
from servers import SERVERS, Server, installed, wait_for

WSGI = ("gunicorn sync", "gunicorn gthread", "gunicorn --preload", "uWSGI")
ASGI = ("uvicorn", "hypercorn", "gunicorn asgi")
CASES = [
    *((server, "Flask", "flask_app", "sync") for server in WSGI),
    *((server, "Django", "django_app", "sync") for server in WSGI),
    ("gunicorn gevent", "Flask", "flask_app", "sync"),
    ("waitress", "Flask", "flask_app", "sync"),
    ("cheroot", "Flask", "flask_app", "sync"),
    ("mod_wsgi", "none", "plain_app", "sync"),
    *((server, "FastAPI", "fastapi_app", "async") for server in ASGI),
    ("uvicorn, uvloop", "FastAPI", "fastapi_app", "async"),
    *((server, "Django, async view", "django_app", "async") for server in ASGI),
    ("uvicorn, uvloop", "Django, async view", "django_app", "async"),
    *((server, "Django, sync view", "django_app", "sync") for server in ASGI),
]
# Those that give nobody the socket, and take in a whole response for a client that has gone.
BLIND = ("mod_wsgi",)
# Longer than the three seconds after which gunicorn's ASGI worker cancels.
GRACE = 6
NOTES = ("plain-1", "finish-1", "stop-1")


def tell(server, framework, app, view):
    running = Server(server, app, view)
    try:
        running.lock_c()
        clients = [running.submit("/" + note.replace("-", "/")) for note in NOTES]
        wait_for("all wait for C", lambda: all(map(running.waits, NOTES)))
        time.sleep(0.2)
        for client in clients:
            client.close()
        time.sleep(GRACE)
        early = [running.endings(note) for note in NOTES]
        assert early == [[], [], []], "%s, %s: ended while C was locked, inside a hold: %s" % (server, framework, early)
        running.unlock_c()
        for note in NOTES[1:]:
            wait_for("%s has ended" % note, lambda note=note: running.endings(note))
        wait_for("C is written, in threads that nobody waits for, too", lambda: all("C" in running.written(note) for note in NOTES))
        time.sleep(0.5)
        running.stop()
        assert "Stop(" not in running.said(), "a stop was reported"
        row = [running.written(NOTES[0])]
        for note in NOTES[1:]:
            ending, = running.endings(note)  # once
            row.append("%s, %s" % (running.written(note), ending))
        return row
    except BaseException:
        print("%s with %s said:\n%s" % (server, framework, running.said()), file=sys.stderr)
        raise
    finally:
        running.close()


def table(rows):
    lines = ["| server | application | without | with: finish | with: stop |", "| --- | --- | --- | --- | --- |"]
    lines += ["| %s | %s | %s |" % (server, framework, " | ".join(row)) for (server, framework, *_), row in zip(CASES, rows)]
    return "\n".join(lines) + "\n"


def main():
    missing = [name for name in SERVERS if not installed(name)]
    if missing:
        print("left out, because not installed: " + ", ".join(missing), file=sys.stderr)
        if os.environ.get("CI") == "true":
            sys.exit(1)
        CASES[:] = [case for case in CASES if case[0] not in missing]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        rows = list(pool.map(lambda case: tell(*case), CASES))
    made = table(rows)
    print(made)
    for (server, framework, *_), row in zip(CASES, rows):
        assert row[1:] == ["ABCD, completed", "ABCD, completed" if server in BLIND else "ABC, aborted"], "%s, %s: %s" % (server, framework, row)
    if missing:
        return  # the table would be another one
    readme_table.hold(made, "run.py", "end")


if __name__ == "__main__":
    main()
