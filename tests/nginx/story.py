#!/usr/bin/env python3
"""The founding story, end to end: Chromium, nginx, real servers, SQLite and PostgreSQL. Somebody submits a form in a tab; tables A and B are written, C is locked; the tab is
closed; C is unlocked. What is saved, with nginx alone and with the module? Makes the table of docs/servers.md: story.py [--write]; test_story.py holds it against the page."""

import contextlib
import os
import pathlib
import runpy
import sqlite3
import subprocess
import sys
import tempfile

from server import ROOT, Fpm, Nginx, free_port, marked, wait_for

sys.path.append(str(ROOT / "tests/demo"))
sys.path.append(str(ROOT / "bindings/python/tests/story"))

import postgres  # noqa: E402
from browser import Browser  # noqa: E402

Formsave = runpy.run_path(str(ROOT / "tests/demo/lib.py"))["Server"]
PAGE = ROOT / "docs/servers.md"
HERE = pathlib.Path(__file__).parent / "story"
SERVER = """
types { text/html html; }
access_log @ROOT@/access.log ours;
access_log @ROOT@/protocols.log combined;
location = /index.html { }
location /c/ { proxy_buffering off; proxy_set_header Host localhost; proxy_pass http://127.0.0.1:@C@/; }
location /python/ { proxy_buffering off; proxy_pass http://127.0.0.1:@PYTHON@/; }
location = /save.php {
    fastcgi_buffering off;
    fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param CONTENT_TYPE $content_type;
    fastcgi_param CONTENT_LENGTH $content_length;
    fastcgi_param SCRIPT_FILENAME @HERE@/save.php;
    fastcgi_param DATABASES @DATABASES@;
    fastcgi_pass 127.0.0.1:@PHP@;
}
"""
COLUMNS = {"nginx alone": "", "with `outlive_disconnect auto`": "outlive_disconnect auto; location = /outlive { outlive_status; }"}
SCHEMES = ("http", "https")  # HTTP/1.1, and HTTP/2 through TLS


class Sqlite:
    """Tables A, B and D in one file, C in another, which can be locked by itself."""

    def __init__(self, place):
        self.place = place
        self.ends = place / "ends"
        self.connection = sqlite3.connect(place / "saved.db", timeout=30, isolation_level=None)
        self.connection.executescript("".join(f"CREATE TABLE {table} (note TEXT);" for table in "abd"))
        self.locker = sqlite3.connect(place / "table-c.db", timeout=30, isolation_level=None)
        self.locker.execute("CREATE TABLE c (note TEXT)")
        self.connection.execute("ATTACH ? AS table_c", (str(place / "table-c.db"),))
        for file in (place / "saved.db", place / "table-c.db"):
            file.chmod(0o666)

    def lock(self):
        self.locker.execute("BEGIN IMMEDIATE")  # who writes waits; who reads does not

    def unlock(self):
        self.locker.execute("ROLLBACK")

    def written(self, note):
        return "".join(table.upper() for table in "abcd" if self.connection.execute(f"SELECT 1 FROM {table} WHERE note = ?", (note,)).fetchone())

    def ended(self, note):
        return self.ends.exists() and note in self.ends.read_text().split()


class Postgres:
    """Tables A to D, of which C can be locked."""

    def __init__(self, server, place):
        self.url, self.ends, self.locker = f"postgresql://postgres@127.0.0.1:{server.port}/postgres", place / "python-ends", None
        self.psql = [postgres.BINARIES / "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.url]
        self.ask("".join(f"CREATE TABLE {table} (note text);" for table in "abcd"))

    def ask(self, sql):
        return subprocess.run([*self.psql, "-c", sql], check=True, stdout=subprocess.PIPE, text=True).stdout.split()

    def lock(self):
        self.locker = subprocess.Popen(self.psql, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.locker.stdin.write("BEGIN; LOCK TABLE c IN EXCLUSIVE MODE; SELECT 'locked';\n")
        self.locker.stdin.flush()
        assert self.locker.stdout.readline() == "locked\n"

    def unlock(self):
        if self.locker:
            self.locker.communicate("ROLLBACK;\n", timeout=60)
            self.locker = None

    def written(self, note):
        return "".join(sorted(self.ask(" UNION ".join(f"SELECT '{table.upper()}' FROM {table} WHERE note = '{note}'" for table in "abcd"))))

    def ended(self, note):
        return self.ends.exists() and note in self.ends.read_text().split()


class OfFormsave:
    """The databases of formsave, which locks C itself."""

    def __init__(self, server):
        self.server, self.written, self.ended = server, server.written, server.ending

    def lock(self):
        self.server.lock(300)

    def unlock(self):
        self.server.lock(0)


@contextlib.contextmanager
def uvicorn(database):
    """Debian's, under Debian's Python."""
    port = free_port()
    environment = dict(os.environ, DATABASE=database.url, ENDS=str(database.ends), PYTHONDONTWRITEBYTECODE="1")
    process = subprocess.Popen(["/usr/bin/python3", "-m", "uvicorn", "--app-dir", HERE, "--port", str(port), "--log-level", "warning", "app:app"], env=environment)
    try:
        yield port, process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def stage():
    """All servers but nginx, and what is played on them: for each form of the page its row, where it saves, and whether it shows how far it is."""
    with contextlib.ExitStack() as stack:
        place = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outlive-story-")))
        place.chmod(0o777)
        cluster = Postgres(stack.enter_context(postgres.server()), place)
        php = stack.enter_context(Fpm(options=("-d", "extension=sqlite3")))
        formsave = stack.enter_context(Formsave())
        python, _ = stack.enter_context(uvicorn(cluster))
        sqlite = Sqlite(place)
        stack.callback(cluster.unlock)  # before anybody waits for somebody who waits for C
        words = {"C": formsave.port, "PYTHON": python, "PHP": php.port, "HERE": HERE, "DATABASES": place}
        yield words, {
            "c": ("a C server (`examples/formsave`) that stops when its client goes; SQLite", OfFormsave(formsave), True),
            "progress": ("uvicorn, Starlette, a response that shows how far it is; PostgreSQL", cluster, True),
            "quiet": ("uvicorn, Starlette, a response at the end; PostgreSQL", cluster, False),
            "php": ("php-fpm, a page that shows how far it is; SQLite", sqlite, True),
        }


PATHS = {"c": "/c/save/stop", "progress": "/python/progress", "quiet": "/python/quiet", "php": "/save.php"}


def submit(browser, url, form, note, database, shows):
    """In a new tab, which is closed while C is locked."""
    front = browser.windows()[0]
    browser.switch(front)
    browser.go(f"{url}/index.html")
    browser.type(f"#{form} input", note)
    browser.click(f"#{form} button")
    tab = wait_for("the new tab", lambda: [window for window in browser.windows() if window != front])[0]
    wait_for(f"{note}: A and B are written", lambda: database.written(note) == "AB")
    browser.switch(tab)
    if shows:
        wait_for(f"{note}: the tab shows how far it is", lambda: "Table B is written" in browser.text("body"))
    browser.do("DELETE", "/window")
    browser.switch(front)


def noticed(nginx, column, path, count):
    """nginx knows that the tab is closed: it has ended the request, or says that it goes on."""
    if COLUMNS[column]:
        line = f'outlive: the client has gone, the request goes on: outlive_disconnect auto in {nginx.conf}:'
        wait_for(f"{path}: {line}", lambda: sum(line in said and f'"POST {path} ' in said for said in nginx.said().splitlines()) == count)
    else:
        wait_for(f"{path} is in the access log", lambda: len(nginx.logged(path)) == count)


def play(browser, column, words, plays):
    """What is saved, by scheme and form."""
    server = SERVER + COLUMNS[column]
    for word, value in words.items():
        server = server.replace(f"@{word}@", str(value))
    seen = {}
    with Nginx(server, load=bool(COLUMNS[column]), tls=True) as nginx:
        nginx.root.joinpath("www/index.html").write_text((HERE / "index.html").read_text())
        for count, scheme in enumerate(SCHEMES, 1):
            url = f"{scheme}://localhost:{nginx.tls if scheme == 'https' else nginx.port}"
            databases = {id(database): database for _, database, _ in plays.values()}.values()
            notes = {form: f"{form}-{scheme}-{'with' if COLUMNS[column] else 'without'}" for form in plays}
            for database in databases:
                database.lock()
            for form, (_, database, shows) in plays.items():
                submit(browser, url, form, notes[form], database, shows)
                noticed(nginx, column, PATHS[form], count)
            if COLUMNS[column]:
                browser.go(f"{url}/outlive")
                assert all(path in browser.text("body") for path in PATHS.values()), f"the page of what is in flight: {browser.text('body')}"
            for database in databases:
                database.unlock()
            for form, (_, database, _) in plays.items():
                wait_for(f"{notes[form]} is over", lambda: database.ended(notes[form]))
                seen[scheme, form] = database.written(notes[form])
            protocol = "HTTP/2.0" if scheme == "https" else "HTTP/1.1"
            assert f'/index.html {protocol}' in (nginx.root / "protocols.log").read_text(), f"Chromium did not speak {protocol}"
    return seen


def words_of(tables):
    return ", ".join(tables) if tables == "ABCD" else f"**{', '.join(tables)}**; {' and '.join(sorted(set('ABCD') - set(tables)))} {'is' if len(tables) == 3 else 'are'} lost"


def table():
    with stage() as (words, plays), tempfile.TemporaryDirectory(prefix="outlive-browser-", ignore_cleanup_errors=True) as profile:
        browser = Browser(profile, "--ignore-certificate-errors")
        try:
            seen = {column: play(browser, column, words, plays) for column in COLUMNS}
        finally:
            browser.close()
        lines = ["| what works for the tab | saved: " + " | saved: ".join(COLUMNS) + " |", "| --- |" + " --- |" * len(COLUMNS)]
        for form, (row, _, _) in plays.items():
            for column in COLUMNS:
                assert len({seen[column][scheme, form] for scheme in SCHEMES}) == 1, f"{form}, {column}: HTTP/1.1 and HTTP/2 differ: {seen[column]}"
            lines.append(f"| {row} | " + " | ".join(words_of(seen[column][SCHEMES[0], form]) for column in COLUMNS) + " |")
    return "\n".join(lines) + "\n"


def main():
    text = table()
    print(text)
    if sys.argv[1:] == ["--write"]:
        marked(PAGE, "story", text)


if __name__ == "__main__":
    main()
