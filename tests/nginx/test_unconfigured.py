"""Loaded and not configured, the module changes nothing: the same bytes of every response, the same log lines, the same files, connections to backends and
threads, over HTTP/1.1, TLS and HTTP/2, whose clients stay or go."""

import pathlib
import re

from backends import FCGI
from server import Nginx, Stream, connect, go, kept_backend, over_tls, rest, wait_for

CONF = """
location /work/ { proxy_pass http://127.0.0.1:@BACKEND@/; }
location /kept/ { proxy_set_header Connection ""; proxy_pass http://kept/; }
location /raw/ { proxy_buffering off; proxy_request_buffering off; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /cached/ { proxy_cache kept; proxy_cache_valid 200 1m; add_header X-Cache $upstream_cache_status; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /refused/ { proxy_pass http://127.0.0.1:1; }
location /php/ { fastcgi_pass 127.0.0.1:@FPM@; @FCGI@ }
location /ssi/ { ssi on; ssi_types *; gzip on; gzip_min_length 1; gzip_types *; }
location /moved { return 302 /elsewhere; }
location /asked/ { auth_request /no; proxy_pass http://127.0.0.1:@BACKEND@/; }
location = /no { internal; return 403; }
error_page 404 /none.html;
"""
HTTP = "proxy_cache_path @ROOT@/tmp/cache keys_zone=kept:1m; upstream kept { server 127.0.0.1:@KEPT@; keepalive 4; }"
PATHS = ["/f.txt", "/none", "/work/a?steps=1&pause=0&silent", "/work/b?steps=1&pause=0&silent", "/work/c?status=500", "/kept/a", "/kept/b", "/raw/d?steps=1&pause=0&silent",
         "/cached/e?steps=1&pause=0&silent", "/cached/e?steps=1&pause=0&silent", "/refused/x", "/php/x?a=b", "/ssi/page", "/moved", "/asked/f", "/outlive"]


def plain(nginx, text):
    text = text.replace(str(nginx.root), "@ROOT@")
    text = re.sub(r"127\.0\.0\.1:\d+|localhost:\d+", "@ADDRESS@", text)
    return re.sub(r"(?m)^(Date|Last-Modified|ETag): .*$", r"\1", text)


def whole(nginx, path, tls=False):
    with (over_tls(nginx.tls) if tls else connect(nginx.port)) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n".encode())
        return plain(nginx, rest(client).decode("latin-1"))


def log_of(nginx):
    """Without times, processes, numbers of connections and ports; and in an order of its own: connections are closed when they are."""
    lines = [re.sub(r"^\S+ \S+ (\[\w+\]) \d+#\d+: (\*\d+ )?", r"\1 ", line) for line in nginx.said().splitlines()]
    # A reset meets whichever call nginx makes next.
    lines = [re.sub(r"(recv|writev|send)\(\) failed \(104", "recv() failed (104", line) for line in lines]
    lines = [line for line in lines if "[notice]" not in line and "closed keepalive" not in line and "while waiting for request" not in line]
    return sorted(re.sub(r"\d{3,}", "N", plain(nginx, line)) for line in lines)


def leavers(nginx, back, kind):
    """Clients that go."""
    for place in ("work", "raw", "cached"):
        for how in ("reset", "close", "half-close"):
            name = f"{kind}-{place}-{how}"
            client = nginx.client(f"/{place}/{name}?held&silent")
            wait_for(f"{name} has begun", lambda: name in back.begun)
            go(client, how)
            if place != "cached":
                assert wait_for(f"{name} is over", lambda: back.ends.get(name)).startswith("lost"), name
            back.released.add(name)  # nginx goes on for its cache
            wait_for(f"{name} is in the access log", lambda: nginx.logged(f"/{place}/{name}"))
    stream = Stream(connect(nginx.h2c))
    one = stream.get(f"/work/{kind}-h2?held&silent")
    wait_for("the stream has begun", lambda: f"{kind}-h2" in back.begun)
    stream.reset(one)
    assert wait_for("the stream is over", lambda: back.ends.get(f"{kind}-h2")).startswith("lost")
    two = stream.get("/f.txt")
    stream.read(two, b"plain")
    stream.go()


def seen(back, fpm, load):
    words = {"FCGI": FCGI, "BACKEND": back.port, "FPM": fpm.port}
    conf, http_part = CONF, HTTP
    for name, value in words.items():
        conf, http_part = conf.replace(f"@{name}@", str(value)), http_part.replace(f"@{name}@", str(value))
    with kept_backend() as kept, Nginx(conf, http=http_part.replace("@KEPT@", str(kept)), load=load, variables=False, tls=True) as nginx:
        for name, text in (("f.txt", "plain\n"), ("ssi/page", "a <!--#include virtual='/f.txt' --> b\n"), ("none.html", "nothing\n"),
                           ("work.php", "<?php ksort($_SERVER); foreach ($_SERVER as $k => $v) if (!preg_match('/PORT|TIME|ID/', $k) && is_string($v)) echo \"$k=$v\\n\";")):
            (nginx.root / "www" / name).parent.mkdir(exist_ok=True)
            (nginx.root / "www" / name).write_text(text)
        responses = {(number, path, tls): whole(nginx, path, tls) for number, path in enumerate(PATHS) for tls in (False, True)}
        stream = Stream(connect(nginx.h2c))
        one = stream.get("/work/a?steps=1&pause=0&silent")
        stream.read(one, b"the end")
        responses["h2"] = stream.seen[one]
        stream.go()
        leavers(nginx, back, "with" if load else "without")
        worker = nginx.workers()[0]
        threads = len(list(pathlib.Path(f"/proc/{worker}/task").iterdir()))
        descriptors = sum(1 for link in pathlib.Path(f"/proc/{worker}/fd").iterdir() if "anon_inode" in link.readlink().name or "anon_inode" in str(link.readlink()))
        files = sorted(path.name for path in (nginx.root / "run").iterdir())
        log = log_of(nginx)
        access = re.sub(r"\b(with|without)-", "", (nginx.root / "access.log").read_text())
    return responses, [re.sub(r"\b(with|without)-", "", line) for line in log], sorted(access.splitlines()), (threads, descriptors, files)


def test_unconfigured(back, fpm):
    without, loaded = seen(back, fpm, False), seen(back, fpm, True)
    assert without[0].keys() == loaded[0].keys() and len(without[1]) > 10
    for key, response in without[0].items():
        assert response == loaded[0][key], key
    for one, other in zip(without[1:], loaded[1:], strict=True):
        assert one == other, f"without: {[line for line in one if line not in other]}\nwith load_module: {[line for line in other if line not in one]}"
