"""Graceful restarts under load, and children that are killed; LONG=1: a hundred restarts with each MPM. Nothing is lost but what a killed child had begun.
The parent, which loads the module anew each time, does not grow."""

import http.client
import os
import pathlib
import re
import signal
import threading

import pytest
from lib import LONG, REPORTS, Httpd, wait_for

MPMS, TIMES = (["prefork", "worker", "event"], 100) if LONG else (["event"], 5)

CONF = """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/ enablereuse=off
php_value ignore_user_abort on
php_value outlive.detect watch
""" + REPORTS


class Load(threading.Thread):
    """Asks again and again. An answer that is not whole is a failure; a connection that is refused or closed before it is not."""

    def __init__(self, port, path):
        super().__init__(daemon=True)
        self.port, self.path, self.running, self.answers, self.wrong = port, path, True, 0, []

    def run(self):
        while self.running:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                connection.request("GET", self.path)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200 or not body.endswith(b"the end\n"):
                    self.wrong.append((answer.status, body[-100:]))
                self.answers += 1
            except (ConnectionError, http.client.RemoteDisconnected) as error:
                if not isinstance(error, (http.client.RemoteDisconnected, ConnectionResetError)):
                    self.wrong.append(error)
            except http.client.HTTPException as error:
                self.wrong.append(error)
            finally:
                connection.close()


@pytest.mark.parametrize("mpm", MPMS)
def test_parent(mpm):
    """Without load: what is left of each time is some 85 kB where the library is unloaded with the module."""
    with Httpd("php_value outlive.disconnect auto\n", mpm=mpm) as server:
        sizes = []
        for _ in range(15):
            assert server.ask("/none")[0] == 404  # told before it serves, httpd would not notice
            server.restart()
            sizes.append(int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{server.process.pid}/status").read_text())[1]))
        assert sizes[-1] - sizes[2] < 400, f"kB of httpd's parent after each restart: {sizes}"


@pytest.mark.parametrize("mpm", MPMS)
def test_restarts(mpm, back):
    """Nothing is lost but what a killed child had begun."""
    with Httpd(CONF.replace("@BACKEND@", str(back.port)), mpm=mpm) as server:
        server.file("www/f.txt", "x" * 5000 + "the end\n")
        loads = [Load(server.port, path) for path in ("/f.txt", "/f.txt", "/work/w?steps=2&pause=0.01")]
        for load in loads:
            load.start()
        detached = server.client("/work/long?held&silent")
        wait_for("the long one has begun", lambda: "long" in back.begun)
        detached.go()
        for _ in range(TIMES):
            before = [load.answers for load in loads]
            server.restart()
            wait_for("it answers", lambda: all(load.answers > old for load, old in zip(loads, before)), 60)
        back.released.add("long")
        wait_for("the long one is over", lambda: "long" in back.ends)
        assert back.ends["long"] == "done", back.ends  # though its child was to end, and its client has gone
        for load in loads:
            load.running = False
        for load in loads:
            load.join(60)
        wrong = [one for load in loads for one in load.wrong]
        assert not wrong, wrong[:5]
        assert "exit signal" not in server.said(), server.said()
        # A child that is killed is not missed, and what it had begun is listed.
        client = server.client("/work/killed?held&silent")
        row = wait_for("it is in the table", lambda: next((row for row in server.live()["requests"]
                                                           if row["label"] == "/work/killed"), None))
        os.kill(row["process"], signal.SIGKILL)
        wait_for("it is listed as unfinished", lambda: any(row["unfinished"] and row["label"] == "/work/killed" for row in
                                                           answer(server)["requests"]))
        client.go()
        server.may_crash = True
        left = len([row for row in answer(server)["requests"] if row["unfinished"]])
        assert left == 1 or mpm != "prefork", left


def answer(server):
    """Asked until a child answers: another one takes over from the killed one."""
    def once():
        try:
            return server.live()
        except (OSError, http.client.HTTPException):
            return None
    return wait_for("httpd answers", once)
