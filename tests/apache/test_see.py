"""What can be seen and asked: outlive-settings, the functions for other modules, the status page in a browser, the error log."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from lib import BUILD, REPORTS, ROOT, Httpd, backend, wait_for

sys.path.append(str(ROOT / "tests/demo"))
from browser import Browser  # noqa: E402

EXAMPLE = [f"LoadModule outlive_example_module {BUILD}/mod_outlive_example.so"]
CONF = """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
<Location /work>
  php_flag ignore_user_abort on
  php_value outlive.detect watch
  php_value memory_limit 64M
</Location>
<Location /example>
  SetHandler outlive-example
  php_value outlive.detect watch
</Location>
<Location /example/off>
  OutliveEngine Off
</Location>
<Location /example/cap>
  php_value outlive.max_detached 7
</Location>
<Location /settings>
  php_admin_value ignore_user_abort 1
</Location>
<Location /server-status>
  SetHandler server-status
</Location>
""" + REPORTS


def test_settings(server):
    status, headers, body = server.ask("/settings?name=ignore_user_abort,max_execution_time,hard_timeout")
    assert status == 200 and headers["Content-Type"] == "application/json", (status, headers)
    said = json.loads(body)["settings"]
    assert set(said) == {"ignore_user_abort", "max_execution_time", "hard_timeout"}, said
    one = said["ignore_user_abort"]
    assert (one["value"], one["locked"], one["access"]) == ("1", True, 4), one
    assert one["file"].endswith("httpd.conf") and one["line"] > 0, one
    assert said["max_execution_time"]["value"] == "77" and said["max_execution_time"]["file"].endswith("php.ini"), said
    assert said["hard_timeout"]["layer"] == "built-in default" and "file" not in said["hard_timeout"], said


def test_named(server):
    """What is not acted on is named once, with its line; a value that cannot be in force, too."""
    lines = [line for line in server.said().splitlines() if "memory_limit is not applied" in line]
    assert len(lines) == 1 and "httpd.conf:" in lines[0], lines
    lines = [line for line in server.said().splitlines() if 'outlive.max_detached "7" is not in force' in line]
    assert len(lines) == 1 and "httpd.conf:" in lines[0], lines
    server.file("www/sub/.htaccess", "php_value memory_limit 1M\nphp_flag ignore_user_abort on\n")
    server.file("www/sub/f.txt", "f\n")
    for _ in range(5):
        assert server.ask("/sub/f.txt")[0] == 200
    lines = [line for line in server.said().splitlines() if "/sub/.htaccess:1: php_value memory_limit is not applied" in line]
    assert len(lines) == 1, lines  # there is one child
    server.file("www/bad/.htaccess", "php_admin_value ignore_user_abort on\n")
    server.file("www/bad/f.txt", "f\n")
    assert server.ask("/bad/f.txt")[0] == 500


def test_functions(server):
    """The functions for other modules: go on, or stop at a safe point; the shutdown function is told, once."""
    def endings():
        return [line.split("example: ")[1] for line in server.said().splitlines() if "example: " in line]
    assert server.ask("/example")[2] == b"40 steps\n"
    wait_for("the shutdown function has run", lambda: endings() == ["ending 1 after 40 steps"])
    def stopped():
        """Its client goes while it works. On a busy machine it may have done all of it by then."""
        before = len(endings())
        client = server.client("/example")
        wait_for("it is in flight, or over", lambda: any(row["label"] == "/example" for row in server.live()["requests"]) or len(endings()) > before)
        client.go()
        wait_for("the shutdown function has run again", lambda: len(endings()) == before + 1)
        ending, steps = endings()[-1].split(" after ")
        if steps == "40 steps":
            return False
        assert ending == "ending 3" and int(steps.split()[0]) % 2 == 0, endings()
        return True
    assert any(stopped() for _ in range(10)), endings()
    before = len(endings())
    assert server.ask("/example/off")[2] == b"40 steps\n"
    wait_for("it runs without a request, too", lambda: endings()[before:] == ["ending 0 after 40 steps"])


def test_status(server, back):
    assert server.live()["notes"] == [], server.live()  # of all children, and there is no mod_php
    # Whoever looks is not among what he sees.
    wait_for("those of the tests before have ended", lambda: server.live()["in_flight"] == 0)
    assert b"Nothing is in flight." in server.ask("/live")[2]
    gone = server.client("/work/seen?held&silent")
    wait_for("it has begun", lambda: "seen" in back.begun)
    there = server.client("/work/there?held&silent")
    wait_for("it has begun", lambda: "there" in back.begun)
    gone.go()
    seen = wait_for("one is detached", lambda: (now := server.live())["detached"] == 1 and now)
    rows = {row["label"]: row for row in seen["requests"]}
    assert seen["in_flight"] == 2 and set(rows) == {"/work/seen", "/work/there"}, seen
    assert rows["/work/seen"]["gone_ms"] >= 0 and rows["/work/seen"]["ignores_abort"] and rows["/work/there"]["gone_ms"] is None, rows
    assert rows["/work/seen"]["process"] != rows["/work/there"]["process"], rows  # two children, one table
    metrics = wait_for("the other child has said so", lambda: "\noutlive_requests_detached 1\n" in (now := server.ask("/metrics")[2].decode()) and now)
    assert 'outlive_requests_ended_total{ending="completed"}' in metrics, metrics
    page = server.ask("/server-status")[2].decode()
    assert 'id="outlive"' in page and "/work/seen" in page, page[-2000:]
    assert "OutliveDetached: 1\n" in server.ask("/server-status?auto")[2].decode()
    browse(server)
    # A child that is killed leaves what it had begun.
    os.kill(rows["/work/seen"]["process"], signal.SIGKILL)
    dead = wait_for("it is unfinished", lambda: (now := server.live())["unfinished"] == 1 and now)
    assert [row["label"] for row in dead["requests"] if row["unfinished"]] == ["/work/seen"], dead
    there.go()
    back.released |= {"seen", "there"}


def browse(server):
    if not shutil.which("chromedriver"):
        print("left out: the status page in a browser (chromium)", file=sys.stderr)
        assert os.environ.get("CI") != "true"
        return
    profile = tempfile.mkdtemp(prefix="outlive-profile-")
    browser = Browser(profile)
    try:
        browser.go(f"http://127.0.0.1:{server.port}/live")
        assert browser.text("#detached") == "1" and browser.text("#in-flight") == "2"
        table = browser.text("#requests")
        assert "/work/seen" in table and "works on" in table and "gone" in table, table
        assert re.search(r"gone [0-9.]+ s ago, works on", " ".join(table.split())) and "%" not in table, table
        wide = browser.script("return document.documentElement.scrollWidth <= window.innerWidth")
        assert wide, "the page is wider than its window"
        assert browser.text("#accepted") == "0" and browser.text("#unresponsive") == "0" and browser.text("#unfinished") == "0"
        browser.script("document.querySelector('#live').firstElementChild.id = 'old'")
        wait_for("the page is read anew", lambda: browser.script("return document.querySelector('#old') === null"))
        browser.script("document.getElementById('pause').click(); document.querySelector('#live').firstElementChild.id = 'old'")
        time.sleep(2.5)
        assert browser.script("return document.querySelector('#old') !== null"), "it was paused"
    finally:
        browser.close()
        shutil.rmtree(profile, ignore_errors=True)


def test_beside_php():
    """Both modules are asked for every php_value; each does its part, and nothing is named as not applied."""
    conf = """
AddHandler application/x-httpd-php .php
php_value memory_limit 64M
php_flag ignore_user_abort on
""" + REPORTS
    load = "LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so"
    with Httpd(conf, more=[load], php_ini="max_execution_time = 77\n") as server:
        server.file("www/p.php", "<?php foreach (['memory_limit', 'ignore_user_abort', 'max_execution_time'] as $k) echo ini_get($k), ' ';")
        assert server.ask("/p.php")[2] == b"64M 1 77 ", server.ask("/p.php")
        said = json.loads(server.ask("/settings?name=ignore_user_abort,memory_limit,max_execution_time")[2])["settings"]
        assert {name: one["value"] for name, one in said.items()} == {
            "ignore_user_abort": "1", "memory_limit": "64M", "max_execution_time": "77"}, said
        assert "is not applied" not in server.said(), server.said()
        assert b">Programs that mod_php runs are not listed here" in server.ask("/live")[2], server.ask("/live")[2]
        assert "mod_php" in server.live()["notes"][0], server.live()
    with Httpd(conf + load, php_ini="max_execution_time = 77\n") as server:  # the other way round
        server.file("www/p.php", "<?php echo ini_get('memory_limit');")
        assert server.ask("/p.php")[2] == b"64M", server.ask("/p.php")


def test_built_in():
    """The php.ini that the module was built to look for, and its conf.d, as mod_php has them."""
    with tempfile.TemporaryDirectory() as there:
        os.chmod(there, 0o755)
        ini = pathlib.Path(there, "ini")
        (ini / "conf.d").mkdir(parents=True)
        (ini / "php.ini").write_text("max_execution_time = 41\nmemory_limit = 41M\n")
        (ini / "conf.d/20-more.ini").write_text("memory_limit = 42M\n")
        subprocess.run(["make", "-s", "apache-module", f"APACHE_BUILD={there}/built", f"PHP_INI_DIR={ini}"], cwd=ROOT, check=True)
        conf = "<Location /settings>\nSetHandler outlive-settings\n</Location>\n"
        load = f"LoadModule outlive_module {there}/built/mod_outlive.so\nOutliveHandlers On"

        def values(*more):
            with Httpd(conf, module=False, more=[load, *more], php_ini="max_execution_time = 77\n") as server:
                said = json.loads(server.ask("/settings?name=max_execution_time,memory_limit")[2])["settings"]
                return [(one["value"], one["file"]) for one in (said["max_execution_time"], said["memory_limit"])], server.root
        assert values()[0] == [("41", f"{ini}/php.ini"), ("42M", f"{ini}/conf.d/20-more.ini")]
        said, root = values("PHPINIDir @ROOT@/php.ini")
        assert said == [("77", f"{root}/php.ini"), ("42M", f"{ini}/conf.d/20-more.ini")], said


def test_example_without_mod_outlive(back):
    """Nothing of mod_outlive is needed to load a module that uses it."""
    conf = CONF.replace("@BACKEND@", str(back.port)).replace("php_", "#php_").replace("Outlive", "#Outlive")
    with Httpd(conf, more=EXAMPLE, module=False) as server:
        assert server.ask("/example")[2] == b"40 steps\n"


@pytest.fixture(scope="module")
def server():
    limits = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxRequestWorkers 8"
    with backend() as back, Httpd(CONF.replace("@BACKEND@", str(back.port)), more=EXAMPLE, limits=limits, php_ini="max_execution_time = 77\n") as server:
        server.back, server.may_crash = back, True  # one is killed
        yield server
