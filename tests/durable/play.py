"""Kills workers, and PostgreSQL, while people submit forms and C is locked; then counts what was accepted, done once, done twice.

Arguments: the program of examples/durable, and how many kills each row of the table gets.
"""

import contextlib
import http.client
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings/python/tests/story"))
import postgres  # noqa: E402

PATIENCE = 60  # seconds; far more than anything takes
PEOPLE = 4
LOCKED, FREE = 0.5, 0.2  # seconds that C is, again and again


class Database:
    """A PostgreSQL with the journal and the tables, made anew for each row."""

    schema = ROOT / "examples/durable/schema.sql"

    def __init__(self, server):
        self.server = server
        self.url = f"host=127.0.0.1 port={server.port} user=postgres dbname=postgres"

    def ask(self, sql, check=True):
        done = subprocess.run([postgres.BINARIES / "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.url, "-c", sql],
                              capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return [line.split("|") for line in done.stdout.splitlines()]

    def make_anew(self, unique):
        self.ask("DROP SCHEMA public CASCADE; CREATE SCHEMA public;" + self.schema.read_text())
        if unique:
            self.ask("".join(f"CREATE UNIQUE INDEX {table}_key ON {table} (key);" for table in "abcd"))

    @staticmethod
    def name_of(key):
        """A client's key, as the journal has it behind its scope."""
        return key

    def counts(self):
        """accepted, done once, done twice, and those that are neither."""
        [row] = self.ask(
            "WITH n AS (SELECT s.key, s.state, (SELECT count(*) FROM a WHERE a.key = s.key) a, (SELECT count(*) FROM b WHERE b.key = s.key) b,"
            " (SELECT count(*) FROM c WHERE c.key = s.key) c, (SELECT count(*) FROM d WHERE d.key = s.key) d FROM submission s)"
            " SELECT count(*), count(*) FILTER (WHERE state = 'done' AND a = 1 AND b = 1 AND c = 1 AND d = 1),"
            " count(*) FILTER (WHERE greatest(a, b, c, d) > 1),"
            " count(*) FILTER (WHERE least(a, b, c, d) = 0 OR state <> 'done') FROM n"
        )
        return tuple(map(int, row))


class Row:
    """One row of the table: a server, people who submit, a lock on C, and kills."""

    answers = (200, 202, 409, 502, 503)

    def __init__(self, name, database, kills, start, kill_database):
        self.name, self.database, self.kills, self.start, self.kill_database = name, database, kills, start, kill_database
        self.over = threading.Event()
        self.is_locked = threading.Event()
        self.submitted, self.saved = set(), set()
        self.refused = 0
        self.chance = random.Random(f"{name} {kills}")

    def submit(self, port):
        """One person, again and again: some leave at once, some stay and hear what became of it."""
        chance = random.Random()
        while not self.over.is_set():
            key = uuid.uuid4().hex
            self.submitted.add(key)
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=5 if chance.random() < 0.8 else 0.1)
            try:
                client.request("POST", "/save", "note", {"Idempotency-Key": key, "Connection": "close"})
                status = client.getresponse().status
                assert status in self.answers, status
                if status == 200:
                    self.saved.add(key)
                self.refused += status == 503
            except (OSError, http.client.HTTPException):
                pass  # it left, or its worker was killed
            finally:
                client.close()
            self.over.wait(0.02)

    def lock(self):
        while not self.over.is_set():
            self.is_locked.set()
            self.database.ask(f"BEGIN; LOCK TABLE c IN EXCLUSIVE MODE; SELECT pg_sleep({LOCKED}); ROLLBACK", check=False)
            self.is_locked.clear()
            self.over.wait(FREE)

    def kill_one(self, number, master):
        """At a random moment; every fourth inside `done`, every fourth during a drain; and sometimes the database."""
        time.sleep(self.chance.uniform(0.1, 0.5))
        if self.kill_database and number % 8 == 2:
            self.database.server.end(signal.SIGQUIT)
            time.sleep(self.chance.uniform(0, 0.3))
            self.database.server.start()
        if not self.kill_database:  # what is to be seen is seen only where somebody is between B and C
            end = time.monotonic() + PATIENCE
            while self.database.ask("SELECT count(*) FROM b WHERE key NOT IN (SELECT key FROM c)") == [["0"]]:
                assert time.monotonic() < end, f"{self.name}: nobody waits for C"
            for worker in children(master):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            return
        holder = None
        if number % 4 == 1:  # whoever says done waits for this
            holder = threading.Thread(target=self.database.ask, args=("BEGIN; LOCK TABLE submission IN EXCLUSIVE MODE; SELECT pg_sleep(0.8)", False))
            holder.start()
            time.sleep(0.5)
        elif number % 4 == 0:
            self.is_locked.wait(PATIENCE)
            time.sleep(0.2)
        workers = children(master)
        if workers:
            worker = self.chance.choice(workers)
            with contextlib.suppress(ProcessLookupError):
                if number % 4 == 2:
                    os.kill(worker, signal.SIGTERM)
                    time.sleep(self.chance.uniform(0, 1))
                os.kill(worker, signal.SIGKILL)
        if holder:
            holder.join()

    def play(self):
        with self.start(self.database) as (port, master):
            threads = [threading.Thread(target=self.submit, args=(port,)) for _ in range(PEOPLE)]
            threads.append(threading.Thread(target=self.lock))
            for thread in threads:
                thread.start()
            try:
                for number in range(self.kills):
                    self.kill_one(number, master)
                time.sleep(0.3)
            finally:
                self.over.set()
                for thread in threads:
                    thread.join()
            end = time.monotonic() + PATIENCE
            while self.database.ask("SELECT count(*) FROM submission WHERE state = 'accepted'") != [["0"]]:
                assert time.monotonic() < end, f"{self.name}: not settled: {self.database.ask('SELECT * FROM submission WHERE state = $$accepted$$ LIMIT 5')}"
                time.sleep(0.1)
        kept = {key.rpartition(" ")[2] for [key] in self.database.ask("SELECT key FROM submission")}
        lost = {key for key in self.saved if self.database.name_of(key) not in kept}
        assert not lost, f"{self.name}: told saved, and unknown: {lost}"
        accepted, once, twice, other = self.database.counts()
        print(f"{self.name:44} {self.kills:6} {len(self.submitted):10} {accepted:9} {once:10} {twice:11} {other:5}", flush=True)
        return accepted, once, twice, other


def children(master):
    return [int(pid) for pid in pathlib.Path(f"/proc/{master}/task/{master}/children").read_text().split()]


@contextlib.contextmanager
def c_server(program, manner, database, limit=20):
    with tempfile.TemporaryDirectory() as directory:
        ini = pathlib.Path(directory) / "php.ini"
        ini.write_text(f"outlive.disconnect = stop\noutlive.detect = watch\noutlive.clock = wall\nmax_execution_time = {limit}\noutlive.scoreboard = {directory}/board\n")
        server = subprocess.Popen([program, manner, ini, database.url, "2"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            yield int(server.stdout.readline()), server.pid
        finally:
            server.terminate()
            server.wait(PATIENCE)


@contextlib.contextmanager
def behind(front, backend):
    """Apache or nginx in front: it passes the key on; a backend that is killed makes a 502, and the submission is done all the same."""
    text, command = {"Apache": (HTTPD_CONF, ["/usr/sbin/apache2", "-DFOREGROUND", "-f"]), "nginx": (NGINX_CONF, ["/usr/sbin/nginx", "-c"])}[front]
    with backend as (port, master), tempfile.TemporaryDirectory() as directory:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            listens = free.getsockname()[1]
        conf = pathlib.Path(directory) / "front.conf"
        conf.write_text(text.format(directory=directory, port=listens, backend=port, modules="/usr/lib/apache2/modules"))
        os.chmod(directory, 0o755)
        server = subprocess.Popen([*command, conf], stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + PATIENCE
            while socket.socket().connect_ex(("127.0.0.1", listens)) != 0:
                assert server.poll() is None and time.monotonic() < end, (pathlib.Path(directory) / "error.log").read_text()
                time.sleep(0.05)
            yield listens, master
        finally:
            server.terminate()
            server.wait(PATIENCE)


HTTPD_CONF = """ServerRoot {directory}
Listen 127.0.0.1:{port}
ServerName localhost
PidFile {directory}/httpd.pid
ErrorLog {directory}/error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule authz_core_module {modules}/mod_authz_core.so
ProxyPass / http://127.0.0.1:{backend}/ retry=0
"""


def bad_journal(program, database):
    """A journal that is slow, or down, is a refusal within the request's limit; the same key is saved once it answers again."""
    with c_server(program, "transaction", database, limit=1) as (port, _):
        def post(key, note="note"):
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            client.request("POST", "/save", note, {"Idempotency-Key": key} if key else {})
            answer = client.getresponse()
            return answer.status, answer.getheader("Retry-After"), answer.read()

        lock = threading.Thread(target=database.ask, args=("BEGIN; LOCK TABLE submission IN EXCLUSIVE MODE; SELECT pg_sleep(4)", False))
        lock.start()
        while database.ask("SELECT count(*) FROM pg_locks WHERE relation = 'submission'::regclass AND mode = 'ExclusiveLock' AND granted") != [["1"]]:
            time.sleep(0.02)
        begun = time.monotonic()
        assert post("slow")[:2] == (503, "1")
        assert lock.is_alive(), f"it waited for the journal, {time.monotonic() - begun} s"
        lock.join()
        assert post("slow")[0] == 200
        database.server.end()
        assert post("down")[:2] == (503, "1")
        database.server.start()
        end = time.monotonic() + PATIENCE
        while (status := post("down")[0]) != 200:
            assert status in (409, 503) and time.monotonic() < end, status
            time.sleep(0.1)
        assert post("down")[2] == b"saved before\n"
        assert post("")[0] == post("x" * 101)[0] == 400
        assert post("long", "x" * 201)[0] == 413  # and not the first 200 bytes of it
    assert database.counts() == (2, 2, 0, 0), database.counts()


NGINX_CONF = """daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{backend}; }} }}
}}
"""


def print_head():
    print(f"{'server':44} {'kills':>6} {'submitted':>10} {'accepted':>9} {'done once':>10} {'done twice':>11} {'else':>5}", flush=True)


def main():
    program, kills = sys.argv[1], int(sys.argv[2])
    transaction = lambda database: c_server(program, "transaction", database)  # noqa: E731
    rows = [
        ("C, the work and done in one transaction", transaction, True),
        ("the same, behind Apache", lambda database: behind("Apache", transaction(database)), True),
        ("the same, behind nginx", lambda database: behind("nginx", transaction(database)), True),
        ("C, each table by itself, keyed", lambda database: c_server(program, "keyed", database), True),
        ("C, each table by itself, naive", lambda database: c_server(program, "naive", database), False),
    ]
    print_head()
    with postgres.server() as server:
        database = Database(server)
        told = subprocess.run([ROOT / "examples/durable/story", program, database.url], capture_output=True, text=True)
        assert told.returncode == 0 and "A B C D" in told.stdout, told.stdout + told.stderr
        database.make_anew(unique=True)
        bad_journal(program, database)
        for name, start, is_safe in rows:
            database.make_anew(unique=is_safe)
            accepted, once, twice, other = Row(name, database, kills, start, is_safe).play()
            assert accepted > 0
            if is_safe:
                assert accepted == once, f"{name}: {accepted} accepted, {once} done once, {twice} twice, {other} neither"
            else:
                assert twice > 0, "nothing was done twice: this test would not see it"


if __name__ == "__main__":
    main()
