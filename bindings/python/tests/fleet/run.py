"""Numbers over all workers, on real servers: 382 requests through two workers are 382, whoever is asked, and killing one lowers nothing; the status page,
mounted.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "story"))
from servers import GUNICORN, UVICORN, Process, wait_for  # noqa: E402

COMMANDS = {
    "uvicorn --workers 2": [*UVICORN, "--workers", "2", "app:asgi_application"],
    "gunicorn --workers 2": [*GUNICORN, "--workers", "2", "app:application"],
}
REQUESTS = 382


answered = 0  # of one server


def ask(port, path, method="GET"):
    global answered
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as client:
        client.request(method, path, headers={"Connection": "close"})
        answer = client.getresponse()
        body = answer.read().decode()
        answered += 1
        return answer.status, answer.getheader("Content-Type"), body


def counted(port):
    """Requests that have ended, by ending, as the numbers say; those that asked for the numbers among them."""
    found = re.findall(r'^outlive_requests_ended_total\{ending="([^"]+)"\} (\d+)$', ask(port, "/numbers")[2], flags=re.M)
    return {ending: int(number) for ending, number in found if number != "0"}


class Fleet(Process):
    def serves(self):
        assert self.process.poll() is None, "it did not start:\n" + self.said()
        with contextlib.suppress(OSError):
            return ask(self.port, "/status/")[0] == 200


def play(server):
    global answered
    answered, running = 0, Fleet("outlive-fleet-")
    command = [str(part).format(port=running.port, patience=5) for part in COMMANDS[server]]
    python_path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    running.start(server, command, {"BOARD": str(running.directory / "board"), "PYTHONPATH": python_path}, HERE)
    port = running.port
    with contextlib.closing(running):
        workers = {ask(port, "/view", "POST")[2] for _ in range(REQUESTS)}

        def both():
            workers.add(ask(port, "/view", "POST")[2])
            return len(workers) == 2

        wait_for("both workers have answered", both)  # one may have begun to serve later
        seen = []

        def agree():
            seen.append((answered, counted(port)))
            return sum(seen[-1][1].values()) == seen[-1][0]

        with contextlib.suppress(AssertionError):
            wait_for("they agree", agree)
        others, before = seen[-1][0] - REQUESTS, sum(seen[-1][1].values())
        assert seen[-1][1] == {"completed": REQUESTS + others}, seen[-3:]
        os.kill(int(min(workers)), signal.SIGKILL)

        def replaced():
            with contextlib.suppress(OSError, http.client.HTTPException):
                return any(ask(port, "/view", "POST")[2] not in workers for _ in range(5))

        wait_for("the worker is replaced", replaced)
        for _ in range(10):
            after = sum(counted(port).values())
            assert after >= before, (before, after)
        for path, kind, wanted in (
            ("/status/", "text/html", "the shop"), ("/status/?json", "application/json", None), ("/status/metrics", "text/plain", "outlive_build_info"),
        ):
            status, said, body = ask(port, path)
            assert status == 200 and said.startswith(kind), (path, status, said)
            assert wanted is None and json.loads(body) or wanted in body, (path, body[:300])
        assert ask(port, "/status/", "POST")[0] == 405
        print("%s: %d requests and %d before them are %d; no less once a worker was killed" % (server, REQUESTS, others, before), flush=True)
        running.stop()


def main():
    for server in COMMANDS:
        play(server)


if __name__ == "__main__":
    main()
