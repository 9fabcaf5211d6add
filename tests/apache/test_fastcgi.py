"""A FastCGI server that says nothing: php-fpm, whose script sleeps. A stop, and a time limit, end the wait for it; finishing waits; and nobody
else's connection is touched."""

import concurrent.futures

import pytest
from lib import Fpm, Httpd, wait_for

PHP = """<?php
$name = basename($_SERVER['PATH_INFO'] ?? 'x');
touch('@ROOT@/run/' . $name . '.begun');
sleep((int)($_GET['sleep'] ?? 0));
echo "all of it, $name\\n";
touch('@ROOT@/run/' . $name . '.done');
"""
# The pooled worker, the plain one, and the one for servers that only a handler names.
CONF = """
<Proxy fcgi://127.0.0.1:@FPM@/ enablereuse=on max=20>
</Proxy>
ProxyPassMatch ^/pooled/(.*)$ fcgi://127.0.0.1:@FPM@@ROOT@/www/work.php/$1
ProxyPassMatch ^/plain/(.*)$ fcgi://127.0.0.1:@SECOND@@ROOT@/www/work.php/$1
<Location />
  php_value outlive.disconnect stop
  php_value outlive.detect watch
</Location>
<LocationMatch /finish>
  php_value outlive.disconnect finish
</LocationMatch>
<LocationMatch /limit>
  php_value max_execution_time 1
  php_value outlive.clock wall
</LocationMatch>
<Files work.php>
  SetHandler "proxy:fcgi://127.0.0.1:@SECOND@"
</Files>
"""
HOUR = 3600


def stops(server, path, name):
    stopped = server.said().count("the client has gone; stopped")
    client = server.client(f"{path}/{name}?sleep={HOUR}")
    wait_for(f"{name} has begun", (server.root / f"run/{name}.begun").exists)
    client.go()
    wait_for(f"{path}/{name} is stopped", lambda: server.said().count("the client has gone; stopped") > stopped)


@pytest.fixture(scope="module", params=["prefork", "event"])
def server(request):
    with Fpm(60) as first, Fpm(60) as second:
        conf = CONF.replace("@FPM@", str(first.port)).replace("@SECOND@", str(second.port))
        with Httpd(conf, mpm=request.param) as server:
            server.file("www/work.php", PHP)
            yield server


@pytest.mark.parametrize("path", ["/pooled", "/plain", "/work.php"])
def test_silent(server, path):
    """Asked, stopped, at its limit, asked with a body, and finished without its client."""
    number = path.strip("/")
    status, _, body = server.ask(f"{path}/a{number}")
    assert status == 200 and body == f"all of it, a{number}\n".encode(), (status, body)
    stops(server, path, f"s{number}")
    status, _, _ = server.ask(f"{path}/limit{number}?sleep={HOUR}")
    assert status == 504, status
    status, _, body = server.ask(f"{path}/b{number}", "POST", b"x" * 100000)
    assert status == 200 and body == f"all of it, b{number}\n".encode(), (status, body)
    client = server.client(f"{path}/finish{number}?sleep=1")
    wait_for("it has begun", (server.root / f"run/finish{number}.begun").exists)
    client.go()
    wait_for("it is done", (server.root / f"run/finish{number}.done").exists)


def test_stops_beside_others(server):
    """Many that stop, beside many that do not, on connections that go from one to the other."""
    def beside(number):
        status, _, body = server.ask(f"/pooled/m{number}")
        assert status == 200 and body == f"all of it, m{number}\n".encode(), (number, status, body)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(beside, number) for number in range(600)]
        for number in range(12):
            stops(server, "/pooled", f"t{number}")
        for one in asked:
            one.result()
