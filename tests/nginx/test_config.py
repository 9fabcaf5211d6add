"""nginx -t names wrong values with file and line, and makes nothing; a file that is somebody else's is refused."""

import os
import shutil
import subprocess

import pytest
from server import ROOT, Nginx

WRONG = [
    ("outlive_disconnect maybe;", 'invalid value "maybe" in "outlive_disconnect", it must be "finish", "stop", "auto" or "off"'),
    ("outlive_disconnect finish; outlive_disconnect stop;", '"outlive_disconnect" directive is duplicate'),
    ("outlive_disconnect;", 'invalid number of arguments in "outlive_disconnect" directive'),
    ("outlive_time_limit soon;", 'invalid value "soon" in "outlive_time_limit", it must be a time such as "500ms", "60s" or "5m", or "off"'),
    ("outlive_time_limit 0;", 'invalid value "0" in "outlive_time_limit"'),
    ("outlive_time_limit -1s;", 'invalid value "-1s" in "outlive_time_limit"'),
    ("outlive_max_detached_time 5x;", 'invalid value "5x" in "outlive_max_detached_time"'),
    ("outlive_max_detached 0;", 'invalid value "0" in "outlive_max_detached", it must be a number from 1 to 2147483647, or "off"'),
    ("outlive_max_detached many;", 'invalid value "many" in "outlive_max_detached"'),
    ("outlive_max_detached 99999999999;", 'invalid value "99999999999" in "outlive_max_detached"'),
    ("outlive_scoreboard /run/x;", '"outlive_scoreboard" directive is not allowed here'),
    ("outlive_status;", '"outlive_status" directive is not allowed here'),
    ("location /x { outlive_status; proxy_pass http://127.0.0.1:1; outlive_metrics; }", '"outlive_metrics" directive is in a location that has another handler'),
]
RIGHT = ["outlive_disconnect finish;", "outlive_disconnect off; outlive_time_limit off; outlive_max_detached off; outlive_max_detached_time off;",
         "outlive_time_limit 1h30m; location /a { outlive_time_limit 5; } location /b { outlive_disconnect auto; }"]


def checked(server, http=""):
    """What nginx -t says: its status, its text, the configuration's path and the line of `server` in it."""
    nginx = Nginx(server, http=http)
    with_files = sorted(nginx.root.rglob("*"))
    status, said = nginx.test()
    made = [path for path in nginx.root.rglob("*") if path not in with_files and "scoreboard" in path.name]
    line = next((number for number, text in enumerate(nginx.conf.read_text().splitlines(), 1) if server and server in text), 0)
    shutil.rmtree(nginx.root)
    assert not made, made
    return status, said, f"{nginx.conf}:{line}"


@pytest.mark.parametrize("text, words", WRONG)
def test_wrong(text, words):
    status, said, place = checked(text)
    assert status != 0 and words in said and place in said, said


@pytest.mark.parametrize("text", RIGHT)
def test_right(text):
    status, said, _ = checked(text, "outlive_scoreboard @ROOT@/run/scoreboard;")
    assert status == 0, said


def test_example():
    """The page's own, but for the places of its files."""
    example = (ROOT / "bindings/nginx/README.md").read_text().split("```nginx\n")[1].split("```")[0]
    assert example.startswith("load_module modules/ngx_http_outlive_module.so;\n\nhttp {") and example.count("server {") == 1, example
    http, server = example.split("http {", 1)[1].rsplit("}", 2)[0].split("server {")
    status, said, _ = checked(server, http.replace("/run/nginx.outlive", "@ROOT@/run/scoreboard"))
    assert status == 0, said


def test_cap_without_scoreboard():
    """Counting in all workers needs a place where they count together."""
    status, said, place = checked("outlive_disconnect finish; outlive_max_detached 5;")
    assert status != 0 and f'"outlive_max_detached" counts in all workers together and needs "outlive_scoreboard", which is not set in {place}' in said, said


@pytest.mark.parametrize("http, words", [('outlive_scoreboard "";', 'invalid value "" in "outlive_scoreboard"'),
                                         ("outlive_scoreboard a; outlive_scoreboard b;", '"outlive_scoreboard" directive is duplicate')])
def test_wrong_scoreboard(http, words):
    status, said, _ = checked("", http)
    assert status != 0 and words in said, said


def test_foreign_file():
    """What is there and is no scoreboard of ours is left as it is, and nginx does not start."""
    nginx = Nginx("outlive_disconnect finish;", http="outlive_scoreboard @ROOT@/run/scoreboard;")
    board = nginx.root / "run/scoreboard"
    board.write_text("somebody else's\n")
    done = subprocess.run(nginx.command(), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and f'outlive_scoreboard "{board}"' in done.stderr, done
    assert board.read_text() == "somebody else's\n"
    shutil.rmtree(nginx.root)


@pytest.mark.skipif(os.geteuid() != 0, reason="root gives the file away")
def test_owner():
    with Nginx("outlive_disconnect finish; location / { return 200; }", http="outlive_scoreboard @ROOT@/run/scoreboard;") as nginx:
        nginx.ask("/")
        owner = (nginx.root / "run/scoreboard").stat()
        assert owner.st_uid != 0 and owner.st_mode & 0o777 in (0o600, 0o640, 0o644, 0o660), oct(owner.st_mode)
