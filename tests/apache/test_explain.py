"""`outlive get` and `explain` for what mod_outlive acts on: the values, files and lines that a real httpd shows in outlive-settings, on random
configurations; whose php_value lines they are; and what PHP in mod_php is told."""

import json
import os
import random
import subprocess

import lib
import pytest

NAMES = ["outlive.disconnect", "outlive.detect", "outlive.clock", "outlive.max_detached", "outlive.max_detached_total",
         "outlive.max_detached_time", "outlive.half_close", "outlive.shutdown", "outlive.shutdown_time", "outlive.after_finish",
         "ignore_user_abort", "max_execution_time", "hard_timeout"]
# What answers, and the paths that it answers: a file, one that another server has, one that runs as a program, PHP in FPM.
PATHS = ["/x.txt", "/sub/x.txt", "/sub/deep/y.txt", "/app/basket", "/app/form/send", "/fcgi/index.php", "/sub/run.php", "/cgi/hello.cgi"]
# A request with this header shows mod_outlive's values for the same request without it.
SETTINGS = '<If "-n %{HTTP:X-Settings}">\nSetHandler outlive-settings\n</If>\nSetEnvIf X-Settings . no-proxy'
FIXED = """
Alias /app @ROOT@/elsewhere
Alias /fcgi @ROOT@/elsewhere
ProxyPass /app http://127.0.0.1:9/
ProxyPass /fcgi fcgi://127.0.0.1:9/@ROOT@/www
ScriptAlias /cgi @ROOT@/cgi
<FilesMatch "\\.php$">
SetHandler "proxy:fcgi://127.0.0.1:9"
</FilesMatch>
""" + SETTINGS


def line(random_, admin):
    name, values = random_.choice([
        ("outlive.disconnect", ["auto", "finish", "stop", "php"]), ("outlive.detect", ["watch", "write"]),
        ("outlive.clock", ["wall", "cpu"]), ("outlive.max_detached_total", ["3", "40"]), ("outlive.shutdown_time", ["7"]),
        ("ignore_user_abort", ["on", "off"]), ("max_execution_time", ["5", "60", "0"]), ("hard_timeout", ["9"])])
    word = random_.choice(["php_value", "php_admin_value"] if admin else ["php_value"])
    return f"{word} {name} {random_.choice(values)}"


def configuration(random_):
    """Lines in every kind of container, and an .htaccess."""
    lines = [line(random_, True) for _ in range(3)]
    for begin, end in [("<Directory @ROOT@/www>", "Directory"), ("<Directory @ROOT@/www/sub>", "Directory"), ("<Location /app>", "Location"),
                       ("<LocationMatch ^/app/form>", "LocationMatch"), ('<FilesMatch "\\.(txt|php)$">', "FilesMatch"),
                       ('<If "%{REQUEST_URI} =~ /deep|basket/">', "If"), ("<Location /cgi>", "Location"), ("<Location /fcgi>", "Location")]:
        if random_.random() < 0.7:
            lines += [begin, *[line(random_, True) for _ in range(random_.randint(1, 3))], f"</{end}>"]
    return "\n".join([*lines, FIXED]), "".join(line(random_, False) + "\n" for _ in range(3))


def ask(outlive, httpd, *args):
    command = [outlive, *args, "--httpd-conf", f"{httpd.root}/httpd.conf", "--json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def compare(outlive, httpd, path):
    status, _, body = httpd.ask(path, headers={"X-Settings": "1"})
    assert status == 200, (path, status, body)
    own = {name: told for name, told in json.loads(body)["settings"].items() if name in NAMES}
    assert len(own) == len(NAMES), own
    # PHP acts on three of the names by itself where it runs the request.
    names = [name for name in NAMES if name.startswith("outlive.") or not path.endswith(".php")]
    answer = ask(outlive, httpd, "explain", *names, f"http://localhost:{httpd.port}{path}")
    assert answer.returncode == 0, (path, answer)
    told = {one["name"]: one for one in json.loads(answer.stdout)}
    for name in names:
        last = [step for step in told[name]["trail"] if step["fate"] == "in force"][-1]
        got = (told[name]["value"], last["file"], last["line"], told[name]["locked"])
        expected = (own[name]["value"], own[name].get("file"), own[name].get("line"), own[name]["locked"])
        assert got == expected, f"{path} {name}: {got}, and httpd has {expected}\n{(httpd.root / 'httpd.conf').read_text()}"
    return len(names)


def lay_out(httpd, htaccess):
    for name in ["x.txt", "sub/x.txt", "sub/deep/y.txt", "sub/run.php", "index.php"]:
        httpd.file(f"www/{name}", "x")
    # Files of the names that the proxied URLs have: <Files> asks for the last one.
    for name in ["basket", "form/send", "index.php"]:
        httpd.file(f"elsewhere/{name}", "x")
    httpd.file("www/sub/.htaccess", htaccess)
    httpd.file("cgi/hello.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nx'\n", 0o755)


@pytest.fixture(scope="session")
def outlive():
    """The command, built."""
    subprocess.run(["cargo", "build", "--locked", "-q", "-p", "outlive-cli"], cwd=lib.ROOT, check=True)
    return lib.ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/outlive"


@pytest.mark.parametrize("seed", range(3))
def test_the_same_everywhere(outlive, seed):
    conf, htaccess = configuration(random.Random(seed))
    with lib.Httpd(conf, modules=["cgi"], php_ini="max_execution_time = 50\noutlive.max_detached = 4\n") as httpd:
        lay_out(httpd, htaccess)
        assert sum(compare(outlive, httpd, path) for path in PATHS) > 90


def test_whose_lines(outlive):
    conf = FIXED + """
php_value max_execution_time 60
php_value memory_limit 1G
<Location /sub>
OutliveEngine Off
</Location>
"""
    with lib.Httpd(conf, modules=["cgi"]) as httpd:
        lay_out(httpd, "")
        httpd.file("fpm.conf", "[www]\nlisten = 127.0.0.1:9\n")
        httpd.file("fpm.ini", "max_execution_time = 33\n")
        url = f"http://localhost:{httpd.port}"
        fpm = ["--fpm-conf", f"{httpd.root}/fpm.conf", "--php-ini", f"{httpd.root}/fpm.ini"]
        # Behind FPM: PHP's own value, whose the line is, and that mod_outlive acts on it.
        answer = ask(outlive, httpd, "explain", "max_execution_time", "memory_limit", f"{url}/fcgi/index.php", *fpm)
        limit, memory = json.loads(answer.stdout)
        assert limit["value"] == "33", limit
        line_of = {one["name"]: [step["because"] for step in one["trail"] if step["fate"] == "refused"] for one in (limit, memory)}
        assert "it is mod_outlive's" in line_of["max_execution_time"][0] and "mod_outlive does not act on it" in line_of["memory_limit"][0], line_of
        assert "mod_outlive acts on a value of its own for this request: max_execution_time = 60" in answer.stderr, answer
        # A name of mod_outlive's and one of PHP's: each from whoever answers for it.
        answer = ask(outlive, httpd, "get", "outlive.detect", "max_execution_time", f"{url}/fcgi/index.php", *fpm)
        assert json.loads(answer.stdout) == {"outlive.detect": "write", "max_execution_time": "33"}, answer
        # A dump is of PHP, and passes none of its defaults off as mod_outlive's values.
        answer = ask(outlive, httpd, "dump", f"{url}/fcgi/index.php", *fpm)
        assert "memory_limit" in json.loads(answer.stdout) and "outlive.detect" not in json.loads(answer.stdout), answer
        assert "outlive.* directives are left out" in answer.stderr, answer
        # It acts on no memory_limit, and no PHP runs for a plain file.
        answer = ask(outlive, httpd, "get", "memory_limit", f"{url}/x.txt")
        assert answer.returncode == 1 and json.loads(answer.stdout)["status"] == 200, answer
        # Where it is off, that is said, and no value is made up.
        answer = ask(outlive, httpd, "get", "outlive.disconnect", f"{url}/sub/x.txt")
        assert answer.returncode == 1 and "does nothing about this request" in answer.stderr and "OutliveEngine Off" in answer.stderr, answer


def test_beside_mod_php(outlive):
    conf = """
AddHandler application/x-httpd-php .php
<Location /finish>
php_value outlive.disconnect finish
</Location>
<Location /auto>
php_admin_value outlive.disconnect auto
</Location>
<Location /off>
OutliveEngine Off
php_value outlive.disconnect finish
</Location>
""" + SETTINGS
    more = [f"LoadModule php_module {lib.MODULES}/libphp8.2.so"]
    with lib.Httpd(conf, more=more) as httpd:
        for place in ["finish", "auto", "off", "plain"]:
            httpd.file(f"www/{place}/x.php", "<?php echo json_encode(ini_get_all(null, true)['ignore_user_abort']);")
            for method in ["GET", "POST"]:
                status, _, body = httpd.ask(f"/{place}/x.php", method, b"a=b" if method == "POST" else b"")
                real = json.loads(body)
                answer = ask(outlive, httpd, "explain", "ignore_user_abort", f"http://localhost:{httpd.port}/{place}/x.php", "--method", method)
                assert answer.returncode == 0, answer
                told = json.loads(answer.stdout)[0]
                as_flag = {"": "0", None: "0"}.get(real["local_value"], real["local_value"])
                value = {"": "0"}.get(told["value"], told["value"])
                assert (value, told["access"]) == (as_flag, real["access"]), (place, method, real, told)
