"""lighttpd -tt names wrong values, the README's example works, and a module that is only loaded changes nothing."""

import os
import re
import socket

import pytest
from server import ROOT, Lighttpd, rest
from work import CONF

MISTAKES = [
    ('outlive.disconnect = "banana"', 'outlive.disconnect = "banana" is unknown: it is "off", "finish", "stop" or "auto"'),
    ('outlive.time-limit = "soon"', "got a string but expected an integer: outlive.time-limit"),
    ('outlive.half-close = "x"', 'outlive.half-close = "x" is unknown: it is "gone" or "open"'),
    ('outlive.status-url = "live"', 'outlive.status-url = "live" is no path: it begins with /'),
]


@pytest.mark.parametrize("line, said", MISTAKES)
def test_mistake(line, said):
    for conf in (line, f'$HTTP["url"] =~ "^/x" {{ {line} }}'):
        code, answer = Lighttpd(conf).check()
        assert code != 0 and said in answer, (conf, answer)


def test_no_mistake():
    assert Lighttpd('outlive.disconnect = "stop"\noutlive.scoreboard = "@ROOT@/run/board"').check()[0] == 0


def test_example():
    """The page's own example, but for the place of its file: lighttpd takes it, and its list is there."""
    example = (ROOT / "bindings/lighttpd/README.md").read_text().split("```text\n")[1].split("```")[0]
    conf = example.replace("/run/lighttpd/outlive", "@ROOT@/run/board")
    assert conf.startswith('server.modules += ("mod_outlive")\n') and "@ROOT@" in conf, example
    with Lighttpd(conf, module=False) as server:
        assert server.ask("/outlive")[0] == 200 and (server.root / "run/board").exists()
        assert server.ask("/report")[0] == 404


def test_unconfigured(fpm, back):
    """Loaded, and nothing besides: the same responses, the same log, no file, no thread."""
    def seen(module):
        conf = CONF.replace("@POLICY@", "").replace("@FPM@", str(fpm.port)).replace("@BACKEND@", str(back.port)).replace("@STREAM@", "0")
        server = Lighttpd(conf, module=module)
        server.file("www/work.php", '<?php ksort($_SERVER); foreach ($_SERVER as $k => $v) if (!preg_match("/PORT|TIME/", $k) && is_string($v)) echo "$k=$v\\n";')
        server.file("www/f.txt", "plain\n")
        server.file("www/cgi/env.py", "import os\nprint('Content-Type: text/plain\\n')\nfor name in sorted(os.environ): print(name, os.environ[name] if 'PORT' not in name else '')\n")
        with server:
            answers = []
            for path in ("/f.txt", "/none", "/work.php?a=b", "/work/u?steps=2", "/cgi/env.py"):
                client = server.client(path)
                client.socket.shutdown(socket.SHUT_WR)
                text = rest(client.socket)
                client.socket.close()
                text = text.decode("latin-1").replace(str(server.root), "@ROOT@").replace(f":{server.port}", "")
                text = text.replace("Connection: close\r\n", "")  # lighttpd says so where it has seen the end of our side by then
                answers.append(re.sub(r"(?mi)^(Date|Last-Modified|ETag): .*$", r"\1", text))
            threads = len(os.listdir(f"/proc/{server.process.pid}/task"))
            files = sorted(path.name for path in (server.root / "run").iterdir())
            log = [re.sub(r"^\S+ \S+ ", "", line) for line in server.said().splitlines()]
        return answers, threads, files, [re.sub(r"\(server\.c\.\d+\)", "", line) for line in log]
    without, loaded = seen(False), seen(True)
    assert without == loaded, (without, loaded)
    assert without[1] == 1
