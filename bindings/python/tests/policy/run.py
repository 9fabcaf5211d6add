"""Policy written in Python, on real servers and frameworks: what a view says is what happens once its client has gone."""

import concurrent.futures
import contextlib
import pathlib
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "story"))
from servers import GUNICORN, UVICORN, Process, wait_for  # noqa: E402

SERVERS = {
    "gunicorn": [*GUNICORN, "--worker-class", "gthread", "--threads", "12", "{app}:application"],
    "uvicorn": [*UVICORN, "{app}:asgi_application"],
    "python": [sys.executable, "{app}.py", "{port}"],
}
ALL = ("finish", "stop", "limit", "auto", "events", "parts", "kept", "classy")
CASES = [
    ("gunicorn", "flask_app", "", (*ALL, "below")),
    ("gunicorn", "django_app", "sync", (*ALL, "below")),
    ("uvicorn", "django_app", "async", ALL),
    ("uvicorn", "fastapi_app", "", (*ALL, "below", "held", "blocking")),
    ("uvicorn", "starlette_app", "", ALL),
    ("uvicorn", "litestar_app", "", ALL),
    ("uvicorn", "quart_app", "", (*ALL, "below")),
    ("uvicorn", "sanic_app", "", ("finish", "stop", "limit", "auto", "events", "below")),
    ("python", "aiohttp_app", "on", ("finish", "stop", "limit", "auto", "events")),
    ("python", "aiohttp_app", "off", ("finish", "stop", "limit", "auto", "events")),
    ("python", "tornado_app", "", ("finish", "stop", "limit", "auto")),
]


class Running(Process):
    """A server with one of the applications, and the notes that its views write."""

    def __init__(self, server, app, view):
        super().__init__("outlive-policy-")
        command = [str(part).format(port=self.port, app=app, patience=30) for part in SERVERS[server]]
        self.start("%s with %s" % (server, app), command, {"NOTES": str(self.directory), "STORY_VIEW": view}, HERE)

    def ask(self, path, method="POST"):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        body = b"note=milk" if method == "POST" else b""
        client.sendall(b"%s /%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (method.encode(), path.encode(), len(body)) + body)
        return client

    def note(self, name):
        path = self.directory / name
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def release(self, name):
        (self.directory / (name + ".released")).touch()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        super().close()


def read_until(client, wanted):
    answer = b""
    while wanted not in answer:
        part = client.recv(65536)
        assert part, "the answer was %r" % answer
        answer += part
    return answer


def left(running, path, method="POST", note=None):
    """Its client has gone while it worked."""
    note = note or path
    with running.ask(path, method):
        wait_for("%s has begun" % note, lambda: running.note(note))


def ended(running, note):
    return wait_for("%s has ended" % note, lambda: len(running.note(note)) > 1 and running.note(note)[-1].startswith("ended") and running.note(note))


def goes_on(running, note):
    time.sleep(1)
    assert running.note(note) == ["began"], (note, running.note(note))
    running.release(note)
    found = ended(running, note)
    assert found[:2] == ["began", "written"], (note, found)
    return found


def tell(case):
    server, app, view, paths = case
    with contextlib.closing(Running(server, app, view)) as running:
        try:
            for path in paths:
                SCENES.get(path, scene_stop)(running, path)
        except BaseException:
            print("%s with %s %s said:\n%s" % (server, app, view, running.said()), file=sys.stderr)
            raise
        return "%s with %s %s: %s" % (server, app, view, ", ".join(paths))


def scene_finish(running, path):
    left(running, path)
    assert goes_on(running, path) == ["began", "written", "ended: completed"], running.note(path)


def scene_stop(running, path):
    left(running, path)
    assert ended(running, path) == ["began", "ended: aborted"], running.note(path)


def scene_limit(running, path):
    with running.ask(path) as client:
        answer = read_until(client, b"time limit")
        assert b" 500 " in answer.split(b"\r\n")[0], answer
    assert ended(running, path) == ["began", "ended: time limit"], running.note(path)


def scene_auto(running, path):
    left(running, path, note="auto-POST")
    goes_on(running, "auto-POST")
    left(running, path, "GET", note="auto-GET")
    assert ended(running, "auto-GET") == ["began", "ended: aborted"], running.note("auto-GET")


def scene_stream(running, path):
    """A stream stops though its method is one that finishes."""
    with running.ask(path) as client:
        read_until(client, b"data: word")
    wait_for("%s has ended" % path, lambda: running.note(path)[-1:] == ["ended: aborted"])
    assert "written" not in running.note(path), running.note(path)


def scene_kept(running, path):
    """A stream goes on because its view says so."""
    with running.ask(path) as client:
        read_until(client, b"data: word")
    goes_on(running, path)


def scene_held(running, path):
    left(running, path)
    time.sleep(0.5)
    running.release(path)
    assert ended(running, path) == ["began", "written", "in one piece", "ended: aborted"], running.note(path)


SCENES = {
    "finish": scene_finish, "limit": scene_limit, "auto": scene_auto, "events": scene_stream, "parts": scene_stream, "kept": scene_kept,
    "held": scene_held,
}


def main():
    chosen = [case for case in CASES if all(word in str(case) for word in sys.argv[1:])]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for told in pool.map(tell, chosen):
            print(told, flush=True)


if __name__ == "__main__":
    main()
