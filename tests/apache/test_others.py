"""Handlers of others: PHP in mod_php follows outlive.disconnect, mod_perl ends while it writes, mod_fcgid's are looked after, a script that runs as
somebody else is named; and a filter that redirects in the middle of a response leaves nothing behind."""

import os
import pathlib
import shlex
import subprocess

import pytest
from lib import REPORTS, Httpd, cgi_module, wait_for
from scripts import left

ALONE = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxRequestWorkers 1"
PHP = """<?php
$name = $_GET['name'];
register_shutdown_function(function () use ($name, &$done) { touch("@ROOT@/run/$name." . ($done ? 'done' : 'lost')); });
if (isset($_GET['insist'])) ignore_user_abort(true);
for ($step = 0; $step < 20; $step++) {
    echo "step $step\\n", str_repeat(' ', 20000);
    flush();
    usleep(50000);
}
$done = true;
"""
PERL = """
<Perl>
package Work;
use Apache2::RequestRec ();
use Apache2::RequestIO ();
use Apache2::Const -compile => qw(OK);
sub note { open(my $file, '>', "@ROOT@/run/$_[0]"); close($file) }
sub handler {
    my $r = shift;
    my ($name) = $r->uri =~ m{([^/]+)$};
    $r->content_type('text/plain');
    my $good = eval {
        for my $step (0 .. 19) {
            $r->print("step $step\\n", ' ' x 20000);
            $r->rflush;
            select(undef, undef, undef, 0.05);
        }
        1;
    };
    note($good ? "$name.done" : "$name.lost");
    die $@ unless $good;
    return Apache2::Const::OK;
}
1;
</Perl>
<LocationMatch "^/(finish|stop|plain)/">
  SetHandler modperl
  PerlResponseHandler Work
</LocationMatch>
<Location /finish>
  php_flag ignore_user_abort on
</Location>
<Location /stop>
  php_value outlive.disconnect stop
</Location>
"""
# What suEXEC does: it becomes somebody else, and works.
SOMEBODY = """
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>
int main(int count, char **names) {
    (void)count;
    char path[4096];
    snprintf(path, sizeof path, "%s.begun", names[0]);
    FILE *begun = fopen(path, "w");
    if (begun == NULL || fclose(begun) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) return 1;
    snprintf(path, sizeof path, "%s.go", names[0]);
    while (access(path, F_OK) != 0) usleep(20000);
    printf("Content-Type: text/plain\\n\\n");
    for (int step = 0; step < 3000; step++) {
        printf("step %d\\n", step);
        if (fflush(stdout) != 0) return 1;
        usleep(20000);
    }
    return 0;
}
"""


def test_php():
    conf = """
AddHandler application/x-httpd-php .php
AddHandler php-script .php8
<Location /auto>
  php_value outlive.disconnect auto
</Location>
<Location /finish>
  php_value outlive.disconnect finish
</Location>
<Location /stop>
  php_value outlive.disconnect stop
  php_flag ignore_user_abort on
</Location>
<Location /locked>
  php_admin_value outlive.disconnect stop
</Location>
<Location /off>
  OutliveEngine Off
  php_value outlive.disconnect finish
</Location>
AliasMatch "^/[a-z]+/work.(php8?)" @ROOT@/www/work.$1
"""
    cases = [("auto", "GET", "", "lost"), ("auto", "POST", "", "done"), ("finish", "GET", "", "done"), ("stop", "POST", "", "lost"),
             ("plain", "GET", "", "lost"), ("plain", "GET", "&insist", "done"), ("stop", "GET", "&insist", "done"),
             ("locked", "POST", "&insist", "lost"), ("off", "GET", "", "lost")]
    with Httpd(conf, more=["LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so"]) as server:
        for ending in ("php", "php8"):
            server.file(f"www/work.{ending}", PHP)
        assert "is not for programs that mod_php runs" not in server.said(), server.said()
        for number, (where, method, query, end) in enumerate(cases):
            ending = "php8" if number < 2 else "php"
            client = server.client(f"/{where}/work.{ending}?name={number}{query}", method, b"a=b" if method == "POST" else b"")
            client.read(b"step 1")
            client.go()
            was = left(server, str(number), "done", "lost")
            assert was == end, (where, method, query, was)


def test_perl():
    with Httpd(PERL, more=["LoadModule perl_module /usr/lib/apache2/modules/mod_perl.so"]) as server:
        for where, end in (("finish", "done"), ("stop", "lost")):
            client = server.client(f"/{where}/{where}")
            client.read(b"step 1")
            client.go()
            assert left(server, where, "done", "lost") == end, where
        wait_for("the log says that it stopped", lambda: "the client has gone; stopped, as outlive.disconnect says" in server.said())
        assert server.ask("/plain/plain")[2].count(b"step") == 20


def test_fcgid():
    """Its handler goes by the name: short files are still not looked after, its scripts are."""
    conf = """
<Directory @ROOT@/www>
  Options +ExecCGI
  AddHandler fcgid-script .fphp
  FcgidWrapper @ROOT@/php .fphp
</Directory>
FcgidIPCDir @ROOT@/run
FcgidProcessTableFile @ROOT@/run/table
""" + REPORTS
    server = Httpd(conf, mpm="event", more=["LoadModule fcgid_module /usr/lib/apache2/modules/mod_fcgid.so"])
    server.file("php", "#!/bin/sh\nexec php-cgi8.2 -n\n", 0o755)
    server.file("www/slow.fphp", '<?php while (file_exists("@ROOT@/run/wait")) { usleep(20000); clearstatcache(); } echo "done";')
    waits = server.file("run/wait", "")
    with server:
        client = server.client("/slow.fphp")
        wait_for("it is listed", lambda: "/slow.fphp" in {row["label"] for row in server.live()["requests"]})
        waits.unlink()
        client.read(b"done")
        client.go()


@pytest.mark.parametrize("mpm, cgi", [("prefork", "cgi"), ("event", "cgid")])
def test_somebody_else(mpm, cgi):
    """No signal of ours reaches it: that is said once, and it ends when it writes."""
    if os.geteuid() != 0:
        pytest.skip("root alone becomes somebody else")
    conf = "ScriptAlias /cgi/ @ROOT@/cgi/\nphp_value outlive.disconnect stop\nphp_value outlive.detect watch\n"
    with Httpd(conf, mpm=mpm, more=cgi_module(cgi)) as server:
        source, scripts = server.file("somebody.c", SOMEBODY), [server.root / f"cgi/one{number}" for number in range(3)]
        for script in scripts:
            subprocess.run(["cc", "-o", script, source], check=True)
            script.chmod(0o4755)
            client = server.client(f"/cgi/{script.name}")
            wait_for("it has begun", pathlib.Path(f"{script}.begun").exists)
            client.go()
        out = "where it runs as another user (suEXEC), it cannot be told to end"
        wait_for("the log says so", lambda: out in server.said())
        for number, script in enumerate(scripts):
            assert server.said().count("the client has gone; stopped") == number
            pathlib.Path(f"{script}.go").touch()
            wait_for("it is stopped with what it writes", lambda: server.said().count("the client has gone; stopped") == number + 1)
        assert server.said().count(out) == 1, server.said()


def test_below():
    """The rest of a response that ended below: nobody waits for it, with a descriptor of its own that nobody gives back."""
    def apxs(what):
        return subprocess.run(["apxs2", "-q", what], check=True, capture_output=True, text=True).stdout.strip()
    conf = "ScriptAlias /cgi/ @ROOT@/cgi/\n<Location /cgi>\n  SetOutputFilter BELOW\n</Location>\nphp_value outlive.detect watch\n"
    more = [*cgi_module("cgi"), "LoadModule below_module @ROOT@/mod_below.so"]
    server = Httpd(conf, more=more, limits=ALONE)
    flags = [*shlex.split(apxs("CFLAGS")), *shlex.split(apxs("EXTRA_CPPFLAGS")), *(f"-I{apxs(where)}" for where in ("INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR"))]
    subprocess.run(["cc", "-shared", "-fPIC", *flags, "-o", server.root / "mod_below.so", pathlib.Path(__file__).with_name("mod_below.c")], check=True)
    with server:
        server.file("www/f.txt", "instead\n")
        server.file("cgi/slow", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nbegun\\n'\nsleep 0.1\necho more\nsleep 0.1\necho end\n", 0o755)
        child = wait_for("there is a child", lambda: server.children()[-1:])[0]

        def waiting():
            return sum("eventfd" in os.readlink(one) for one in pathlib.Path(f"/proc/{child}/fd").iterdir())

        def ask():
            status, _, body = server.ask("/cgi/slow")
            assert status == 200 and b"instead" in body, (status, body)
        ask()
        before = waiting()
        for _ in range(5):
            ask()
        assert waiting() == before, (before, waiting())
