"""No memory and no descriptor is lost over many requests (LONG=1). One child; static files, .htaccess, a proxied server."""

import http.client
import os
import pathlib

import pytest
from lib import LONG, Httpd, wait_for

CONF = """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/ enablereuse=off
php_value ignore_user_abort on
php_value outlive.detect watch
<Location /sub>
  php_value max_execution_time 20
</Location>
MaxKeepAliveRequests 0
"""


def numbers(child):
    status = pathlib.Path(f"/proc/{child}/status").read_text()
    memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return memory, len(os.listdir(f"/proc/{child}/fd"))


def ask(server, count):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for turn in range(count):
        path = ("/f.txt", "/sub/f.txt", "/sub/f.txt?x")[turn % 3] if turn % 100 else "/work/w?steps=0"
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status, body)
    connection.close()


@pytest.mark.skipif(not LONG, reason="LONG=1 asks for it")
def test_leaks(back):
    count = 100_000
    limits = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxRequestWorkers 1\nServerLimit 1"
    with Httpd(CONF.replace("@BACKEND@", str(back.port)), limits=limits) as server:
        server.file("www/f.txt", "x" * 5000)
        server.file("www/sub/f.txt", "x" * 5000)
        server.file("www/sub/.htaccess", "php_flag ignore_user_abort off\n")
        ask(server, max(count // 10, 1000))
        child = server.children()[0]
        memory, files = numbers(child)
        ask(server, count)
        after, files_after = numbers(child)
        assert after - memory <= 512, f"{after - memory} kB more after {count} requests"
        # The child may not have seen yet that our last connection is closed.
        wait_for(f"as many descriptors as before, {files}, not {files_after}", lambda: numbers(child)[1] <= files)
