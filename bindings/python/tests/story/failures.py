"""What else ends a request on real servers: the server itself and its time-outs, a time limit. Nothing is torn apart, and each shutdown
function runs once. What every server does at its end is in ends.py."""

import concurrent.futures
import contextlib
import signal
import sys
import time

from servers import Server, installed, wait_for


def left_waiting(running, note="finish-1"):
    """A form whose sender has gone, and that waits for C."""
    running.lock_c()
    client = running.submit("/" + note.replace("-", "/"))
    wait_for("it waits for C", lambda: running.waits(note))
    client.close()


def told_to_end(server, app, view):
    """SIGTERM while a request works on for a client that has gone: it is finished first."""
    with contextlib.closing(Server(server, app, view)) as running:
        left_waiting(running)
        time.sleep(1)  # the server has seen the client go
        running.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert running.endings("finish-1") == [], "it ended inside a hold"
        running.unlock_c()
        running.wait()
        return running.written("finish-1"), running.endings("finish-1"), running.said()


def worker_times_out(server, app, view):
    """gunicorn ends a worker that has been silent for too long; the shutdown functions still run."""
    with contextlib.closing(Server(server, app, view, ("--timeout", "2"))) as running:
        client = running.submit("/sleep/1")
        wait_for("it has ended", lambda: running.endings("sleep-1"))
        wait_for("another worker serves", running.serves)
        client.close()
        running.stop()
        return running.written("sleep-1"), running.endings("sleep-1"), ""


def time_limit(server, app, view):
    """The limit comes while C is waited for inside a hold: C is written, D is not, and the client is told."""
    with contextlib.closing(Server(server, app, view)) as running:
        running.lock_c()
        client = running.submit("/limit/1")
        wait_for("it waits for C", lambda: running.waits("limit-1"))
        time.sleep(2)
        assert running.endings("limit-1") == [], "it ended inside a hold"
        running.unlock_c()
        answer = b""
        while b"time limit" not in answer:
            part = client.recv(65536)
            assert part, "the answer was %r" % answer
            answer += part
        assert b" 500 " in answer.split(b"\r\n")[0], answer
        client.close()
        wait_for("it has ended", lambda: running.endings("limit-1"))
        running.stop()
        return running.written("limit-1"), running.endings("limit-1"), running.said()


def refused(server, app, view):
    """An event loop that is not asyncio's: the server does not start, and says why."""
    try:
        Server(server, app, view, ("--worker-class", "trio")).close()
    except AssertionError as why:
        said = str(why)
        return "did not start" in said, "needs asyncio's event loop" in said, said
    raise AssertionError("it serves")


DONE = ("ABCD", ["completed"])
CASES = [
    (told_to_end, "gunicorn asgi", "django_app", "async", DONE),
    (told_to_end, "uvicorn", "django_app", "async", DONE),
    (worker_times_out, "gunicorn sync", "flask_app", "sync", ("", ["shutdown"])),
    (refused, "hypercorn", "fastapi_app", "async", (True, True)),
    (time_limit, "uvicorn", "fastapi_app", "async", ("ABC", ["time limit"])),
    (time_limit, "gunicorn sync", "flask_app", "sync", ("ABC", ["time limit"])),
]


def tell(case):
    scene, server, app, view, expected = case
    *found, said = scene(server, app, view)
    assert tuple(found) == expected, "%s, %s with %s: %s, not %s\n%s" % (scene.__name__, server, app, found, expected, said)
    return "%s: %s with %s: ok" % (scene.__name__, server, app)


def main():
    # What is not installed has been told of by run.py.
    chosen = [case for case in CASES if installed(case[1]) and all(word in str(case) for word in sys.argv[1:])]
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        for told in pool.map(tell, chosen):
            print(told, flush=True)


if __name__ == "__main__":
    main()
