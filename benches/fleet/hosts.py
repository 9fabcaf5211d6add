"""Ten thousand hosts' series in a real Prometheus: how many series, how large on disk, how long the shipped rules take over all of them. Needs
prometheus, promtool, and `make lib`. Arguments: the outlive command, and how many hosts (10,000)."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES, EVERY = 5, 15  # of each series, seconds apart


def one_host(outlive, directory):
    """What a host shows: a board with a process that has begun and ended nothing yet."""
    board = directory / "board"
    program = "import outlive, sys; engine = outlive.Engine(scoreboard=sys.argv[1]); input()"
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "bindings/python/src"), "OUTLIVE_LIBRARY": str(target / "release/liboutlive.so")}
    subprocess.run([sys.executable, "-c", program, board], input="\n", text=True, check=True, env=environment)
    return subprocess.run([outlive, "status", board, "--metrics"], capture_output=True, text=True, check=True).stdout


def openmetrics(text, hosts, now):
    """The samples of all hosts, families together, as promtool reads them."""
    out, family = [], ""
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            _, _, family, kind = line.split()
            name = family.removesuffix("_total") if kind == "counter" else family
            out.append(f"# TYPE {name} {kind if kind != 'untyped' else 'unknown'}\n")
        elif line and not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            name, _, labels = series.partition("{")
            labels = labels.rstrip("}")
            for host in range(hosts):
                both = ",".join(filter(None, [labels, f'instance="h{host}:9100",job="outlive"']))
                out.extend(f"{name}{{{both}}} {value} {now - (SAMPLES - at) * EVERY}\n" for at in range(SAMPLES))
    return out, sum(1 for line in text.splitlines() if line and not line.startswith("#"))


def main():
    outlive, hosts = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        samples, series = openmetrics(one_host(outlive, place), hosts, int(time.time()) - 60)
        (place / "all.om").write_text("".join(samples) + "# EOF\n")
        begun = time.monotonic()
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", place / "all.om", place / "data"], check=True, stdout=subprocess.DEVNULL)
        taken = time.monotonic() - begun
        size = sum(path.stat().st_size for path in (place / "data").rglob("*") if path.is_file())
        print(f"{hosts:,} hosts, {series} series each, {hosts * series:,} in all: {size / 1e6:.0f} MB for {SAMPLES} samples, taken in {taken:.0f} s")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (place / "prometheus.yml").write_text(f"rule_files: [{ROOT}/packaging/prometheus/rules.yml]\n")
        server = subprocess.Popen(["prometheus", f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/data", f"--web.listen-address=127.0.0.1:{port}"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(600):
                try:
                    urllib.request.urlopen(url + "/-/ready", timeout=5)
                    break
                except OSError:
                    time.sleep(0.1)
            groups = json.load(urllib.request.urlopen(url + "/api/v1/rules", timeout=60))["data"]["groups"]
            for expression in (rule["query"] for group in groups for rule in group["rules"]):
                begun = time.monotonic()
                asked = urllib.parse.urlencode({"query": expression, "time": int(time.time()) - 90})
                answer = json.load(urllib.request.urlopen(f"{url}/api/v1/query?{asked}", timeout=120))
                assert answer["status"] == "success", answer
                print(f"  {time.monotonic() - begun:6.2f} s  {expression[:110]}")
        finally:
            server.terminate()
            server.wait(60)


main()
