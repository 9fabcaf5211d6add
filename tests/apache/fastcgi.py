#!/usr/bin/env python3
"""A FastCGI server that says nothing: php-fpm, whose script sleeps. A stop, and a time limit, end the wait for it; finishing waits; and nobody
else's connection is touched."""

import concurrent.futures
import sys

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


def main():
    mpm = sys.argv[1]
    with Fpm(60) as first, Fpm(60) as second:
        conf = CONF.replace("@FPM@", str(first.port)).replace("@SECOND@", str(second.port))
        with Httpd(conf, mpm=mpm) as server:
            server.file("www/work.php", PHP)
            for number, path in enumerate(("/pooled", "/plain", "/work.php")):
                status, _, body = server.ask(f"{path}/a{number}")
                assert status == 200 and body == f"all of it, a{number}\n".encode(), (path, status, body)
                stops(server, path, f"s{number}")
                status, _, _ = server.ask(f"{path}/limit{number}?sleep={HOUR}")
                assert status == 504, (path, status)
                status, _, body = server.ask(f"{path}/b{number}", "POST", b"x" * 100000)
                assert status == 200 and body == f"all of it, b{number}\n".encode(), (path, status, body)
                client = server.client(f"{path}/finish{number}?sleep=1")
                wait_for("it has begun", (server.root / f"run/finish{number}.begun").exists)
                client.go()
                wait_for("it is done", (server.root / f"run/finish{number}.done").exists)
            # Many that stop, beside many that do not, on connections that go from one to the other.
            def beside(number):
                status, _, body = server.ask(f"/pooled/m{number}")
                assert status == 200 and body == f"all of it, m{number}\n".encode(), (number, status, body)
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                asked = [pool.submit(beside, number) for number in range(600)]
                for number in range(12):
                    stops(server, "/pooled", f"t{number}")
                for one in asked:
                    one.result()
    print(f"{mpm}: silent FastCGI servers are let go, and only where that was asked")


if __name__ == "__main__":
    main()
