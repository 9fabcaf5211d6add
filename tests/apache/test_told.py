"""A process that is told to end while a request runs never says that the request was completed."""

import os
import re
import signal

import pytest
from lib import BUILD, REPORTS, Httpd, wait_for

MPMS = ["prefork", "worker", "event"]


@pytest.mark.parametrize("mpm", MPMS)
def test_told_to_end(mpm, back):
    """SIGTERM to a child, apachectl restart, and SIGTERM to a child that ends gracefully, while requests run."""
    conf = REPORTS + """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
php_value outlive.detect watch
<Location /work/finish>
  php_value outlive.disconnect finish
</Location>
<Location /work/stop>
  php_value outlive.disconnect stop
</Location>
<Location /example>
  SetHandler outlive-example
</Location>
LogFormat "%U %{outlive-ending}n" ending
CustomLog @ROOT@/ending.log ending
OutliveScoreboard @ROOT@/run/board
""".replace("@BACKEND@", str(back.port))
    more = [f"LoadModule outlive_example_module {BUILD}/mod_outlive_example.so"]
    # A child with threads that is told to end waits for them; its parent's patience ends after ten seconds.
    for number, how in enumerate((signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1) if mpm == "prefork" else (signal.SIGHUP,)):
        with Httpd(conf, mpm=mpm, more=more) as server:
            server.may_crash = True
            clients = [server.client(f"/work/{name}{number}?held&silent") for name in ("finish", "stop")]
            clients.append(server.client("/example"))
            wait_for("all have begun", lambda: {f"finish{number}", f"stop{number}"} <= set(back.begun))
            rows = wait_for("they are in the table", lambda: (now := server.live()["requests"]) and len(now) == 3 and now)
            if how == signal.SIGTERM:  # to the children: an operator's kill
                for process in {row["process"] for row in rows}:
                    os.kill(process, signal.SIGTERM)
            elif how == signal.SIGUSR1:
                # The children that are told to end gracefully wait for their requests; then somebody has no patience.
                server.restart()
                for process in {row["process"] for row in rows}:
                    os.kill(process, signal.SIGTERM)
            else:
                server.process.send_signal(how)

            def board():
                try:
                    return server.live()
                except OSError:
                    return None
            left = wait_for("nothing of it is in flight", lambda: (now := board()) and now["in_flight"] == 0 and now, 40)
            said = (server.root / "ending.log").read_text()
            unfinished = {row["label"] for row in left["requests"] if row["unfinished"]}
            for name in (f"/work/finish{number}", f"/work/stop{number}", "/example"):
                told = [line.split()[1] for line in said.splitlines() if line.startswith(name + " ")]
                if name == "/example" and "example: ending 1 after 40 steps" in server.said() and mpm != "prefork":
                    continue  # it was quicker than that
                assert "completed" not in told and "aborted" not in told, (mpm, how, name, told)
                assert name in unfinished or "shutdown" in told, (mpm, how, name, told, unfinished)
            assert "example: ending 1 " not in server.said() or mpm != "prefork", server.said()
            assert not re.search("Segmentation|exit signal (Ab|Se)", server.said()), server.said()
            for client in clients:
                client.go()


@pytest.mark.parametrize("mpm", MPMS)
def test_patience_ends(mpm, back):
    """GracefulShutdownTimeout runs out while a request runs."""
    conf = """
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
php_value outlive.disconnect finish
GracefulShutdownTimeout 1
LogFormat "%U %{outlive-ending}n" ending
CustomLog @ROOT@/ending.log ending
""".replace("@BACKEND@", str(back.port))
    with Httpd(conf, mpm=mpm) as server:
        server.may_crash = True
        client = server.client("/work/patience?held&silent")
        wait_for("it has begun", lambda: "patience" in back.begun)
        server.process.send_signal(signal.SIGWINCH)
        server.process.wait(60)
        assert "patience" not in back.ends or back.ends["patience"] != "done", back.ends
        said = (server.root / "ending.log").read_text().splitlines()
        assert not {"/work/patience completed", "/work/patience aborted", "/work/patience -"} & set(said), said
        assert not re.search("Segmentation|exit signal (Ab|Se)", server.said()), server.said()
        client.go()
