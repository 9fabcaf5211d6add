"""Clients that stay, and clients that hang up in each way, against the servers named as arguments.

Each server writes tables A, B, C and D; this program holds the lock on C. What was written, and the ending that the shutdown
function was told, must be what the php.ini says.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

FINISH = "ignore_user_abort = On\noutlive.detect = watch\n"
STOP = "ignore_user_abort = Off\noutlive.detect = watch\n"
PATIENCE = 60  # seconds; far more than any step takes


class Story:
    """One server with one php.ini, and the lock on table C."""

    def __init__(self, program, ini):
        self.directory = tempfile.TemporaryDirectory()
        path = os.path.join(self.directory.name, "php.ini")
        with open(path, "w") as file:
            file.write(ini)
        self.lock = open(os.path.join(self.directory.name, "C.lock"), "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.server = subprocess.Popen([program, self.directory.name, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.server.stdout.readline())

    def post(self):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        client.sendall(b"POST /save HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\na=b&c")
        return client

    def written(self):
        try:
            with open(os.path.join(self.directory.name, "tables")) as file:
                return file.read().split()
        except FileNotFoundError:
            return []

    def until(self, expected):
        end = time.monotonic() + PATIENCE
        while self.written() != expected:
            assert time.monotonic() < end, f"{self.written()}, not {expected}"
            assert self.server.poll() is None, f"the server has ended: {self.server.returncode}"
            time.sleep(0.005)

    def unlock(self):
        fcntl.flock(self.lock, fcntl.LOCK_UN)

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        """The server ends by itself, with status 0, when its standard input does."""
        self.server.stdin.close()
        try:
            status = 0 if failed else self.server.wait(PATIENCE)
        finally:
            self.server.kill()
            self.server.wait()
            self.lock.close()
            self.directory.cleanup()
        assert status == 0, f"the server ended with {status}"


def hang_up(client, how):
    if how == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def tell(story, policy, how):
    client = story.post()
    story.until(["A", "B"])
    if how == "stays":
        story.unlock()
        story.until(["A", "B", "C", "D", "completed"])
        answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert b" 200 " in answer.split(b"\r\n")[0] and b"saved" in answer, answer
        client.close()
    elif policy == "finish":
        hang_up(client, how)
        time.sleep(0.1)  # not a wait for anything: a server that stops wrongly may do so now
        story.unlock()
        story.until(["A", "B", "C", "D", "completed"])
    else:
        hang_up(client, how)
        story.until(["A", "B", "aborted"])  # C is still locked
        story.unlock()


def main():
    stories = 0
    for program in sys.argv[1:]:
        name = os.path.basename(program)
        for ini, policy in ((FINISH, "finish"), (STOP, "stop")):
            for how in ("stays", "close", "reset"):
                with Story(program, ini) as story:
                    tell(story, policy, how)
                stories += 1
                print(f"{name:<12} {policy:<7} client {how}")
    print(f"{stories} stories on {len(sys.argv) - 1} servers")


main()
