"""Loaded and not asked for anything, the module changes nothing. With and without LoadModule httpd gives the same responses,
writes the same log and the same files, and talks to its backends in the same way. With OutliveEngine On and nothing else it sets no limit, and a
client that goes has no effect that it would not have had. So it is over TLS, and over HTTP/2 in clear and over TLS."""

import contextlib
import json
import re
import signal
import socket
import subprocess

import pytest
from http2 import TLS, Http2, certificate
from lib import BUILD, REPORTS, Fpm, Httpd, cgi_module, free_port, kept_backend, rest, wait_for

CONF = """
ServerTokens Full
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
ProxyPass /kept/ http://127.0.0.1:@KEPT@/
ProxyPass /refused/ http://127.0.0.1:1/
<Proxy balancer://two>
  BalancerMember http://127.0.0.1:@BACKEND@
  ProxySet failonstatus=502
</Proxy>
ProxyPass /balanced/ balancer://two/
<Proxy fcgi://127.0.0.1:@FPM@/ enablereuse=on max=20>
</Proxy>
ProxyPassMatch ^/php/(.*)$ fcgi://127.0.0.1:@FPM@@ROOT@/www/work.php/$1
ScriptAlias /cgi/ @ROOT@/cgi/
AddOutputFilter INCLUDES .shtml
AddHandler lua-script .lua
ExtendedStatus Off
<Location /server-status>
  SetHandler server-status
</Location>
<Location /ours>
  SetHandler outlive-settings
</Location>
"""
SCRIPT = """#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
env | grep -v PORT | sort
"""
LUA = """function handle(r)
  for i = 1, 100 do r:puts(i, ' ') end
  return apache2.OK
end
"""
WAYS = [("TLS", ["--http1.1"], "tls"), ("h2c", ["--http2-prior-knowledge"], "port"), ("h2", ["--http2"], "tls")]
PATHS = ["/f.txt", "/none", "/sub/f.txt", "/i.shtml", "/w.lua", "/work/a?steps=2", "/work/b?steps=1&silent", "/kept/a", "/kept/b", "/balanced/c?steps=1",
         "/refused/x", "/cgi/env?a=b", "/cgi/none", "/php/x?a=b", "/php/y", "/ours", "/server-status"]


def whole(server, path):
    """Every byte of a response, but for what is a time, a process or a port."""
    with socket.create_connection(("127.0.0.1", server.port), 60) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        seen = rest(client)
    return plain(server, unframed(path, seen).decode("latin-1"), path)


def unframed(path, answer):
    """A script's answer without its framing: whether its length is known depends on whether the script has ended when httpd first reads."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if not path.startswith("/cgi/"):
        return answer
    if b"\r\nTransfer-Encoding: chunked" in head and b"\r\n" in body[:10]:
        pieces, rest = [], body
        while size := int((line := rest.partition(b"\r\n"))[0], 16):
            pieces, rest = [*pieces, line[2][:size]], line[2][size + 2:]
        body = b"".join(pieces)
    return re.sub(rb"(?mi)^(Transfer-Encoding|Content-Length): .*\n", b"", head + b"\r\n") + b"\r\n" + body


def by_curl(server, url, *how):
    """The same by a client that knows TLS and HTTP/2."""
    told = subprocess.run(["curl", "-ski", "--max-time", "60", *how, url], capture_output=True, check=True, timeout=90)
    path = "/" + url.split("/", 3)[3]
    return plain(server, unframed(path, told.stdout).decode("latin-1"), path)


def plain(server, text, path=""):
    text = text.replace(str(server.root), "@ROOT@").replace(f":{server.port}", ":@PORT@").replace(f":{server.tls}", ":@TLS@")
    text = re.sub(r"(?mi)^(Date|Last-Modified|ETag|UNIQUE_ID|REMOTE_PORT" + ("|Content-Length" if path == "/server-status" else "") + r"): .*$", r"\1", text)
    text = re.sub(r"(?m)^(REMOTE_PORT|UNIQUE_ID|H2_STREAM_TAG)=.*$", r"\1", text)
    if path == "/server-status":
        text = re.sub(r"(?m)^.*(Time|time|uptime|Load|CPU|<td>|generation|accesses|requests/sec|Total).*$\n?", "", text)
        text = re.sub(r"<pre>[^<]*</pre>|<dt>[^\n]*|\r\n[0-9a-f]+\r\n", "", text)
    return text


def log_of(server):
    lines = [re.sub(r"\[pid \d+(:tid \d+)?\]|\[client [^]]*\]|^\[[^]]*\]|tid \d+", "", line) for line in server.said().splitlines()]
    # A port that is refused, numbers of processes.
    return sorted(re.sub(r"\d{4,}", "N", plain(server, line)) for line in lines)


def seen(conf, mpm, cgi, module):
    limits = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxRequestWorkers 1\nServerLimit 1" if mpm == "prefork" else \
        "StartServers 1\nServerLimit 1\nThreadsPerChild 25\nMaxRequestWorkers 25"
    load = f"LoadModule outlive_module {BUILD}/mod_outlive.so" if module else ""
    tls = free_port()
    secure = TLS.replace("@TLS@", str(tls)) if mpm == "event" else ""
    modules = ["lua", "proxy_balancer", "slotmem_shm", "lbmethod_byrequests"] + (["ssl", "http2"] if secure else [])
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(kept_backend())
        server = Httpd(conf.replace("@KEPT@", str(kept)) + secure, mpm=mpm, module=False, limits=limits, more=[*cgi_module(cgi), load], modules=modules)
        server.tls = tls
        certificate(server)
        stack.enter_context(server)
        for name, text in (("f.txt", "plain\n"), ("sub/f.txt", "plain\n"), ("i.shtml", "a <!--#include virtual='/cgi/env' --> b\n"), ("w.lua", LUA),
                           ("work.php", "<?php ksort($_SERVER); foreach ($_SERVER as $k => $v) if (!preg_match('/PORT|TIME|ID/', $k) && is_string($v)) echo \"$k=$v\\n\";")):
            server.file(f"www/{name}", text)
        server.file("cgi/env", SCRIPT, 0o755)
        responses = {path: whole(server, path) for path in PATHS}
        for how, options, port in WAYS if secure else ():
            for path in PATHS:
                url = f"{'http' if port == 'port' else 'https'}://localhost:{getattr(server, port)}{path}"
                responses[f"{how} {path}"] = by_curl(server, url, *options)
        files = sorted(path.name for path in (server.root / "run").iterdir())
        log = log_of(server)
        # Told to end at once, httpd has been seen to crash by itself, without the module: connections that linger end first.
        server.may_crash = not module
        server.process.send_signal(signal.SIGWINCH)
        server.process.communicate(timeout=90)
    return responses, [re.sub(r"\d+", "N", name) for name in files], log


@pytest.mark.parametrize("mpm, cgi", [("prefork", "cgi"), ("event", "cgid")])
def test_same(mpm, cgi, back):
    with Fpm() as fpm:
        conf = CONF.replace("@BACKEND@", str(back.port)).replace("@FPM@", str(fpm.port))
        without, loaded = seen(conf, mpm, cgi, False), seen(conf, mpm, cgi, True)
    for path in without[0]:
        assert re.sub(r"127.0.0.1:\d+|localhost:\d+", "", without[0][path]) == re.sub(r"127.0.0.1:\d+|localhost:\d+", "", loaded[0][path]), \
            f"{path}:\n{without[0][path]}\n--- with LoadModule:\n{loaded[0][path]}"
    assert without[1] == loaded[1]
    assert without[2] == loaded[2]


def test_only_on(back):
    """OutliveEngine On, and no line besides."""
    conf = REPORTS + """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
Protocols h2c http/1.1
<Location /work/said>
  php_value max_execution_time 30
</Location>
""".replace("@BACKEND@", str(back.port))
    with Httpd(conf, mpm="event", modules=["http2"]) as server:
        asked = [server.client(f"/work/{name}?held&silent") for name in ("unsaid", "said")]
        wait_for("both have begun", lambda: {"unsaid", "said"} <= set(back.begun))

        def limits():
            return {row["label"]: row["time_limit_s"] for row in server.live()["requests"]}
        wait_for("the table has their limits", lambda: limits() == {"/work/unsaid": None, "/work/said": 30})
        said = json.loads(server.ask("/settings?name=max_execution_time")[2])["settings"]["max_execution_time"]
        assert said["value"] == "0" and said["layer"] == "built-in default", said
        # A stream that is reset while a server says nothing: httpd alone waits for it, too. It may hang up with the first words of the
        # answer, while the server still writes ("lost"), not before ("lost 0").
        client = Http2(socket.create_connection(("127.0.0.1", server.port), 60))
        stream = client.get("/work/reset?held&silent")
        wait_for("it has begun", lambda: "reset" in back.begun)
        client.reset(stream)
        client.read(client.get("/settings"), b"}")  # what came before it on this connection is known by now, too
        back.released.add("reset")
        assert wait_for("it is over", lambda: back.ends.get("reset")) in ("done", "lost"), back.ends
        client.go()
        back.released |= {"unsaid", "said"}
        for one in asked:
            one.read(b"the end")
            one.go()


def test_tenants():
    """What the server's configuration decides, a tenant cannot take back."""
    conf = """
<Location />
  php_admin_value max_execution_time 7
</Location>
<Location /closed>
  OutliveHandlers Off
</Location>
"""
    with Httpd(conf) as server:
        for line in ("OutliveEngine Off", "OutliveEngine On", "OutliveHandlers On", "OutliveScoreboard none"):
            server.file("www/t/.htaccess", line + "\n")
            server.file("www/t/f.txt", "f\n")
            assert server.ask("/t/f.txt")[0] == 500, line
            assert f"{line.split()[0]} not allowed here" in server.said(), server.said()
        for handler in ("outlive-settings", "outlive-settings-as-php", "outlive-status"):
            server.file("www/closed/.htaccess", f"SetHandler {handler}\n")
            server.file("www/closed/f.txt", "mine\n")
            status, _, body = server.ask("/closed/f.txt")
            assert (status, body) == (200, b"mine\n"), (handler, status, body)
    for engine, said in ((True, False), (False, True)):
        with Httpd("php_value outlive.disconnect stop\n", engine=engine) as server:
            wait_for("it serves", lambda server=server: "resuming normal operations" in server.said())
            named = "php_value outlive.disconnect has no effect: no line says OutliveEngine On" in server.said()
            assert named == said, server.said()
