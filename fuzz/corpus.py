"""Writes a corpus for each fuzz target, from the recorded cases: corpus.py DIRECTORY."""

import hashlib
import json
import pathlib
import random
import sys

CASES = pathlib.Path(__file__).resolve().parent.parent / "tests" / "conformance"
OUT = pathlib.Path(sys.argv[1])


def put(target, data):
    folder = OUT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def lines(path):
    with open(CASES / path, encoding="utf-8", errors="surrogateescape") as file:
        return [json.loads(line) for line in file]


def ini():
    texts = [case["text"] for case in json.loads((CASES / "ini/found.json").read_text())["cases"] if len(case.get("text", "")) < 4096]
    for number, text in enumerate(texts):
        put("ini", bytes([number % 256]) + text.encode("latin-1"))


def httpd():
    for layout in lines("httpd/layouts.jsonl")[::3] + lines("httpd/found.jsonl"):
        requests = layout["case"].get("requests") or ["/p.php"]
        first = requests[0] if isinstance(requests[0], str) else requests[0]["url"]
        parts = [first, "/etc/httpd.conf\nLoadModule php_module x\n" + layout["conf"].replace("@ROOT@", "/r").replace("@PORT@", "80")]
        parts += [f"/r/{path}\n{text.replace('@ROOT@', '/r').replace('@PROBE@', '<?php')}" for path, text in layout["files"].items()]
        put("httpd", "\x1e".join(parts).encode("utf-8", "surrogateescape"))
        for line in layout["conf"].splitlines():
            if line.startswith(("<If ", "<ElseIf ")):
                put("expression", line.split(None, 1)[1].strip('">').replace('\\"', '"').encode("utf-8", "surrogateescape"))
    for pattern in ("%{REQUEST_URI} =~ m#^/(a+)+$#", "-f '/w/p.php' && !(%{HTTP_HOST} == 'x')", "%{QUERY_STRING} -strmatch '*b'", "1 -lt 2 || unescape('%20') in { 'a', 'b' }"):
        put("expression", pattern.encode())


def fpm():
    pool = b"[www]\nuser = x\nlisten = 9000\npm = static\npm.max_children = 1\nphp_admin_value[memory_limit] = 1M\nphp_flag[display_errors] = on\ninclude=/etc/pool.d/*.conf\n"
    put("fpm", pool + b"\x1e[b]\nphp_value[precision] = 3\n\x1eignore_user_abort=1\nprecision=4")
    put("fpm", b"include=/etc/pool.d/*.conf\n\x1e" + pool + b"\x1e[x]\na=b")


def request():
    dice = random.Random(1)
    for _ in range(200):
        put("request", dice.randbytes(dice.randrange(2, 200)))


def scoreboard():
    dice = random.Random(2)
    for choice in range(256):
        put("scoreboard", bytes([choice]) + dice.randbytes(3 * dice.randrange(1, 40)))


for make in (ini, httpd, fpm, request, scoreboard):
    make()
