"""What each server does at its end to a request that works on for a client that has gone, in a hold that waits for C: at SIGTERM, at its
own kind of reload, and when its patience is over because C stays locked.

The table is compared with the one in README.md; BLESS=1 writes it there.
"""

import concurrent.futures
import contextlib
import importlib.metadata
import re
import signal
import socket
import sys
import time

import readme_table
from failures import left_waiting
from servers import Server, installed, wait_for

NOTE = "finish-1"
FLASK, FASTAPI, PLAIN = ("flask_app", "sync"), ("fastapi_app", "async"), ("plain_app", "sync")
HUP, USR1, FILE = signal.SIGHUP, signal.SIGUSR1, "a file"
# The server, what says its version, the application, how it is told to reload, and the options that give it a patience of two
# seconds beside what its command says.
CASES = [
    ("uvicorn", "uvicorn", FASTAPI, None, ("--timeout-graceful-shutdown", "2")),
    ("uvicorn --workers", "uvicorn", FASTAPI, HUP, ("--timeout-graceful-shutdown", "2")),
    ("uvicorn --reload", "uvicorn", FASTAPI, FILE, ("--timeout-graceful-shutdown", "2")),
    ("gunicorn, uvicorn worker", "uvicorn-worker", FASTAPI, HUP, ()),
    ("gunicorn asgi", "gunicorn", FASTAPI, HUP, ()),
    ("hypercorn", "hypercorn", FASTAPI, None, ()),
    ("granian", "granian", FASTAPI, HUP, ("--workers-kill-timeout", "2")),
    ("daphne", "daphne", FASTAPI, None, None),
    ("gunicorn sync", "gunicorn", FLASK, HUP, ()),
    ("gunicorn gthread", "gunicorn", FLASK, HUP, ()),
    ("gunicorn gevent", "gunicorn", FLASK, HUP, ()),
    ("granian wsgi", "granian", FLASK, HUP, ("--workers-kill-timeout", "2")),
    ("uWSGI", "pyuwsgi", FLASK, FILE, ("--worker-reload-mercy", "2")),
    ("uWSGI, hook", "pyuwsgi", FLASK, FILE, ("--worker-reload-mercy", "2")),
    ("mod_wsgi", None, PLAIN, USR1, ()),
    ("waitress", "waitress", FLASK, None, None),
    ("cheroot", "cheroot", FLASK, None, None),
    ("Werkzeug", "Werkzeug", FLASK, None, None),
    ("gevent", "gevent", FLASK, None, None),
]


def outcome(running):
    """What is written, and what the shutdown function was told, at most once."""
    told = running.endings(NOTE)
    assert len(told) <= 1, told
    return "%s, %s" % (running.written(NOTE), told[0] if told else "nothing told")


def all_ended(running, seconds):
    until = time.monotonic() + seconds
    while running.group.lives() and time.monotonic() < until:
        time.sleep(0.05)
    return not running.group.lives()


def told_to_end(running):
    left_waiting(running, NOTE)
    time.sleep(1)  # the server has seen the client go
    running.process.send_signal(signal.SIGTERM)
    time.sleep(1.5)
    assert running.endings(NOTE) == [], "it ended inside a hold"
    running.unlock_c()
    ends = all_ended(running, 20)
    return outcome(running) + ("" if ends else "; goes on")


def reloads(running, how):
    left_waiting(running, NOTE)
    time.sleep(1)
    if how == FILE:
        (running.directory / "changed.py").write_text("")
    else:
        running.process.send_signal(how)
    time.sleep(1.5)
    running.unlock_c()
    with contextlib.suppress(AssertionError):
        wait_for("it has ended", lambda: running.endings(NOTE), 10)
    wait_for("the server serves again", running.serves)
    return outcome(running)


def patience(running):
    left_waiting(running, NOTE)
    time.sleep(1)
    running.process.send_signal(signal.SIGTERM)
    ends = all_ended(running, 20)
    found = outcome(running)
    if ends:
        return found
    running.unlock_c()
    wait_for("it ends", lambda: not running.group.lives())
    return "waits: " + outcome(running)


def version(running, name):
    if name is not None:
        return importlib.metadata.version(name)
    with socket.create_connection(("127.0.0.1", running.port), timeout=60) as asked:
        asked.sendall(b"OPTIONS / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return re.search(rb"mod_wsgi/([\d.]+)", asked.recv(65536))[1].decode()


def cells(case):
    server, package, (app, view), reload, options = case

    def played(scene, more=(), seconds=30):
        with contextlib.closing(Server(server, app, view, more, patience=seconds)) as running:
            running.rests()
            try:
                return scene(running)
            except BaseException:
                print("%s said:\n%s" % (server, running.said()), file=sys.stderr)
                raise

    # At SIGHUP pyuwsgi starts its whole self again, without the virtual environment that it is in: only its workers are made anew.
    anew = ("--lazy-apps", "--touch-workers-reload", "{directory}/changed.py") if package == "pyuwsgi" else ()
    workers = ("--workers", "4") if server.startswith("gunicorn") else ()
    return [
        server,
        *played(lambda running: (version(running, package), told_to_end(running)), workers),
        "–" if reload is None else played(lambda running: reloads(running, reload), anew + workers),
        "–" if options is None else played(patience, options + workers, 2),
    ]


def table(rows):
    lines = ["| server | version tried | SIGTERM | reload | its patience is over |", "| --- | --- | --- | --- | --- |"]
    return "\n".join(lines + ["| %s |" % " | ".join(row) for row in rows]) + "\n"


def main():
    chosen = [case for case in CASES if installed(case[0]) and all(word in str(case) for word in sys.argv[1:])]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        made = table(list(pool.map(cells, chosen)))
    print(made)
    if chosen != CASES:
        return  # the table would be another one
    readme_table.hold(made, "ends.py", "end of ends")


if __name__ == "__main__":
    main()
