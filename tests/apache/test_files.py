"""Short files, which nobody has to look after. They are counted and not listed; whatever may wait, or fails, or has lost its client is
looked after, though it began as a short file. Modules whose handlers go by the name leave it at that, and answer as without mod_outlive."""

import base64
import contextlib
import hashlib
import re

import pytest
from lib import REPORTS, Backend, Httpd, wait_for

MPMS = ["prefork", "event"]

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
""" + REPORTS
# The map's program: it answers once its question was noticed.
WAIT = """#!/bin/sh
while read -r name; do
    : > @ROOT@/run/asked
    while [ -e @ROOT@/run/asked ]; do sleep 0.05; done
    echo "$name"
done
"""


def in_flight(server):
    return {row["label"] for row in server.live()["requests"]}


def ended(server, before, ending):
    """Answers once more of them than before ended that way."""
    key = f'requests_ended_total{{ending="{ending}"}}'
    return wait_for(f"one more is {ending}", lambda: server.counters()[key] > before[key])


def test_short(server):
    before = server.counters()
    for path in ("/f.txt", "/f.html"):
        status, headers, body = server.ask(path)
        assert (status, body, headers["X-Mark"]) == (200, b"x" * 20000, "here"), (path, status, len(body))
    assert server.ask("/f.txt", "HEAD")[2] == b""
    etag = server.ask("/f.txt")[1]["ETag"]
    assert server.ask("/f.txt", headers={"If-None-Match": etag}.items())[0] == 304
    completed = 'requests_ended_total{ending="completed"}'
    wait_for("all five are counted", lambda: server.counters()[completed] >= before[completed] + 5)
    # Those, and a file that is not there, which begins as anything else does: each once.
    assert server.ask("/none")[0] == 404
    wait_for("one more is counted", lambda: server.counters()[completed] >= before[completed] + 6)
    assert server.counters()[completed] == before[completed] + 6, (before, server.counters())


def test_parts(server, back):
    """What a filter includes may wait."""
    client = server.client("/parts/index.html")
    wait_for("what it includes has begun", lambda: "part" in back.begun)
    assert "/parts/index.html" in in_flight(server), in_flight(server)
    before = server.counters()
    client.go()
    ended(server, before, "aborted")


def test_body(server):
    """A body that does not come is waited for."""
    client = server.client("/f.txt")
    client.read(b"x" * 20000)
    client.socket.sendall(b"GET /f.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
    wait_for("it is listed", lambda: "/f.txt" in in_flight(server))
    client.socket.sendall(b"67890")
    client.read(b"x" * 20000)
    wait_for("it is not listed any more", lambda: "/f.txt" not in in_flight(server))
    client.go()


def test_late(server):
    """The client goes before the file's handler runs."""
    before = server.counters()
    client = server.client("/late")
    wait_for("it is about to be rewritten", lambda: (server.root / "run/asked").exists())
    client.go()
    (server.root / "run/asked").unlink()
    ended(server, before, "aborted")
    assert server.counters()["clients_gone_total"] == before["clients_gone_total"] + 1
    assert "outlive: the client has gone; stopped, as outlive.disconnect says" in server.said()


def test_long(server):
    """To a client that does not read."""
    if server.mpm != "prefork":
        pytest.skip("httpd itself sends it, after the handler")
    client = server.client("/long.bin")
    wait_for("it is listed", lambda: "/long.bin" in in_flight(server))
    client.go()
    wait_for("it is not listed any more", lambda: "/long.bin" not in in_flight(server))


@pytest.mark.parametrize("mpm", MPMS)
def test_any_handler(mpm):
    """A handler that takes what it likes, whatever the handler's name."""
    conf = CONF.replace("RewriteMap", "#").replace("RewriteRule", "#") + "LuaMapHandler ^/f.txt$ @ROOT@/f.lua handle\n"
    with Httpd(conf.replace("ProxyPass", "#"), mpm=mpm, modules=["lua"]) as server:
        server.file("www/f.txt", "x")
        server.file("f.lua", 'function handle(r)\n  while io.open("@ROOT@/run/on") do r.usleep(20000) end\n  r:puts("lua")\n  return apache2.OK\nend\n')
        on = server.file("run/on", "")
        client = server.client("/f.txt")
        wait_for("it is listed", lambda: "/f.txt" in in_flight(server))
        on.unlink()
        client.read(b"lua")
        client.go()


NAMED = """
<Directory @ROOT@/www>
  Options +Indexes +MultiViews
  IndexOptions -FancyIndexing
</Directory>
DavLockDB @ROOT@/run/dav
<Directory @ROOT@/www/dav>
  Dav On
  Options -Indexes
</Directory>
AddHandler send-as-is .asis
AddHandler imap-file .map
AddHandler type-map .var
<Location /private>
  AuthType form
  AuthName here
  AuthFormProvider file
  AuthUserFile @ROOT@/users
  Require valid-user
  Session On
  SessionCookieName session path=/
  ErrorDocument 401 /login.html
</Location>
<Location /enter>
  SetHandler form-login-handler
  AuthType form
  AuthName here
  AuthFormProvider file
  AuthUserFile @ROOT@/users
  AuthFormLoginSuccessLocation /private/f.txt
  Session On
  SessionCookieName session path=/
</Location>
<Location /leave>
  SetHandler form-logout-handler
  AuthFormLogoutLocation /login.html
  Session On
  SessionMaxAge 1
  SessionCookieName session path=/
</Location>
"""
NAMED_MODULES = ["authn_core", "authn_file", "authz_user", "request", "session", "session_cookie", "auth_form", "asis", "autoindex", "dav", "dav_fs",
                 "imagemap", "info", "ldap", "negotiation", "proxy_balancer", "slotmem_shm", "lbmethod_byrequests", "fcgid", "perl"]


def named_answers(server):
    """What each of them answers, and how often: what a form is, who may see a file, a map, a list."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    right, wrong = b"httpd_username=me&httpd_password=secret", b"httpd_username=me&httpd_password=guess"
    answers = []

    def ask(path, method="GET", body=None, headers=()):
        status, said, text = server.ask(path, method, body, dict(headers).items())
        answers.append((method, path, status, said["Location"], b"" if method == "PROPFIND" else text))  # whose names are in any order
        return said

    ask("/f.txt")
    ask("/private/f.txt")
    ask("/private/f.txt", "POST", wrong, form)
    ask("/private/f.txt", "POST", right, form)
    ask("/enter", "POST", wrong, form)
    cookie = {"Cookie": ask("/enter", "POST", right, form)["Set-Cookie"].split(";")[0]}
    ask("/private/f.txt", headers=cookie)
    ask("/private/none", headers=cookie)
    ask("/leave", headers=cookie)
    for path in ("/a.asis", "/b.map?5,5", "/v.var", "/v", "/list/", "/dav/f.txt"):
        ask(path)
    ask("/dav/f.txt", "PROPFIND", headers={"Depth": "0"})
    return answers


@pytest.mark.parametrize("mpm", MPMS)
def test_named(mpm):
    seen = {}
    for module in (False, True):
        conf = "LogLevel outlive:debug" + REPORTS + NAMED if module else NAMED
        php = ["LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so"] if mpm == "prefork" else []  # it is not made for threads
        with Httpd(conf, mpm=mpm, module=module, modules=[*NAMED_MODULES, "cgi" if mpm == "prefork" else "cgid"], more=php) as server:
            server.file("users", "me:{SHA}" + base64.b64encode(hashlib.sha1(b"secret").digest()).decode() + "\n")
            for name in ("f.txt", "private/f.txt", "list/f.txt", "dav/f.txt"):
                server.file(f"www/{name}", "plain\n")
            server.file("www/login.html", "<form>who are you?</form>\n")
            server.file("www/a.asis", "Status: 203 As it is\nContent-Type: text/plain\n\nas it is\n")
            server.file("www/b.map", "default http://localhost/elsewhere\n")
            server.file("www/v.var", "URI: f.txt\nContent-Type: text/plain\n\n")
            before = server.counters() if module else None
            seen[module] = [(*facts, re.sub(rb"Port \d+", b"", text)) for *facts, text in named_answers(server)]
            if module:
                completed = 'requests_ended_total{ending="completed"}'
                wait_for("each is counted", lambda: server.counters()[completed] >= before[completed] + len(seen[True]))
                assert server.counters()[completed] == before[completed] + len(seen[True]), (before, server.counters())
                assert not in_flight(server), in_flight(server)
                assert "begin in the engine, too" not in server.said(), server.said()
    for without, with_it in zip(seen[False], seen[True], strict=True):
        assert without == with_it, f"without mod_outlive: {without}\nwith it: {with_it}"
    by = {(method, path, status) for method, path, status, *_ in seen[True]}
    assert {("GET", "/private/f.txt", 401), ("GET", "/private/f.txt", 200), ("POST", "/enter", 302)} <= by, by


@pytest.fixture(scope="module", params=MPMS)
def server(request):
    back = Backend()
    server = Httpd(CONF.replace("@BACKEND@", str(back.port)) + "Header set X-Mark here\n", mpm=request.param)
    server.file("wait", WAIT, 0o755)  # started with httpd
    server.back = back
    with contextlib.closing(back), server:
        for name in ("f.txt", "f.html", "late"):
            server.file(f"www/{name}", "x" * 20000)
        server.file("www/long.bin", "x" * 50_000_000)
        server.file("www/parts/index.html", '<!--#include virtual="/work/part?held&silent" -->\n')
        yield server
