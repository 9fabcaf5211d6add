"""Workers come and go while requests work on without their clients: reload, worker_shutdown_timeout, kill -9, SIGTERM. LONG=1: a hundred reloads under
load, instead of five."""

import http.client
import itertools
import os
import signal
import threading
import time

import pytest
from server import LONG, Nginx, Stream, connect, ended, wait_for

HTTP = "outlive_scoreboard @ROOT@/run/scoreboard;"
CONF = """
location /finish/ { outlive_disconnect finish; outlive_max_detached 10000; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /status { outlive_status; }
"""


@pytest.fixture
def nginx(back):
    with Nginx(CONF.replace("@BACKEND@", str(back.port)), http=HTTP) as one:
        yield one


def detached(nginx, back, name):
    client = nginx.client(f"/finish/{name}?held&silent", "POST", b"x=1")
    wait_for(f"{name} has begun", lambda: name in back.begun)
    client.go()
    wait_for(f"{name} is detached", lambda: any(row["label"] == f"/finish/{name}" and row["state"] == "detached" for row in nginx.live()["requests"]))


def test_reload(nginx, back):
    """What works on stays in the old worker, which the page still shows, and which ends when it is done."""
    detached(nginx, back, "reloaded")
    old = nginx.workers()
    nginx.signal(signal.SIGHUP)
    wait_for("another worker is there", lambda: set(nginx.workers()) - set(old))
    seen = nginx.live()
    assert [row["process"] for row in seen["requests"]] == old and seen["detached"] == 1, seen
    back.released.add("reloaded")
    assert ended(back, "reloaded") == "done"
    wait_for("the old worker is gone", lambda: not set(nginx.workers()) & set(old))
    assert nginx.log_line("/finish/reloaded").split()[2:4] == ["completed", "1"]
    assert nginx.live()["unfinished"] == 0


def test_killed(nginx, back):
    """kill -9: the next worker's page shows what never ended."""
    def seen():
        try:
            return [(row["label"], row["unfinished"]) for row in nginx.live()["requests"]]
        except (OSError, http.client.HTTPException):
            return None  # nobody answers yet
    nginx.may_crash = True  # a signal that we have sent
    detached(nginx, back, "killed")
    os.kill(nginx.workers()[0], signal.SIGKILL)
    assert ended(back, "killed") == "lost"
    wait_for("another worker shows it", lambda: seen() == [("/finish/killed", True)])


def test_told_to_end(nginx, back):
    """SIGTERM: what runs is said, and stays in the list as never ended."""
    detached(nginx, back, "told")
    nginx.signal(signal.SIGTERM)
    nginx.process.wait(60)
    assert ended(back, "told") == "lost"
    assert "outlive: the worker ends with 1 requests in flight, 1 of them without their clients" in nginx.said(), nginx.said()


def test_impatient(back):
    """worker_shutdown_timeout ends what works on."""
    with Nginx(CONF.replace("@BACKEND@", str(back.port)), http=HTTP, shutdown="500ms") as nginx:
        detached(nginx, back, "impatient")
        nginx.signal(signal.SIGHUP)
        assert ended(back, "impatient") == "lost"
        line = nginx.log_line("/finish/impatient").split()
        assert line[2:4] == ["shutdown", "1"], line
        assert "after the client had gone: worker_shutdown_timeout" in nginx.said(), nginx.said()
        wait_for("the list is empty", lambda: nginx.live()["requests"] == [])


def test_impatient_with_streams(back):
    """Streams of HTTP/2: their connection has ended before, or ends now."""
    with Nginx(CONF.replace("@BACKEND@", str(back.port)), http=HTTP, shutdown="500ms") as nginx:
        for name, gone in (("stream-gone", True), ("stream-there", False)):
            client = Stream(connect(nginx.h2c))
            client.post(f"/finish/{name}?held&silent", b"x=1")
            wait_for(f"{name} has begun", lambda name=name: name in back.begun)
            if gone:
                client.go()
        wait_for("one is detached", lambda: nginx.live()["detached"] == 1)
        nginx.signal(signal.SIGHUP)
        for name in ("stream-gone", "stream-there"):
            assert ended(back, name) == "lost", name
            assert nginx.log_line(f"/finish/{name}").split()[2] == "shutdown", nginx.logged(f"/finish/{name}")


def test_reloads(back, capsys):
    """Reloads while clients come and go: what was submitted is done, and the list ends empty."""
    with Nginx(CONF.replace("@BACKEND@", str(back.port)), http=HTTP, workers=2) as nginx:
        asked, over, numbers = [], threading.Event(), itertools.count()

        def load(number):
            while not over.is_set():
                name = f"r{next(numbers)}"
                try:
                    client = nginx.client(f"/finish/{name}?steps=4&pause=0.02", "POST", b"x=1")
                    client.read(b"step 0")
                except (OSError, AssertionError):
                    continue  # the listening socket of a worker that leaves: it was not accepted
                asked.append(name)
                client.go(reset=number % 2 == 0)
                time.sleep(0.01)
        threads = [threading.Thread(target=load, args=(number,), daemon=True) for number in range(4)]
        for thread in threads:
            thread.start()
        count = 100 if LONG else 5
        for _ in range(count):
            before = set(nginx.workers())
            nginx.signal(signal.SIGHUP)
            wait_for("other workers are there", lambda: set(nginx.workers()) - before)
        over.set()
        for thread in threads:
            thread.join()
        for name in asked:
            assert ended(back, name) == "done", (name, back.ends[name])
        wait_for("the old workers are gone", lambda: len(nginx.workers()) == 2)
        wait_for("the list is empty", lambda: nginx.live()["requests"] == [])
        with capsys.disabled():
            print(f"\n{count} reloads, {len(asked)} requests whose clients left, all of them done")
