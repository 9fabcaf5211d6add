"""Submissions that a journal keeps: statements, keys, what is refused, and what is said at the end. With SQLite, by both kinds of middleware."""

import asyncio
import io
import os
import sqlite3
import tempfile
import threading
import time
import unittest

import outlive
from outlive import asgi, wsgi
from outlive._statements import Statement
from outlive.journal import SQL
from outlive.testing import Client, Ending

TABLE = """
CREATE TABLE submissions (
    key TEXT PRIMARY KEY, method TEXT, path TEXT, type TEXT, body BLOB, fingerprint TEXT, process TEXT, state TEXT DEFAULT 'accepted',
    ending TEXT, status INTEGER, answer_type TEXT, answer BLOB
);
CREATE TABLE leases (process TEXT PRIMARY KEY, renewed INTEGER DEFAULT 0);
"""
STATEMENTS = {
    "accept": "INSERT INTO submissions (key, method, path, type, body, fingerprint, process) "
    "VALUES (:key, :method, :path, :content_type, :body, :fingerprint, :process) ON CONFLICT DO NOTHING",
    "find": "SELECT state = 'done', fingerprint, status, answer_type, answer FROM submissions WHERE key = :key",
    "done": "UPDATE submissions SET state = 'done', ending = :ending, status = :status, answer_type = :answer_type, answer = :answer WHERE key = :key",
    "failed": "UPDATE submissions SET state = 'failed', ending = :ending WHERE key = :key AND process = :process",
    "again": "UPDATE submissions SET state = 'again', ending = :ending WHERE key = :key AND process = :process",
    "renew": "INSERT INTO leases VALUES (:process, 1) ON CONFLICT (process) DO UPDATE SET renewed = renewed + 1",
}


def answered(said):
    """Status and body."""
    return said if isinstance(said, tuple) else (200, said)


class Statements(unittest.TestCase):
    def test_names_as_drivers_want_them(self):
        text = "UPDATE t SET a = :key::text, b = 'it''s :no', c = \"x:no\", d = 10 % 3 -- :no\n WHERE k = :key AND p = :process"
        statement = Statement(text, ("key", "process"), "accept")
        given = {"key": 1, "process": 2, "more": 3}
        for style, wanted, values in (
            ("named", text, {"key": 1, "process": 2}), ("qmark", text.replace(":key", "?").replace(":process", "?"), [1, 1, 2]),
            ("dollar", text.replace(":key", "$1").replace(":process", "$2"), [1, 2]),
            ("pyformat", text.replace("%", "%%").replace(":key", "%(key)s").replace(":process", "%(process)s"), {"key": 1, "process": 2}),
            ("format", text.replace("%", "%%").replace(":key", "%s").replace(":process", "%s"), [1, 1, 2]),
        ):
            self.assertEqual(statement.for_driver(style, given), (wanted, values), style)

    def test_other_names_are_refused(self):
        with self.assertRaisesRegex(outlive.ArgumentError, "done: there is no :kee; there are :key, :process, :method"):
            SQL(lambda: None, accept="a", done="UPDATE t SET x = :kee", failed="f")


class Journals(unittest.TestCase):
    """Each test with WSGI and with ASGI."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.file = os.path.join(directory.name, "journal.db")
        self.db = self.connect()
        self.addCleanup(self.db.close)
        self.db.executescript(TABLE)

    def connect(self):
        return sqlite3.connect(self.file, timeout=20, isolation_level=None, check_same_thread=False)

    def journal(self, **more):
        journal = SQL(self.connect, **{**STATEMENTS, **more})
        self.addCleanup(journal.close)
        return journal

    def both(self, work, **options):
        """The clients of two applications that call `work`, which gives a body, or (status, body)."""

        def blocking(environ, start):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            status, answer = answered(work(body))
            start("%d Said" % status, [("Content-Type", "text/plain")])
            return [answer]

        async def asynchronous(scope, receive, send):
            body = b""
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    break
            status, answer = answered(await asyncio.to_thread(work, body))
            await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": answer})

        for guard, app in ((wsgi.OutliveMiddleware, blocking), (asgi.OutliveMiddleware, asynchronous)):
            with self.subTest(guard.__module__):
                self.db.executescript("DELETE FROM submissions; DELETE FROM leases")
                middleware = guard(app, **{"journal": self.journal(), **options})
                self.middleware = middleware
                yield Client(middleware)
                if middleware._core.engine.now is not None:
                    middleware._core.engine.now.close()

    def rows(self, columns="state, ending"):
        return self.db.execute("SELECT %s FROM submissions" % columns).fetchall()

    def test_it_is_kept_before_the_work_and_done_behind_it(self):
        def work(body):
            seen.append((body, self.rows("state, method, path, type, body"), outlive.current().key.decode()))
            outlive.register_shutdown_function(lambda: seen.append(self.rows()))
            row, = self.middleware.requests()
            seen.append((row.accepted, row.key.decode()))
            return b"saved"

        for client in self.both(work):
            seen = []
            answer = client.post("/save?now", b"note=milk", headers={"content-type": "x/form"}).result()
            self.assertEqual((answer.status, answer.body, answer.ending), (200, b"saved", Ending.COMPLETED))
            (key,), = self.rows("key")
            self.assertEqual(seen, [
                (b"note=milk", [("accepted", "POST", "/save?now", "x/form", b"note=milk")], key), (True, key), [("accepted", None)],
            ])
            self.assertEqual(self.rows(), [("done", "completed")])
            self.assertEqual(self.db.execute("SELECT renewed FROM leases").fetchall(), [(1,)])

    def test_safe_methods_are_not_kept(self):
        for client in self.both(lambda body: b"page"):
            self.assertEqual((client.get("/").result().body, self.rows()), (b"page", []))

    def test_the_client_leaves_and_it_is_done(self):
        def work(body):
            exchange.leave()
            until = time.monotonic() + 0.3
            while time.monotonic() < until:
                outlive.check()
                time.sleep(0.01)
            return b"saved"

        for client in self.both(work, disconnect="stop"):
            exchange = client.post("/save", b"note=milk")
            self.assertEqual((exchange.result().ending, self.rows()), (Ending.COMPLETED, [("done", "completed")]))

    def test_a_second_one_with_the_same_key(self):
        go_on, began = threading.Event(), threading.Event()

        def work(body):
            began.set()
            go_on.wait(20)
            done.append(body)
            return (201, b"saved " + body)

        for client in self.both(work):
            go_on.clear(), began.clear()
            done = []
            headers = {"idempotency-key": '"8e03978e"', "authorization": "milk"}
            first = client.post("/save", b"note=milk", headers=headers)
            began.wait(20)
            second = client.post("/save", b"note=milk", headers=headers).result()
            self.assertEqual((second.status, second.body.count(b"waits")), (409, 1))
            self.assertEqual(client.post("/save", b"note=beer", headers=headers).result().status, 422)
            go_on.set()
            self.assertEqual(client.post("/save", b"note=milk", headers={**headers, "authorization": "beer"}).result().status, 201)
            self.assertEqual(client.post("/other", b"note=milk", headers=headers).result().status, 201)
            self.assertEqual(first.result().status, 201)
            third = client.post("/save", b"note=milk", headers=headers).result()
            self.assertEqual((third.status, third.body, len(done)), (201, b"saved note=milk", 3))
            self.assertEqual([state for state, in self.rows("state")], ["done"] * 3)

    def test_keys_that_make_no_sense(self):
        for client in self.both(lambda body: b"saved"):
            for key in ("", "x" * 256, "ä", '""', "a\tb"):
                answer = client.post("/save", b"x", headers={"idempotency-key": key}).result()
                self.assertEqual((answer.status, self.rows()), (400, []), key)

    def test_a_journal_that_is_down(self):
        for client in self.both(lambda body: self.fail("worked"), journal=SQL(lambda: sqlite3.connect("/no/such/place"), **STATEMENTS)):
            with self.assertLogs("outlive", "ERROR"):
                answer = client.post("/save", b"x").result()
            self.assertEqual((answer.status, answer.ending, b"does not answer" in answer.body), (503, Ending.HOST_ERROR, True))

    def test_errors_and_limits_are_failures(self):
        def work(body):
            if body == b"raise":
                raise LookupError("seen")
            if body == b"limit":
                outlive.set_time_limit(1)
                while True:
                    outlive.check()
                    time.sleep(0.01)
            return (500, b"failed")

        for client in self.both(work):
            for body, ending in ((b"raise", "host error"), (b"limit", "time limit"), (b"answer", "host error")):
                self.db.execute("DELETE FROM submissions")
                client.post("/save", body).result()
                self.assertEqual(self.rows(), [("failed", ending)], body)

    def test_a_drain_hands_it_back(self):
        began = threading.Event()

        def work(body):
            began.set()
            while True:
                outlive.check()
                time.sleep(0.01)

        for client in self.both(work):
            began.clear()
            exchange = client.post("/save", b"x")
            began.wait(20)
            wsgi.Middleware.drain(self.middleware, 0)
            self.assertEqual((exchange.result().ending, self.rows()), (Ending.HANDED_BACK, [("again", "handed back")]))

    def test_where_it_is_required(self):
        for client in self.both(lambda body: b"saved", journal=None, accept="required"):
            self.assertEqual(client.post("/save", b"x").result().status, 503)
            self.assertEqual(client.get("/").result().status, 200)
        small = SQL(self.connect, **STATEMENTS, max_body=3)
        self.addCleanup(small.close)
        for accept, status in (("on", 200), ("required", 413)):
            for client in self.both(lambda body: body, journal=small, accept=accept):
                answer = client.post("/save", b"four").result()
                self.assertEqual((answer.status, self.rows()), (status, []))
                self.assertEqual(answer.body == b"four", accept == "on")

    def test_done_that_fails_is_said_again(self):
        journal = self.journal(renew_every=0.1, done="UPDATE later SET done = 1 WHERE :key = :key")
        for client in self.both(lambda body: b"saved", journal=journal):
            with self.assertLogs("outlive", "ERROR"):
                self.assertEqual(client.post("/save", b"x").result().status, 200)
            self.db.executescript("BEGIN; CREATE TABLE later (done); INSERT INTO later VALUES (0); COMMIT")
            until = time.monotonic() + 20
            while not self.db.execute("SELECT done FROM later").fetchone()[0]:
                self.assertLess(time.monotonic(), until)
                time.sleep(0.02)
            self.db.execute("DROP TABLE later")

    def test_what_is_never_taken_keeps_nothing_else_waiting(self):
        journal = self.journal(renew_every=3600, done="INSERT INTO later VALUES (:body)")
        for client in self.both(lambda body: b"saved", journal=journal):
            with self.assertLogs("outlive", "ERROR"):
                for body in (b"bad", b"one", b"two"):
                    client.post("/save", body).result()
            self.db.executescript("CREATE TABLE later (body CHECK (body <> x'626164'))")
            for _ in range(2):
                with self.assertRaises(sqlite3.IntegrityError):
                    journal._drive_here(journal._renewing())
            self.assertEqual(self.db.execute("SELECT body FROM later").fetchall(), [(b"one",), (b"two",)])
            self.db.execute("DROP TABLE later")
            journal._late.clear()

    def test_a_second_attempt_is_not_handed_back(self):
        """Of the first nobody knew whether the journal has it: that is said later, and no more once a second one was accepted."""
        def connect():
            if is_down:
                raise sqlite3.OperationalError("down")
            return self.connect()

        def work(body):
            if body == b"x" * 9999:
                journal._drive_here(journal._renewing())
                self.assertEqual(self.rows("state"), [("done",), ("accepted",)])
            return b"saved"

        is_down = False
        journal = SQL(connect, **STATEMENTS, renew_every=3600)
        self.addCleanup(journal.close)
        for client in self.both(work, journal=journal):
            client.post("/save", b"renewed").result()
            journal._age += 1
            is_down = True
            with self.assertLogs("outlive", "ERROR"):
                self.assertEqual(client.post("/save", b"x" * 9999, headers={"idempotency-key": "k"}).result().status, 503)
            (_, kept), = journal._late.values()
            self.assertEqual(sorted(kept), ["ending", "key", "process"])
            is_down = False
            self.assertEqual(client.post("/save", b"x" * 9999, headers={"idempotency-key": "k"}).result().status, 200)
            self.assertEqual((self.rows(), journal._late), ([("done", "completed")] * 2, {}))

    def test_leases_are_renewed(self):
        for client in self.both(lambda body: b"saved", journal=self.journal(renew_every=0.05)):
            client.post("/save", b"x").result()
            until = time.monotonic() + 20
            while (self.db.execute("SELECT renewed FROM leases").fetchone() or (0,))[0] < 3:
                self.assertLess(time.monotonic(), until)
                time.sleep(0.02)

    def test_files_may_ask_for_it_and_switch_it_off(self):
        for said, expected in (("off", []), ("on", [("done", "completed")])):
            with open(self.file + ".ini", "w") as file:
                file.write("outlive.accept = %s\n" % said)
            for client in self.both(lambda body: b"saved", journal=self.journal(), php_ini=self.file + ".ini"):
                client.post("/save", b"x").result()
                self.assertEqual(self.rows(), expected)

    def test_what_nobody_hears_is_the_answer(self):
        """The client leaves within the answer, or before it: what is kept is whole, and a failure is one. Behind an early end comes no more of it."""
        writes, gone = [], None

        def blocking(environ, start):
            if early:
                outlive.finish_request(b"early")
            start("%d Said" % status, [("Content-Type", "text/plain")])
            yield b"one "
            yield b"two "
            yield b"three"

        def serve_blocking(guard):
            """As a server whose first write of a part fails."""
            environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/save", "CONTENT_LENGTH": "1", "wsgi.input": io.BytesIO(b"x")}
            result = guard(environ, lambda status, headers, exc_info=None: writes.append)
            next(result, None)
            result.close()

        async def awaiting(scope, receive, send):
            await receive()
            if early or status == 500:
                await left()
            if early:
                await outlive.afinish_request(b"early")
            await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"one ", "more_body": True})
            await left()
            await send({"type": "http.response.body", "body": b"two three"})

        async def left():
            gone.set()
            while not outlive.current()._host.is_gone:
                await asyncio.sleep(0.001)

        def serve_awaiting(guard):
            async def serve():
                nonlocal gone
                gone, body = asyncio.Event(), [{"type": "http.request", "body": b"x"}]

                async def receive():
                    if body:
                        return body.pop()
                    await gone.wait()
                    return {"type": "http.disconnect"}

                async def send(message):
                    writes.append(message)

                await guard({"type": "http", "method": "POST", "path": "/save", "headers": []}, receive, send)

            asyncio.run(serve())

        for guard, app, serve in ((wsgi.OutliveMiddleware, blocking, serve_blocking), (asgi.OutliveMiddleware, awaiting, serve_awaiting)):
            middleware = guard(app, journal=self.journal(), disconnect="finish")
            for early, status, expected in (
                (False, 200, ("done", 200, b"one two three")), (False, 500, ("failed", None, None)),
                (True, 200, ("done", 200, b"early")), (True, 500, ("done", 200, b"early")),
            ):
                with self.subTest(guard.__module__, early=early, status=status):
                    self.db.execute("DELETE FROM submissions")
                    serve(middleware)
                    self.assertEqual(self.rows("state, status, answer"), [expected])
            middleware._core.engine.now.close()

    def test_half_a_form_is_none(self):
        """Its client leaves before it has sent everything."""
        worked = []

        def app(environ, start):
            worked.append(environ["wsgi.input"].read())
            start("200 OK", [])
            return [b"saved"]

        middleware = wsgi.OutliveMiddleware(app, journal=self.journal(), disconnect="finish")
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/save", "CONTENT_LENGTH": "9", "wsgi.input": io.BytesIO(b"note")}
        result = middleware(environ, lambda status, headers, exc_info=None: None)
        list(result)
        result.close()
        middleware._core.engine.now.close()
        self.assertEqual((worked, self.rows()), ([b"note"], []))

    def test_a_body_whose_end_nobody_knows(self):
        """In chunks, by a server that does not end its input: it is left to the application, and is no empty one."""
        def app(environ, start):
            worked.append(environ["wsgi.input"].read(9))
            start("200 OK", [])
            return [b"saved"]

        for accept, status, expected in (("on", "200 OK", [b"note=milk"]), ("required", "411 Length Required", [])):
            worked, said = [], []
            middleware = wsgi.OutliveMiddleware(app, journal=self.journal(), accept=accept)
            environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b"note=milk")}
            result = middleware(environ, lambda status, headers, exc_info=None: said.append(status))  # noqa: B023
            list(result)
            result.close()
            middleware._core.engine.now.close()
            self.assertEqual((worked, said, self.rows()), (expected, [status], []))

    def test_resumed(self):
        journal = self.journal()
        for raised, expected in ((None, ("done", "finished")), (LookupError, ("failed", "host error"))):
            self.db.execute("DELETE FROM submissions")
            self.db.execute("INSERT INTO submissions (key, process) VALUES ('k', ?)", (journal.process,))
            try:
                with outlive.resumed("k", journal=journal, path="/save") as request:
                    row, = request._engine.requests()
                    self.assertEqual((row.key, row.resumed, row.accepted, row.label, outlive.current().key), (b"k", True, True, "/save", b"k"))
                    outlive.register_shutdown_function(lambda: self.assertEqual(self.rows("state"), [("accepted",)]))
                    if raised is not None:
                        raise raised
            except LookupError:
                pass
            self.assertEqual(self.rows(), [expected])
        with outlive.resumed("k", journal=journal, time_limit=1) as request:
            while True:
                outlive.check()
                time.sleep(0.01)
        self.assertEqual((request.ending, self.rows()), (Ending.TIME_LIMIT, [("failed", "time limit")]))


    def test_resumed_where_the_journal_is_down(self):
        """The work is done and the request over: the next one has its turn."""
        def down(*_):
            raise sqlite3.OperationalError("down")

        async def down_later(*_):
            down()

        class Down:
            max_body, wants_answer, accept = 1000, False, None

            def __init__(self, told):
                self.done = self.failed = self.again = told

        async def awaiting():
            async with outlive.resumed("k", journal=Down(down_later), path="/save") as request:
                pass
            return request

        with self.assertLogs("outlive", "ERROR") as said:
            with outlive.resumed("k", journal=Down(down), path="/save") as blocking:
                pass
            for request in (blocking, asyncio.run(awaiting())):
                self.assertEqual((request.ended, request.ending), (True, Ending.FINISHED))
        expected = "the journal was not told what came of it: POST /save, finished: OperationalError: down"
        self.assertEqual([record.getMessage() for record in said.records], [expected] * 2)


class Awaited(unittest.IsolatedAsyncioTestCase):
    """A journal whose functions are awaited, one that is slow, and one that answers late."""

    async def exchange(self, journal, body=b"x", **options):
        done = []

        async def app(scope, receive, send):
            done.append((await receive())["body"])
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"saved"})

        middleware = asgi.OutliveMiddleware(app, journal=journal, **options)
        sent = []

        async def receive():
            return {"type": "http.request", "body": body}

        async def send(message):
            sent.append(message)

        await middleware({"type": "http", "method": "POST", "path": "/save", "headers": []}, receive, send)
        self.addCleanup(middleware._core.engine.now.close)
        return sent[0]["status"], done

    async def test_slow_and_late(self):
        class Slow:
            max_body, wants_answer = 1000, False

            def __init__(self):
                self.told, self.go_on = [], asyncio.Event()

            async def accept(self, submission):
                await self.go_on.wait()

            async def again(self, submission, outcome):
                self.told.append(("again", submission.body, outcome.ending))

            done = failed = again

        journal = Slow()
        with self.assertLogs("outlive", "ERROR"):
            self.assertEqual(await self.exchange(journal, time_limit=1), (503, []))
        self.assertEqual(journal.told, [])
        journal.go_on.set()
        until = time.monotonic() + 20
        while not journal.told and time.monotonic() < until:
            await asyncio.sleep(0.01)
        self.assertEqual(journal.told, [("again", b"x", Ending.HANDED_BACK)])
        self.assertEqual(await self.exchange(journal), (200, [b"x"]))
        self.assertEqual(journal.told[1:], [("again", b"x", Ending.COMPLETED)])


if __name__ == "__main__":
    unittest.main()
