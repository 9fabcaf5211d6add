#!/usr/bin/env python3
"""One table for three servers: what becomes of the work when its client goes, in docs/servers.md. table.py --write makes it anew, table.py --check tests what
is promised for finish and stop."""

import concurrent.futures
import importlib.util
import pathlib
import shutil
import socket
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lib = load("lib", "tests/apache/lib.py")
scripts = load("scripts", "tests/apache/scripts.py")
load("http2", "tests/apache/http2.py")
nginx_server = load("nginx_server", "tests/nginx/server.py")
lighttpd_server = load("lighttpd_server", "tests/lighttpd/server.py")

HTTPD = """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
<FilesMatch "[.]php$">
  SetHandler "proxy:fcgi://127.0.0.1:@FPM@"
</FilesMatch>
ScriptAlias /cgi/ @ROOT@/www/cgi/
@POLICY@
"""
NGINX = """
@POLICY@
location /work/ { proxy_pass http://127.0.0.1:@BACKEND@/; }
location ~ [.]php$ { include @ROOT@/params; fastcgi_pass 127.0.0.1:@FPM@; }
"""
LIGHTTPD = """
$HTTP["url"] =~ "[.]php" { fastcgi.server = ("" => (("host" => "127.0.0.1", "port" => "@FPM@"))) }
$HTTP["url"] =~ "^/work/" {
  proxy.server = ("" => (("host" => "127.0.0.1", "port" => "@BACKEND@")))
  proxy.header = ("map-urlpath" => ("/work/" => "/"))
}
$HTTP["url"] =~ "^/cgi/" { cgi.assign = (".py" => "/usr/bin/python3") }
server.stream-response-body = 2
@POLICY@
"""
PARAMS = """fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
fastcgi_param QUERY_STRING $query_string;
fastcgi_param REQUEST_METHOD $request_method;
"""
POLICIES = ["alone", "finish", "stop"]
WAYS = ["resets", "closes", "half-closes"]
SAID = {
    "httpd": {"finish": "php_flag ignore_user_abort on\nphp_value outlive.detect watch", "stop": "php_value outlive.disconnect stop\nphp_value outlive.detect watch"},
    "nginx": {"finish": "outlive_disconnect finish;", "stop": "outlive_disconnect stop;"},
    "lighttpd": {"finish": 'outlive.disconnect = "finish"', "stop": 'outlive.disconnect = "stop"'},
}
# A server of the table: how it is started, and what works in it or behind it.
WORK, FASTCGI, SCRIPT = "/work/@NAME@", "/work.php?name=@NAME@", "/cgi/work.py?name=@NAME@"
SERVERS = {
    "httpd, prefork": {"mod_proxy_http": WORK, "mod_proxy_fcgi (php-fpm)": FASTCGI, "mod_cgi": SCRIPT},
    "httpd, event": {"mod_proxy_http": WORK, "mod_proxy_fcgi (php-fpm)": FASTCGI, "mod_cgid": SCRIPT},
    "nginx": {"proxy_pass": WORK, "fastcgi_pass (php-fpm)": FASTCGI},
    "lighttpd": {"mod_proxy": WORK, "mod_fastcgi (php-fpm)": FASTCGI, "mod_cgi": SCRIPT},
}


def filled(text, policy, back, fpm):
    return text.replace("@POLICY@", policy).replace("@BACKEND@", str(back.port)).replace("@FPM@", str(fpm.port))


def make(name, policy, back, fpm):
    said = SAID[name.split(",")[0]].get(policy, "")
    if name == "nginx":
        return nginx_server.Nginx(filled(NGINX, said, back, fpm), load=policy != "alone")
    if name == "lighttpd":
        return lighttpd_server.Lighttpd(filled(LIGHTTPD, said, back, fpm), module=policy != "alone")
    mpm, cgi = name.split(", ")[1], "cgi" if "prefork" in name else "cgid"
    limits = "StartServers 20\nMinSpareServers 20\nMaxSpareServers 30" if mpm == "prefork" else ""
    return lib.Httpd(filled(HTTPD, said, back, fpm), mpm=mpm, module=policy != "alone", more=lib.cgi_module(cgi), limits=limits)


def put(path, text, mode=0o644):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def answer(client):
    """Whether what still comes is the whole."""
    seen = lib.rest(client.socket)
    client.socket.close()
    return b"the end" in seen


def case(server, back, path, silent, how, ends_by_itself):
    """What became of it: done, lost; answered: done, and its client has it all. What is to be ended by its server is held until then; the rest works
    for a second after its client has gone."""
    name = f"n{time.monotonic_ns()}"
    notes = {end: server.root / f"run/{name}.{end}" for end in ("begun", "done", "lost")}
    behind = path == WORK
    path = path.replace("@NAME@", name) + ("?held" if behind else "") + ("&silent" if silent else "&size=20000")
    client = server.client(path)
    lib.wait_for(f"{path} has begun", lambda: name in back.begun if behind else notes["begun"].exists())
    if not silent:
        client.read(b"step 1")
    release = threading.Timer(1, lambda: (back.released.add(name), (server.root / f"run/{name}.released").touch()))
    if not ends_by_itself:
        release.start()
    complete = False
    if how == "half-closes":
        client.socket.shutdown(socket.SHUT_WR)
        complete = answer(client)
    else:
        client.go(reset=how == "resets")
    if behind:
        end = lib.wait_for(f"{path} is over", lambda: back.ends.get(name)).split()[0]
    else:
        end = lib.wait_for(f"{path} is over", lambda: next((end for end in ("done", "lost") if notes[end].exists()), None))
    return "answered" if complete and end == "done" else end


def promised(kind, silent, how, policy):
    """PHP looks at its connection when it writes: a silent one runs on, whoever hangs up."""
    if policy == "stop":
        return "done" if silent and "php-fpm" in kind else "lost"
    return "answered" if how == "half-closes" else "done"


def run(policies):
    results, wrong = {}, []
    with lib.Fpm(32) as fpm, lib.backend() as back, concurrent.futures.ThreadPoolExecutor(24) as pool:
        for name, kinds in SERVERS.items():
            for policy in policies:
                server = make(name, policy, back, fpm)
                put(server.root / "www/work.php", scripts.HELD_PHP.replace("@ROOT@", str(server.root)))
                put(server.root / "www/cgi/work.py", scripts.HELD_CGI.replace("@ROOT@", str(server.root)), 0o755)
                put(server.root / "params", PARAMS)
                (server.root / "run").chmod(0o777)
                with server:
                    begun = {(kind, silent, how): pool.submit(case, server, back, path, silent, how, policy != "alone" and promised(kind, silent, how, policy) == "lost")
                             for kind, path in kinds.items() for silent in (False, True) for how in WAYS}
                    for (kind, silent, how), future in begun.items():
                        end = results[name, kind, silent, how, policy] = future.result()
                        if policy != "alone" and end != promised(kind, silent, how, policy):
                            wrong.append(f"{name}, {kind}, {'silent' if silent else 'writing'}, {how}, {policy}: {end}")
    assert not wrong, "\n".join(wrong)
    return results


WORDS = {"done": "runs to its end", "lost": "ended", "answered": "answered"}


def written(results):
    lines = ["| server | what works | its client | server alone | finish | stop |", "| --- | --- | --- | --- | --- | --- |"]
    for name, kinds in SERVERS.items():
        for kind in kinds:
            for silent in (False, True):
                for how in WAYS:
                    cells = [WORDS[results[name, kind, silent, how, policy]] for policy in POLICIES]
                    if silent and "php-fpm" in kind:
                        cells[2] = "the server is free; PHP runs on"
                    lines.append(f"| {name} | {kind}, {'silent' if silent else 'writing'} | {how} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    page = ROOT / "docs/servers.md"
    if sys.argv[1:] == ["--check"]:
        results = run(["finish", "stop"])
        rows = lib.marked(page, "table").splitlines()[2:]
        assert len(rows) == len(results) // 2, "docs/servers.md has other rows: tests/servers/table.py --write"
        print(f"{len(rows)} ways to lose a client, in three servers: finished and stopped as docs/servers.md says")
        return
    table = written(run(POLICIES))
    print(table)
    if sys.argv[1:] == ["--write"]:
        lib.marked(page, "table", table)


if __name__ == "__main__":
    assert shutil.which("apache2") and shutil.which("lighttpd")
    main()
