"""Every recorded layout through a real httpd with mod_outlive in the place of mod_php: the same values, the same 500s."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import lib
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = ROOT / "tests/conformance/httpd"
PREAMBLE = json.loads((CASES / "PREAMBLE.json").read_text())
DEFAULTS = PREAMBLE["defaults_omitted_from_expected"]
# What the recorded text says of mod_php is said of mod_outlive here.
INSTEAD = [("application/x-httpd-php", "outlive-settings-as-php"), ("mod_php.c", "mod_outlive.c"),
           ("php_module", "outlive_module")]
# Differences that are meant, with their reason.
EXCEPT = {
    "php-virtual": "a PHP program asks for another file",
    "mp-preload-files": "a PHP program that is run first sets a value",
}


def instead(text):
    for old, new in INSTEAD:
        text = text.replace(old, new)
    return text


class Place:
    """A root of five components, and two ports: one layout after the other runs in it."""

    def __init__(self, module):
        self.module = module
        self.temporary = tempfile.mkdtemp(prefix="outlive-")
        os.chmod(self.temporary, 0o755)
        self.root = f"{self.temporary}/cases/run/r"
        self.ports = [lib.free_port(), lib.free_port()]

    def text(self, text):
        return text.replace("@ROOT@", self.root).replace("@PORT2@", str(self.ports[1])).replace("@PORT@", str(self.ports[0]))

    def recorded(self, text):
        """The other way round."""
        text = text.replace(self.root, "@ROOT@")
        for name, port in zip(("@PORT@", "@PORT2@"), self.ports):
            text = re.sub(rf"(?<!\d){port}(?!\d)", name, text)
        return text

    def lay(self, layout):
        shutil.rmtree(self.root, ignore_errors=True)
        root = pathlib.Path(self.root)
        for directory in ("run", "phpini", "www"):
            (root / directory).mkdir(parents=True)
        case = layout["case"]
        for name, text in layout["files"].items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(instead(self.text(text)).encode("latin-1"))
        for directory in case.get("mkdir", []):
            (root / directory).mkdir(parents=True, exist_ok=True)
        for link, target in case.get("symlinks", {}).items():
            os.symlink(self.text(target), root / link)
        for file, mode in case.get("chmod", {}).items():
            os.chmod(root / file, int(mode, 8))
        (root / "httpd.conf").write_bytes(instead(self.text(layout["conf"])).encode("latin-1"))
        (root / "phpini/php.ini").touch()

    def command(self, case):
        command = ["apache2", "-d", self.root]
        for define in case.get("defines", []):
            command += ["-D", define]
        dropped = case.get("drop_modules", [])
        for line in PREAMBLE["directives_in_order"]:
            words = line.split()
            if words[0] == "LoadModule" and words[1] in dropped or words[0] in ("User", "Group") and os.geteuid():
                continue
            if words[0] == "LoadModule" and words[1] == "php_module":
                command += ["-C", f"LoadModule outlive_module {self.module}"]
                line = "OutliveHandlers On"
            if words[0] == "PHPINIDir":
                if case.get("no_phpinidir"):
                    continue
                line = "PHPINIDir @ROOT@/phpini"
            command += ["-C", instead(self.text(line))]
        for line in case.get("after", []):
            command += ["-c", instead(self.text(line))]
        return [*command, "-f", f"{self.root}/httpd.conf"]

    def ask(self, query):
        query = {"url": query} if isinstance(query, str) else query
        port = self.ports[1] if query.get("port") == 2 else self.ports[0]
        for name, text in query.get("write", {}).items():
            file = pathlib.Path(self.root, name)
            file.unlink() if text is None else file.write_text(instead(self.text(text)))
        host = query.get("host", f"localhost:{port}")
        lines = [f"{query.get('method', 'GET')} {query['url']} {query.get('proto', 'HTTP/1.1')}"]
        lines += [f"Host: {host}"] if host is not None else []
        lines += [f"{name}: {value}" for name, value in query.get("headers", {}).items()]
        lines += ["Connection: close", "", ""]
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(self.text("\r\n".join(lines)).encode("latin-1"))
            answer = http.client.HTTPResponse(connection, method=query.get("method", "GET"))
            answer.begin()
            return answer.status, answer.headers.get("Location"), answer.read()

    def run(self, layout):
        """What differs from what was recorded."""
        case, expected = layout["case"], layout["expected"]
        self.lay(layout)
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C", "PHP_INI_SCAN_DIR": ""}
        environment.update({name: self.text(value) for name, value in case.get("env", {}).items()})
        command = self.command(case)
        if not expected["config_ok"] or not expected.get("requests"):
            test = subprocess.run([*command, "-t"], env=environment, capture_output=True, timeout=60)
            said = (test.stdout + test.stderr).decode("utf-8", "backslashreplace")
            differs = [] if (test.returncode == 0) == expected["config_ok"] else [f"-t: {test.returncode} {said}"]
            last = [line for line in expected["config_messages"] if line.strip()][-1:]
            # httpd cuts a very long message where the length of its paths says so.
            if not expected["config_ok"] and last and instead(last[0])[:1000] not in self.recorded(said):
                differs.append(f"-t says {self.recorded(said)!r} instead of {last[0]!r}")
            return differs
        server = subprocess.Popen([*command, "-DFOREGROUND"], env=environment, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, start_new_session=True)
        try:
            if not self.up(server):
                return [f"did not start: {server.stdout.read().decode(errors='replace') if server.poll() is not None else ''}"]
            differs = []
            for wanted in expected["requests"]:
                differs += self.compare(wanted)
            return differs
        finally:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
            server.communicate(timeout=60)

    def up(self, server):
        until = time.monotonic() + 60
        while server.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.ports[0]), 5).close()
                return True
            except OSError:
                time.sleep(0.01)
        return False

    def compare(self, wanted):
        where = wanted["request"]
        try:
            status, location, body = self.ask(where)
        except (OSError, http.client.HTTPException) as error:
            return [f"{where}: {error!r}"]
        if status != wanted["status"]:
            return [f"{where}: {status} instead of {wanted['status']}"]
        differs = []
        if location is not None and self.recorded(location) != wanted.get("location"):
            differs.append(f"{where}: leads to {location} instead of {wanted.get('location')}")
        begin = body.find(b'{"outlive"')  # an included part has text around it
        ours = begin >= 0
        if ours != bool(wanted.get("php")):
            return [*differs, f"{where}: {'answered' if ours else 'not answered'} by the handler: {body[:200]}"]
        if not ours:
            return differs
        answer, _ = json.JSONDecoder().raw_decode(body[begin:].decode())
        file = wanted["php"]["server"].get("SCRIPT_FILENAME")
        if file is not None and self.recorded(answer["file"]) != file:
            differs.append(f"{where}: {answer['file']} instead of {file}")
        for name, default in DEFAULTS.items():
            want, have = wanted["php"]["ini"].get(name, default), answer["settings"][name]
            have = (self.recorded(have["value"]), self.recorded(have["global"]), have["access"])
            # A program's own view of the global value shows what the request has set, too.
            if (want["get"] or "", have[1] and want["global"], want["access"]) != have:
                differs.append(f"{where}: {name} is {have} instead of {want}")
        return differs


LAYOUTS = {layout["name"]: layout for layout in map(json.loads, (CASES / "layouts.jsonl").read_text(encoding="utf-8").splitlines())}


@pytest.fixture(scope="module")
def answers(request):
    """The layouts that were asked for, four at a time beside each other: what differs in each, as a promise."""
    places, made = threading.local(), []

    def run(layout):
        if not hasattr(places, "mine"):
            places.mine = Place(lib.BUILD / "mod_outlive.so")
            made.append(places.mine)
        return places.mine.run(layout)
    names = [item.callspec.params["name"] for item in request.session.items if item.module is request.module]
    pool = concurrent.futures.ThreadPoolExecutor(4)
    try:
        yield {name: pool.submit(run, LAYOUTS[name]) for name in names}
    finally:
        pool.shutdown(cancel_futures=True)
        for place in made:
            shutil.rmtree(place.temporary, ignore_errors=True)


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout(name, answers):
    differs = answers[name].result()
    assert bool(differs) == (name in EXCEPT), "\n".join(differs[:4]) or f"it is as recorded, though it should differ: {EXCEPT[name]}"
