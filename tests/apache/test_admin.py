"""What an administrator sees: mistakes named by configtest and in the log, secrets masked, numbers that go on over a graceful restart, bytes of
strangers made harmless; and a client that only closes its sending side gets its answer."""

import json
import os
import pathlib
import pwd
import re
import socket
import subprocess
import tempfile
import textwrap

import pytest
from lib import REPORTS, ROOT, Httpd, backend, rest, wait_for

CONF = REPORTS + """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
<Location /work>
  php_value outlive.disconnect finish
  php_value outlive.detect watch
</Location>
"""
INI = """
mysqli.default_pw = geheim1
session.save_path = "tcp://127.0.0.1:6379?auth=geheim2"
error_log = "https://me:geheim3@logs.example/"
custom.api_token = geheim4
memory_limit = 77M
"""


def configtest(conf, more=()):
    """What `apachectl configtest` says."""
    server = Httpd(conf, more=more)
    test = subprocess.run(["apache2", "-f", server.root / "httpd.conf", "-t"], capture_output=True, text=True, timeout=60)
    server.process = subprocess.Popen(["true"])
    server.__exit__(None)
    return test.returncode, test.stdout + test.stderr


def test_mistakes():
    for line, said in (("php_value outlive.disconnect banana", r'httpd.conf:\d+: php_value outlive.disconnect "banana" is not in force: '),
                       ("php_value outlive.disconect stop", r"httpd.conf:\d+: php_value outlive.disconect is unknown; did you mean outlive.disconnect\?"),
                       ("php_flag ignore_user_abrt on", r"httpd.conf:\d+: php_flag ignore_user_abrt is unknown; did you mean ignore_user_abort\?"),
                       ("php_value outlive.quite.another 1", r"httpd.conf:\d+: php_value outlive.quite.another is unknown\n")):
        code, answer = configtest(line)
        assert code == 0 and re.search(said, answer), (line, answer)
    code, answer = configtest("php_value outlive.disconnect stop")
    assert code == 0 and "outlive:" not in answer, answer
    code, answer = configtest("OutliveScoreboard off")
    assert code != 0 and "OutliveScoreboard: off is neither a path nor none" in answer, answer
    php = ["LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so"]
    code, answer = configtest("php_value outlive.disconnect auto", php)
    assert code == 0 and "outlive:" not in answer, answer
    code, answer = configtest("php_value outlive.disconnect auto\nphp_value outlive.detect watch", php)
    assert re.search(r"httpd.conf:\d+: php_value outlive.detect is not for programs that mod_php runs", answer) is not None, answer
    code, answer = configtest("php_value memory_limit 1M\nphp_value ignore_user_abort 1", php)
    assert code == 0 and "outlive:" not in answer, answer


def test_page():
    """The first lines of the README are taken as they stand, and are in force."""
    page = (ROOT / "bindings/apache/README.md").read_text()
    load, *lines = textwrap.dedent(re.search(r"(?m)(?:^    .*\n|^\n)+(?=Build and install)", page)[0]).strip().splitlines()
    assert load == "LoadModule outlive_module modules/mod_outlive.so", load
    conf = "\n".join(lines)
    code, answer = configtest(conf)
    assert code == 0 and "outlive:" not in answer, answer
    with Httpd(f"{conf}\n<Location /report/settings>\n  SetHandler outlive-settings\n</Location>\n") as server:
        said = json.loads(server.ask("/report/settings?name=max_execution_time,outlive.clock,outlive.disconnect,outlive.detect")[2])["settings"]
        assert {name: one["value"] for name, one in said.items()} == {"max_execution_time": "60", "outlive.clock": "wall", "outlive.disconnect": "auto",
                                                                      "outlive.detect": "watch"}, said


def test_htaccess():
    """A mistake in an .htaccess file is said once, however often it is read."""
    with Httpd("", limits="StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxRequestWorkers 1") as server:
        server.file("www/sub/.htaccess", "php_value outlive.disconnect banana\nphp_value outlive.clok wall\n")
        server.file("www/sub/f.txt", "f\n")
        for _ in range(5):
            assert server.ask("/sub/f.txt")[0] == 200
        for said in ('/sub/.htaccess:1: php_value outlive.disconnect "banana" is not in force', "/sub/.htaccess:2: php_value outlive.clok is unknown; did you mean"):
            lines = [line for line in server.said().splitlines() if said in line]
            assert len(lines) == 1, (said, server.said())


def test_secrets(server):
    text = server.ask("/settings")[2].decode()
    assert "geheim" not in text, re.findall(".*geheim.*", text)
    said = json.loads(text)["settings"]
    assert said["mysqli.default_pw"]["value"] == "***" and said["session.save_path"]["value"] == "***", said["mysqli.default_pw"]
    assert said["memory_limit"]["value"] == "77M" and said["mysqli.default_user"]["value"] == "", said["mysqli.default_user"]


def test_numbers(server):
    server.file("www/f.txt", "f\n")
    for _ in range(7):
        server.ask("/f.txt")
    completed = 'requests_ended_total{ending="completed"}'
    before = wait_for("they are counted", lambda: (now := server.counters())[completed] >= 7 and now)
    server.restart()
    server.ask("/f.txt")
    wait_for("the counters go on", lambda: server.counters()[completed] > before[completed])
    after = server.counters()
    assert all(after[key] >= value for key, value in before.items()), (before, after)
    assert server.ask("/metrics")[1]["Content-Type"].startswith("text/plain; version=0.0.4")


def test_strangers(server, back):
    client = server.client("/work/x%1b%5b31m%7f%c2%9b%ffy?held&silent")
    page = wait_for("it is listed", lambda: b"/work/x" in (now := server.ask("/live")[2]) and now)
    assert b"/work/x\\u{1b}[31m\\u{7f}\\u{9b}\\xffy" in page, page[page.index(b"/work/x"):][:80]
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", page)
    server.live()
    client.go()
    back.released |= set(back.begun)


def test_half_closed(server, back):
    """As without the module: what is written after its last request still reaches it."""
    for name, how in (("half1", "&silent"), ("half2", "")):
        path = f"/work/{name}"
        client = server.client(f"{path}?held{how}")
        client.socket.shutdown(socket.SHUT_WR)
        server.noticed(path)
        back.released.add(name)
        seen = rest(client.socket)
        assert seen.startswith(b"HTTP/1.1 200") and b"the end" in seen, (path, seen)
        client.socket.close()


def test_boards():
    """OutliveScoreboard is opened by root: what is there already is not handed to anybody, nor written to, nor followed."""
    if os.geteuid() != 0:
        pytest.skip("root alone opens it")
    www = pwd.getpwnam("www-data").pw_uid

    def refused(make):
        with tempfile.TemporaryDirectory() as there:
            os.chmod(there, 0o1777)
            path = pathlib.Path(there, "board")
            path = make(path) or path
            before = [(one.lstat().st_uid, one.lstat().st_mode, one.lstat().st_size) for one in sorted(pathlib.Path(there).rglob("*"))]
            with Httpd(f"OutliveScoreboard {path}\nphp_value outlive.disconnect stop\n") as server:
                server.file("www/f.txt", "f\n")
                assert server.ask("/f.txt")[0] == 200
                assert f"outlive: {path}: no scoreboard: " in server.said(), server.said()
            after = [(one.lstat().st_uid, one.lstat().st_mode, one.lstat().st_size) for one in sorted(pathlib.Path(there).rglob("*"))]
            assert before == after, (before, after)

    def hard_link(path):
        other = path.with_name("other")
        other.write_text("x")
        os.chown(other, www, -1)
        os.chmod(other, 0o600)
        os.link(other, path)

    def turned(path):
        path.with_name("real").mkdir()
        os.symlink(path.with_name("real"), path.with_name("turned"))
        os.lchown(path.with_name("turned"), www, -1)
        return path.with_name("turned") / "board"
    refused(lambda path: (path.write_text("root's own"), os.chmod(path, 0o600), None)[2])
    refused(os.mkfifo)
    refused(hard_link)
    refused(lambda path: os.symlink("/etc/shadow", path))
    refused(turned)
    refused(lambda path: (path.write_text(""), os.chown(path, 65534, -1), None)[2])
    with tempfile.TemporaryDirectory() as there:
        os.chmod(there, 0o755)
        board = pathlib.Path(there, "board")
        for _ in range(2):  # made, and found again
            with Httpd(f"OutliveScoreboard {board}{REPORTS}") as server:
                assert server.live()["notes"] == []
                assert board.stat().st_uid == www and board.stat().st_mode & 0o777 == 0o600


def test_caps():
    """A cap on what works on without a client holds over all children of prefork."""
    conf = """
php_admin_value outlive.max_detached_total 2
php_value outlive.disconnect finish
php_value outlive.detect watch
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
""" + REPORTS
    with backend() as back, Httpd(conf.replace("@BACKEND@", str(back.port))) as server:
        clients = [server.client(f"/work/cap{number}?held&silent") for number in range(10)]
        wait_for("all have begun", lambda: len(back.begun) == 10, 60)
        for client in clients:
            client.go()
        left = wait_for("what is beyond the cap has stopped", lambda: (now := server.live())["in_flight"] <= 2 and now)
        assert left["detached"] == 2, left
        wait_for("the backend has lost eight", lambda: sum(end.startswith("lost") for end in back.ends.values()) == 8)
        # Not outlive.disconnect, which says finish.
        wait_for("the log names the cap", lambda: server.said().count("stopped by a cap: outlive.max_detached_total = 2 (from ") == 8)


@pytest.fixture(scope="module")
def server():
    limits = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxRequestWorkers 8"
    with backend() as back, Httpd(CONF.replace("@BACKEND@", str(back.port)), php_ini=INI, limits=limits) as server:
        server.back = back
        yield server
