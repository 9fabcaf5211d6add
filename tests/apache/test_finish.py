"""Any content handler goes on, or ends, as the settings say, when the client has gone: with each MPM."""

import os
import re
import socket

import pytest
from lib import REPORTS, Httpd, backend, cgi_module, rest, wait_for
from scripts import DEAF, HELD_CGI, SHELL, begun, left, release

CONF = REPORTS + """
ProxyPass /finish/ http://127.0.0.1:@BACKEND@/
ProxyPass /stop/ http://127.0.0.1:@BACKEND@/
ProxyPass /plain/ http://127.0.0.1:@BACKEND@/
ProxyPass /limit/ http://127.0.0.1:@BACKEND@/
<LocationMatch "^/(finish|cgi-finish|ssi-finish)">
  php_flag ignore_user_abort on
</LocationMatch>
<LocationMatch "^/(stop|cgi-stop)/">
  php_value outlive.disconnect stop
  php_value outlive.detect watch
</LocationMatch>
<LocationMatch "/(limit|cgi-limit)/">
  php_value max_execution_time 1
  php_value outlive.clock wall
</LocationMatch>
ScriptAlias /cgi-finish/ @ROOT@/cgi/
ScriptAlias /cgi-stop/ @ROOT@/cgi/
ScriptAlias /cgi-limit/ @ROOT@/cgi/
ScriptAlias /cgi-plain/ @ROOT@/cgi/
AddOutputFilter INCLUDES .shtml
"""

def test_mod_proxy_http(server, back):
    """mod_proxy_http."""
    client = server.client("/finish/f1?held")
    client.read(b"step 1")
    client.go()
    server.noticed("/finish/f1")
    back.released.add("f1")
    wait_for("f1 is over", lambda: "f1" in back.ends)
    assert back.ends["f1"] == "done", back.ends
    wait_for("the log says that it worked on", lambda: "the client has gone; worked on to the end, as ignore_user_abort says"
             in server.said())

    # httpd alone notices at its next output or so.
    client = server.client("/plain/p1?held")
    client.read(b"step 1")
    client.go()
    wait_for("p1 is over", lambda: "p1" in back.ends)
    assert back.ends["p1"].startswith("lost"), back.ends

    # Nothing is written while the client goes, and for an hour: the watched socket wakes the handler.
    client = server.client("/stop/s1?steps=1&pause=3600&silent")
    wait_for("s1 has begun", lambda: "s1" in back.begun)
    client.go()
    wait_for("s1 is over", lambda: "s1" in back.ends)
    assert back.ends["s1"].startswith("lost"), back.ends
    wait_for("the log says that it stopped", lambda: "the client has gone; stopped, as outlive.disconnect says" in server.said())
    assert "httpd.conf:" in [line for line in server.said().splitlines() if "outlive.disconnect says" in line][-1]

    # As an orderly close, too.
    client = server.client("/stop/s2?steps=1&pause=3600&silent")
    wait_for("s2 has begun", lambda: "s2" in back.begun)
    client.go(reset=False)
    wait_for("s2 is over", lambda: "s2" in back.ends)


def test_a_limit(server, back):
    """A limit: a status where there is none yet, an incomplete response otherwise; the log names the line."""
    status, _, _ = server.ask("/limit/l1?steps=1&pause=3600&silent")
    assert status == 504, status
    wait_for("l1 is over", lambda: "l1" in back.ends)
    line = wait_for("the log names the limit", lambda: next(
        (line for line in server.said().splitlines() if "outlive: time limit: max_execution_time = 1 (wall clock)" in line), None))
    assert "httpd.conf:" in line, line
    client = server.client("/limit/l2?steps=2000&pause=0.05")
    seen = rest(client.socket)
    client.go()
    assert seen.startswith(b"HTTP/1.1 200") and b"step 1" in seen and not seen.endswith(b"0\r\n\r\n"), seen[-200:]
    wait_for("l2 is over", lambda: "l2" in back.ends)
    assert back.ends["l2"].startswith("lost"), back.ends


def test_scripts(server):
    """mod_cgi, or mod_cgid."""
    client = server.client("/cgi-finish/work/c1")
    client.read(b"step 1")
    client.go()
    server.noticed("/cgi-finish/work/c1")
    release(server, "c1")
    assert left(server, "c1", "done", "terminated", "broken") == "done"

    client = server.client("/cgi-stop/work/c2")
    client.read(b"step 0")
    client.go()
    assert left(server, "c2", "done", "terminated", "broken") == "terminated"

    client = server.client("/cgi-stop/work/c3?silent")
    begun(server, "c3")
    client.go()
    assert left(server, "c3", "done", "terminated", "broken") == "terminated"
    status, _, _ = server.ask("/cgi-limit/work/c4?silent")
    assert status == 500, status
    assert left(server, "c4", "done", "terminated") == "terminated"

    # What a script waits for holds its output open, so that it has to end, too; what it has sent away does not.
    stopped = server.said().count("the client has gone; stopped")
    client = server.client("/cgi-stop/shell/c7")
    begun(server, "c7")
    client.go()
    wait_for("c7 is stopped", lambda: server.said().count("the client has gone; stopped") > stopped)
    (server.root / "run/c7.gone").touch()
    assert left(server, "c7", "apart") == "apart"

    # One that does not listen is killed after hard_timeout.
    for name, go in (("c8", True), ("c9", False)):
        client = server.client(f"/{'cgi-stop' if go else 'cgi-limit'}/deaf/{name}")
        pid = wait_for(f"{name} has begun", lambda: (note := server.root / f"run/{name}.pid").exists() and note.read_text().strip())
        if go:
            client.go()
        wait_for(f"{name} is killed", lambda: not os.path.exists(f"/proc/{pid}") or open(f"/proc/{pid}/stat").read().split()[2] == "Z")
        if not go:
            assert client.read(b"\r\n").startswith(b"HTTP/1.1 500")
            client.go()

    client = server.client("/cgi-plain/work/c5")
    seen = client.read(b"step 3")
    release(server, "c5")
    client.socket.shutdown(socket.SHUT_WR)
    seen += rest(client.socket)
    client.socket.close()
    assert seen.startswith(b"HTTP/1.1 200") and seen.endswith(b"the end\n\r\n0\r\n\r\n"), (seen[:100], seen[-100:])
    steps = [int(step) for step in re.findall(rb"step (\d+)", seen)]
    assert steps == list(range(len(steps))), steps

    server.file("www/ssi-finish.shtml", "before <!--#include virtual='/cgi-plain/work/c6' --> after\n" + "x" * 100000)
    client = server.client("/ssi-finish.shtml")
    client.read(b"step 1")
    client.go()
    server.noticed("/ssi-finish.shtml")
    release(server, "c6")
    assert left(server, "c6", "done", "terminated", "broken") == "done"


@pytest.fixture(scope="module", params=[("prefork", "cgi"), ("worker", "cgid"), ("event", "cgid")], ids="-".join)
def server(request):
    mpm, cgi = request.param
    with backend() as back, Httpd(CONF.replace("@BACKEND@", str(back.port)), mpm=mpm, more=cgi_module(cgi)) as server:
        server.back = back
        server.file("cgi/work", HELD_CGI, 0o755)
        server.file("cgi/shell", SHELL, 0o755)
        server.file("cgi/deaf", DEAF, 0o755)
        server.file("www/plain.txt", "plain\n")
        assert server.ask("/plain.txt")[2] == b"plain\n"
        yield server
