"""What works behind lighttpd in these tests: PHP, CGI scripts and an HTTP server, each of which works until it is released; and a lighttpd for them."""

import http.client
import re
import time

from server import Lighttpd, wait_for
from scripts import HELD_CGI, HELD_PHP  # of tests/apache, where server.py looks, too

# Writes a table at a time, and waits for C, which is locked by whoever holds the file.
FORM = """<?php
$tables = '@ROOT@/run/' . $_GET['name'] . '.tables';
$write = fn($what) => file_put_contents($tables, $what, FILE_APPEND);
register_shutdown_function(fn() => touch('@ROOT@/run/' . $_GET['name'] . '.over'));
$write('A');
$write('B');
while (file_exists('@ROOT@/run/locked')) { usleep(20000); clearstatcache(); if (isset($_GET['writes'])) { echo str_repeat(' ', 5000); flush(); } }
$write('C');
$write('D');
echo 'saved';
"""
CONF = """
$HTTP["url"] =~ "[.]php" { fastcgi.server = ("" => (("host" => "127.0.0.1", "port" => "@FPM@"))) }
$HTTP["url"] =~ "^/work/" {
  proxy.server = ("" => (("host" => "127.0.0.1", "port" => "@BACKEND@")))
  proxy.header = ("map-urlpath" => ("/work/" => "/"))
}
$HTTP["url"] =~ "^/cgi/" { cgi.assign = (".py" => "/usr/bin/python3") }
server.stream-response-body = @STREAM@
@POLICY@
"""
POLICIES = {
    "lighttpd alone": "",
    "finish": 'outlive.disconnect = "finish"\noutlive.scoreboard = "@ROOT@/run/board"',
    "stop": 'outlive.disconnect = "stop"\noutlive.scoreboard = "@ROOT@/run/board"',
}
PAGE = '\n$HTTP["url"] =~ "^/live" { outlive.status-url = "/live" }\n'


def server_for(policy, fpm, back, stream=0, page=True, more=""):
    conf = CONF.replace("@POLICY@", POLICIES.get(policy, policy) + (PAGE if page and policy != "lighttpd alone" else "") + more)
    conf = conf.replace("@FPM@", str(fpm.port)).replace("@BACKEND@", str(back.port)).replace("@STREAM@", str(stream))
    server = Lighttpd(conf, module=policy != "lighttpd alone")
    server.file("www/work.php", HELD_PHP)
    server.file("www/form.php", FORM)
    server.file("www/cgi/work.py", HELD_CGI, 0o755)
    return server


def left(server, name):
    return wait_for(f"{name} is over", lambda: next((end for end in ("done", "lost") if (server.root / f"run/{name}.{end}").exists()), None))


def seen_by(server, policy, clients):
    """Waits until the server has done what it does about clients that have gone."""
    if policy == "finish":
        wait_for("all are detached", lambda: server.live()["detached"] == clients)
    elif policy == "stop":
        wait_for("nothing is in flight", lambda: server.live()["in_flight"] == 0)
    else:
        time.sleep(1)  # lighttpd alone says nothing of it


def listed(server):
    """The requests of the page; None: nobody answers."""
    try:
        return [(row["label"], row["state"]) for row in server.live()["requests"]]
    except (OSError, http.client.HTTPException):
        return None


def finished(server, back, *names):
    """Clients have gone; what they submitted to the backend works on, and is done when it is released."""
    wait_for(f"{', '.join(names)}: begun", lambda: set(names) <= set(back.begun))
    wait_for("all are detached", lambda: server.live()["detached"] == len(names))
    back.released.update(names)
    for name in names:
        assert wait_for(f"{name} is over", lambda: back.ends.get(name)) == "done", (name, back.ends[name])
        wait_for(f"{name}: the log says so", lambda: re.search(rf"/work/{name}\?\S*: the client has gone; worked on to the end", server.said()))


# Where something is to come before the time is up, a busy machine gets more time: ?limit=SECONDS.
LIMITS = (1, 4, 20)
LIMITED = "".join(f'\n$HTTP["query-string"] =~ "limit={limit}$" {{ outlive.time-limit = {limit} }}' for limit in LIMITS)


def soon_enough(what, attempt):
    """The first true answer of attempt(limit)."""
    for limit in LIMITS:
        if answer := attempt(limit):
            return answer
    raise AssertionError(f"not within a time limit of {LIMITS[-1]} s: {what}")
