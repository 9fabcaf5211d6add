#!/usr/bin/env python3
"""Real Prometheus and node_exporter beside a real httpd: what is counted is what happened, whoever is killed; the alert comes and goes; every expression that
is shipped finds series. The argument is the outlive command."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/apache"))
from lib import REPORTS, Httpd, backend, free_port, wait_for  # noqa: E402

OUTLIVE = os.path.abspath(sys.argv[1])
REQUESTS = 382
CONF = """
OutliveScoreboard @ROOT@/run/board
ProxyPass /work/ http://127.0.0.1:@BACKEND@/
<Location /work>
  php_flag ignore_user_abort on
  php_value outlive.detect watch
</Location>
""" + REPORTS
LIMITS = "StartServers 2\nMinSpareServers 2\nMaxSpareServers 4\nServerLimit 6\nMaxRequestWorkers 6"


class Process:
    """A server of ours, ended with the test."""

    def __init__(self, *command, **how):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(part) for part in command], stdout=self.log, stderr=subprocess.STDOUT, **how)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if kind is not None:
            self.log.seek(0)
            print(self.log.read().decode(errors="replace")[-3000:], file=sys.stderr)


class Prometheus(Process):
    """Prometheus with the rules that are shipped, looking twice a second."""

    def __init__(self, place, httpd, node):
        self.port = free_port()
        rules = (ROOT / "packaging/prometheus/rules.yml").read_text()
        (place / "rules.yml").write_text(re.sub(r"(?m)^(\s+for:) .*$", r"\1 0s", rules))
        (place / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}
rule_files: [rules.yml]
scrape_configs:
  - {{job_name: httpd, metrics_path: /metrics, static_configs: [{{targets: ["127.0.0.1:{httpd}"]}}]}}
  - {{job_name: node, static_configs: [{{targets: ["127.0.0.1:{node}"]}}]}}
""")
        super().__init__("prometheus", f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/data",
                         f"--web.listen-address=127.0.0.1:{self.port}", cwd=place)

    def ask(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is starting
                return None
            raise AssertionError(f"{query}: {json.load(error)['error']}") from None
        except OSError:
            return None

    def series(self, expression):
        answer = self.ask("query", query=expression)
        return [] if answer is None else answer["result"]

    def value(self, expression):
        found = self.series(expression)
        return float(found[0]["value"][1]) if found else None

    def firing(self, name):
        answer = self.ask("alerts") or {"alerts": []}
        return [one for one in answer["alerts"] if one["labels"]["alertname"] == name and one["state"] == "firing"]


def outlive(*arguments, expect=0):
    done = subprocess.run([OUTLIVE, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == expect, (arguments, done)
    return done.stdout


def names_are_clean(text):
    """promtool has nothing to say of them."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == "" and done.stderr == "", done


def every_one_is_counted(server, prometheus):
    server.file("www/f.txt", "f\n")
    for number in range(REQUESTS):
        path = "/work/quick?steps=1&pause=0" if number % 4 == 0 else "/f.txt"
        assert server.ask(path)[0] == 200
    ended = 'sum(outlive_requests_ended_total{job="httpd"})'
    wait_for(f"{REQUESTS} are {REQUESTS}", lambda: prometheus.value(ended) == REQUESTS)
    assert prometheus.value('outlive_requests_begun_total{job="httpd"}') == REQUESTS
    assert prometheus.value('outlive_request_duration_seconds_count{job="httpd"}') == REQUESTS
    time.sleep(1.2)  # no further ones come to light
    assert prometheus.value(ended) == REQUESTS, prometheus.value(ended)


def nothing_falls(server, back, prometheus, board):
    """A worker is killed while it works: no counter falls, what it had begun is told of until it is cleared."""
    client = server.client("/work/lost?steps=1&pause=60&silent")
    wait_for("it has begun", lambda: "lost" in back.begun)
    client.go()
    wait_for("Prometheus sees it work on", lambda: prometheus.value('outlive_requests_detached{job="httpd"}') == 1)
    [row] = json.loads(outlive("status", board, "--json"))["requests"]
    assert row["state"] == "detached" and row["label"] == "/work/lost", row
    before = {name: prometheus.value(name) for name in ('sum(outlive_requests_ended_total{job="httpd"})', 'outlive_requests_begun_total{job="httpd"}')}
    assert not prometheus.firing("OutliveUnfinishedRequests")
    os.kill(row["process"], signal.SIGKILL)
    wait_for("the alert fires", lambda: prometheus.firing("OutliveUnfinishedRequests"))
    for name, value in before.items():
        assert prometheus.value(name) >= value, (name, value)
    assert prometheus.value('sum(resets(outlive_requests_ended_total{job="httpd"}[5m]))') == 0
    assert prometheus.value('outlive_requests_detached{job="httpd"}') == 0
    assert "/work/lost" in outlive("status", board, "--unfinished", expect=1)
    assert outlive("status", board, "--clear", "--process", row["process"]) == "forgot 1 unfinished request\n"
    wait_for("the alert resolves", lambda: not prometheus.firing("OutliveUnfinishedRequests"))


def restarts(server, prometheus):
    before = prometheus.value('sum(outlive_requests_ended_total{job="httpd"})')
    server.restart()
    server.ask("/f.txt")
    wait_for("counters go on", lambda: prometheus.value('sum(outlive_requests_ended_total{job="httpd"})') == before + 1)
    assert prometheus.value('sum(resets(outlive_requests_ended_total{job="httpd"}[5m]))') == 0


def textfile(prometheus, board, directory):
    """What the command writes for node_exporter is the same as what httpd says."""
    assert outlive("status", board, "--metrics", "--output", directory / "outlive.prom") == ""
    assert sorted(path.name for path in directory.iterdir()) == ["outlive.prom"]
    names_are_clean((directory / "outlive.prom").read_text())
    for name in ("sum(outlive_requests_ended_total{job=%r})", "outlive_request_duration_seconds_count{job=%r}"):
        wait_for("node_exporter has it", lambda: prometheus.value(name % "node") == prometheus.value(name % "httpd"))
    assert prometheus.value('node_textfile_scrape_error') == 0


def every_expression(prometheus):
    """Those of the dashboard as Grafana would fill them in; those of the rules without the comparison."""
    found = 0
    for panel in json.loads((ROOT / "packaging/grafana/outlive.json").read_text())["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*")
            assert prometheus.series(expression), f"{panel['title']}: {expression} finds nothing"
            found += 1
    for group in prometheus.ask("rules")["groups"]:
        for rule in group["rules"]:
            assert rule["health"] == "ok", rule
            expression = re.sub(r"\s+> \d+$", "", rule["query"].strip())
            assert expression != rule["query"] and prometheus.series(expression), f"{rule['name']}: {expression} finds nothing"
            found += 1
    return found


def main():
    with tempfile.TemporaryDirectory(prefix="outlive-fleet-") as there, backend() as back:
        place = pathlib.Path(there)
        textfiles = place / "textfiles"
        textfiles.mkdir()
        with Httpd(CONF.replace("@BACKEND@", str(back.port)), limits=LIMITS) as server:
            server.may_crash = True  # one is killed
            board, node = server.root / "run/board", free_port()
            exporter = ("prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{node}", "--collector.disable-defaults",
                        "--collector.textfile", f"--collector.textfile.directory={textfiles}")
            with Process(*exporter), Prometheus(place, server.port, node) as prometheus:
                wait_for("Prometheus looks", lambda: prometheus.value('up{job="httpd"} + on() up{job="node"}') == 2)
                names_are_clean(server.ask("/metrics")[2].decode())
                names_are_clean(outlive("status", board, "--metrics"))
                every_one_is_counted(server, prometheus)
                nothing_falls(server, back, prometheus, board)
                restarts(server, prometheus)
                textfile(prometheus, board, textfiles)
                found = every_expression(prometheus)
    print(f"{REQUESTS} requests are {REQUESTS}; nothing fell; the alert came and went; {found} expressions find series")


main()
