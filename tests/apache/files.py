#!/usr/bin/env python3
"""Short files, which nobody has to look after: files.py MPM. They are counted and not listed; whatever may wait, or fails, or has lost its client is
looked after, though it began as a short file."""

import contextlib
import json
import re
import sys

from lib import Backend, Httpd, wait_for

CONF = """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
php_value outlive.disconnect stop
php_value outlive.detect watch
RewriteEngine On
RewriteMap wait "prg:@ROOT@/wait"
RewriteRule ^/(late)$ /${wait:$1}
<Directory @ROOT@/www/parts>
  SetOutputFilter INCLUDES
</Directory>
<Location /live>
  SetHandler outlive-status
</Location>
<Location /metrics>
  SetHandler outlive-metrics
</Location>
"""
# The map's program: it answers once its question was noticed.
WAIT = """#!/bin/sh
while read -r name; do
    : > @ROOT@/run/asked
    while [ -e @ROOT@/run/asked ]; do sleep 0.05; done
    echo "$name"
done
"""


def live(server):
    return {row["label"] for row in json.loads(server.ask("/live?json")[2])["requests"]}


def counters(server):
    text = server.ask("/metrics")[2].decode()
    return {key: int(value) for key, value in re.findall(r"(?m)^outlive_(\w+_total(?:\{[^}]*\})?) (\d+)$", text)}


def ended(server, before, ending):
    """Answers once more of them than before ended that way."""
    key = f'requests_ended_total{{ending="{ending}"}}'
    return wait_for(f"one more is {ending}", lambda: counters(server)[key] > before[key])


def short(server):
    before = counters(server)
    for path in ("/f.txt", "/f.html"):
        status, headers, body = server.ask(path)
        assert (status, body, headers["X-Mark"]) == (200, b"x" * 20000, "here"), (path, status, len(body))
    assert server.ask("/f.txt", "HEAD")[2] == b""
    etag = server.ask("/f.txt")[1]["ETag"]
    assert server.ask("/f.txt", headers={"If-None-Match": etag}.items())[0] == 304
    completed = 'requests_ended_total{ending="completed"}'
    wait_for("all five are counted", lambda: counters(server)[completed] >= before[completed] + 5)
    # Those, and a file that is not there, which begins as anything else does: each once.
    assert server.ask("/none")[0] == 404
    wait_for("one more is counted", lambda: counters(server)[completed] >= before[completed] + 6)
    assert counters(server)[completed] == before[completed] + 6, (before, counters(server))


def parts(server, back):
    """What a filter includes may wait."""
    client = server.client("/parts/index.html")
    wait_for("what it includes has begun", lambda: "part" in back.begun)
    assert "/parts/index.html" in live(server), live(server)
    before = counters(server)
    client.go()
    ended(server, before, "aborted")


def body(server):
    """A body that does not come is waited for."""
    client = server.client("/f.txt")
    client.read(b"x" * 20000)
    client.socket.sendall(b"GET /f.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
    wait_for("it is listed", lambda: "/f.txt" in live(server))
    client.socket.sendall(b"67890")
    client.read(b"x" * 20000)
    wait_for("it is not listed any more", lambda: "/f.txt" not in live(server))
    client.go()


def late(server):
    """The client goes before the file's handler runs."""
    before = counters(server)
    client = server.client("/late")
    wait_for("it is about to be rewritten", lambda: (server.root / "run/asked").exists())
    client.go()
    (server.root / "run/asked").unlink()
    ended(server, before, "aborted")
    assert counters(server)["clients_gone_total"] == before["clients_gone_total"] + 1
    assert "outlive: the client has gone; stopped, as outlive.disconnect says" in server.said()


def long(server):
    """To a client that does not read."""
    client = server.client("/long.bin")
    wait_for("it is listed", lambda: "/long.bin" in live(server))
    client.go()
    wait_for("it is not listed any more", lambda: "/long.bin" not in live(server))


def any_handler(mpm):
    """A handler that takes what it likes, whatever the handler's name."""
    conf = CONF.replace("RewriteMap", "#").replace("RewriteRule", "#") + "LuaMapHandler ^/f.txt$ @ROOT@/f.lua handle\n"
    with Httpd(conf.replace("ProxyPass", "#"), mpm=mpm, modules=["lua"]) as server:
        server.file("www/f.txt", "x")
        server.file("f.lua", 'function handle(r)\n  while io.open("@ROOT@/run/on") do r.usleep(20000) end\n  r:puts("lua")\n  return apache2.OK\nend\n')
        on = server.file("run/on", "")
        client = server.client("/f.txt")
        wait_for("it is listed", lambda: "/f.txt" in live(server))
        on.unlink()
        client.read(b"lua")
        client.go()


def main():
    mpm = sys.argv[1]
    back = Backend()
    server = Httpd(CONF.replace("@BACKEND@", str(back.port)) + "Header set X-Mark here\n", mpm=mpm)
    server.file("wait", WAIT, 0o755)  # started with httpd
    with contextlib.closing(back), server:
        for name in ("f.txt", "f.html", "late"):
            server.file(f"www/{name}", "x" * 20000)
        server.file("www/long.bin", "x" * 50_000_000)
        server.file("www/parts/index.html", '<!--#include virtual="/work/part?steps=1&pause=30&silent" -->\n')
        short(server)
        parts(server, back)
        body(server)
        late(server)
        if mpm == "prefork":  # elsewhere httpd itself sends it, after the handler
            long(server)
    any_handler(mpm)
    print(f"{mpm}: short files are counted; what may wait, fails or has lost its client is looked after")


if __name__ == "__main__":
    main()
