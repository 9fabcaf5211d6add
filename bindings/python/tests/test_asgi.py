"""The ASGI middleware, against a server made of two queues: every order of events can be had."""

import asyncio
import contextlib
import contextvars
import gc
import logging
import os
import tempfile
import threading
import time
import weakref

import outlive
from asgi_exchange import FINISH, STOP, Case, Form, Server, respond


class Exchanges(Case):
    async def test_nothing_happens_to_an_ordinary_request(self):
        async def app(scope, receive, send):
            self.assertEqual((await receive())["body"], b"note=milk")
            self.assertEqual(outlive.connection_status(), 0)
            await respond(send)
            # What every server says once the response is complete.
            self.assertEqual((await receive())["type"], "http.disconnect")

        server = Server(self.wrap(app))
        await server.task
        self.assertEqual((server.status, server.body, self.in_flight()), (200, b"saved", []))
        self.assertRaises(outlive.NoRequest, outlive.current)

    async def test_finish(self):
        form = Form()
        server = Server(self.wrap(form, FINISH))
        await form.waiting.wait()
        server.disconnect()
        await self.wait_for(lambda: server.is_gone)
        self.assertEqual(form.written, "AB")
        form.lock_of_c.set()
        await server.task
        self.assertEqual((form.written, form.endings, server.sent), ("ABCD", [outlive.Ending.COMPLETED], []))

    async def test_a_server_that_cancels_before_anything_has_begun(self):
        for values in (FINISH, STOP):
            form = Form()
            form.lock_of_c.set()
            server = Server(self.wrap(form, values))
            await asyncio.sleep(0)
            server.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await server.task
            await self.wait_for(lambda: not self.in_flight())
            self.assertEqual(len(form.endings), 1)
            # How far it gets depends on whether the task had begun; the hold is not torn apart.
            self.assertIn(form.written, ["ABCD"] if values is FINISH else ["", "A", "ABC", "ABCD"])

    async def test_finish_though_the_server_cancels(self):
        form = Form()
        server = Server(self.wrap(form, FINISH))
        await form.waiting.wait()
        server.task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await server.task
        row, = self.in_flight()
        self.assertIsNotNone(row.gone)
        form.lock_of_c.set()
        await self.wait_for(lambda: form.endings)
        self.assertEqual((form.written, form.endings), ("ABCD", [outlive.Ending.COMPLETED]))
        await self.wait_for(lambda: not self.in_flight())

    async def test_stop_waits_for_the_hold(self):
        for leave in (lambda server: server.disconnect(), lambda server: server.task.cancel()):
            form = Form()
            server = Server(self.wrap(form, STOP))
            await form.waiting.wait()
            leave(server)
            await self.wait_for(lambda: self.in_flight()[0].gone is not None)
            await asyncio.sleep(0.05)
            self.assertEqual((form.written, form.endings), ("AB", []))
            form.lock_of_c.set()
            await self.wait_for(lambda: form.endings)
            self.assertEqual((form.written, form.endings), ("ABC", [outlive.Ending.ABORTED]))
            with contextlib.suppress(asyncio.CancelledError):
                await server.task

    async def test_stop_at_an_await(self):
        told = []

        async def app(scope, receive, send):
            outlive.register_shutdown_function(lambda: told.append(outlive.ending()))
            try:
                await asyncio.Event().wait()
            finally:
                told.append("cleaned up")

        server = Server(self.wrap(app, STOP))
        server.disconnect()
        await server.task
        self.assertEqual(told, ["cleaned up", outlive.Ending.ABORTED])

    async def test_a_hold_that_fails_while_a_stop_waits(self):
        reached = []

        async def app(scope, receive, send):
            with contextlib.suppress(ZeroDivisionError):
                async with outlive.hold():
                    outlive.current().client_gone()
                    1 / 0
            reached.append("after")
            await asyncio.sleep(60)
            reached.append("never")

        await asyncio.wait_for(Server(self.wrap(app, STOP)).task, 20)
        self.assertEqual(reached, ["after"])

    async def test_the_first_step_is_the_same_tasks_as_the_others(self):
        """Also where it is made before the loop gets to it: one task, one context, and a cancellation at once is not lost."""
        word, seen = contextvars.ContextVar("word", default=""), []

        async def app(scope, receive, send):
            seen.append(asyncio.current_task())
            word.set("set")
            wanted = asyncio.get_running_loop().create_future()
            asyncio.current_task().cancel()
            try:
                await wanted
            except asyncio.CancelledError:
                seen.append("cancelled")
            self.assertTrue(wanted.cancelled())
            await asyncio.sleep(0)
            seen.append((asyncio.current_task(), word.get()))
            await respond(send)

        server = Server(self.wrap(app))
        await server.task
        self.assertEqual(seen[1:], ["cancelled", (seen[0], "set")])
        self.assertIsNot(seen[0], server.task)
        self.assertEqual((server.body, word.get()), (b"saved", ""))

    async def test_no_two_requests_share_what_they_keep_of_their_task(self):
        variable = contextvars.ContextVar("variable", default=None)
        kept, weakly, called, cancelled = [], weakref.WeakKeyDictionary(), [], []

        async def app(scope, receive, send):
            way, number = scope["path"][1:].split("/")
            task = asyncio.current_task()
            self.assertNotIn(task, weakly)
            self.assertNotEqual(task.get_name(), "named")
            self.assertIsNone(variable.get())
            variable.set(number)
            if "keep" in way:
                kept.append(task)
            if "weak" in way:
                weakly[task] = number
            if "call" in way:
                task.add_done_callback(lambda _: called.append(number))
            if "name" in way:
                task.set_name("named")
            if "cancel" in way:
                task.cancel()
            if "same" not in way:
                del task
            if "cancel" in way:
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    cancelled.append(number)
            if "wait" in way:
                for _ in range(3):
                    await asyncio.sleep(0)
                    self.assertEqual((variable.get(), outlive.current()._what[1]), (number, scope["path"]))
                    if "same" in way:
                        self.assertIs(asyncio.current_task(), task)
                self.assertIn(asyncio.current_task(), asyncio.all_tasks())
            await respond(send)

        middleware = self.wrap(app)
        ways = ["", "keep", "wait", "", "weak", "keep-wait", "weak-wait", "same-wait", "same", "call", "name", "cancel", "call-wait", "name-wait", "cancel-wait", "keep-call-wait"]
        for number, way in enumerate(["", *(way for way in ways for _ in range(3))]):
            for notifier in middleware._notifiers:
                notifier.without_spare = 0
            for _ in range(2):
                plain = Server(middleware, path="/plain/0")
                await plain.task
                await asyncio.sleep(0)  # a spare task is there, if there are any
            server = Server(middleware, path=f"/{way}/{number}")
            await server.task
            self.assertEqual(server.body, b"saved", way)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()}, way)
            self.assertEqual("call" in way, called[-1:] == [str(number)], way)
        self.assertEqual(len(set(map(id, kept))), 9)
        self.assertTrue(all(task.done() for task in kept))
        self.assertEqual((len(called), len(cancelled)), (9, 6))

    async def test_files_of_a_directory_are_read_in_a_thread(self):
        with tempfile.TemporaryDirectory() as root:
            os.mkdir(os.path.join(root, "here"))
            with open(os.path.join(root, "here", ".htaccess"), "w") as file:
                file.write("php_value outlive.disconnect finish\n")
            conf = os.path.join(root, "httpd.conf")
            with open(conf, "w") as file:
                file.write(f'DocumentRoot "{root}"\n<Directory "{root}">\nAllowOverride All\nRequire all granted\n</Directory>\n')
            form = Form()
            middleware = self.wrap(form, httpd_conf=conf, root=root, php_ini=False)
            # It leaves while its settings are looked up: the form is saved all the same.
            server = Server(middleware, path="/here/save")
            await asyncio.sleep(0)
            self.assertEqual((form.written, form.waiting.is_set()), ("", False))
            server.task.cancel()
            await form.waiting.wait()
            self.assertTrue(any(thread.name.startswith("outlive-look-up") for thread in threading.enumerate()))
            form.lock_of_c.set()
            await self.wait_for(lambda: form.endings)
            self.assertEqual((form.written, server.sent), ("ABCD", []))
            # Whether a file has changed is asked of the disk each time, which may be slow: never by the loop's thread.
            asked, look_up = [], middleware._core.settings
            middleware._core.settings = lambda *target: (asked.append(threading.get_ident()), look_up(*target))[1]
            server = Server(middleware, path="/here/save")
            await server.task
            self.assertEqual((server.body, len(asked), threading.get_ident() in asked), (b"saved", 1, False))
            # It leaves while its settings are looked up, and there is a task already, or a spare one.
            for _ in range(3):
                server = Server(middleware, path="/here/save")
                await asyncio.sleep(0)
                server.task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await server.task
            await self.wait_for(lambda: len(form.endings) == 5)

    async def test_an_exchange_leaves_nothing_for_the_garbage_collector(self):
        async def app(scope, receive, send):
            await respond(send)

        server = Server(self.wrap(app))  # what is made once is made
        await server.task
        seen = weakref.WeakSet()
        loop = asyncio.get_running_loop()
        loop.set_debug(False)  # which keeps more
        gc.disable()
        self.addCleanup(gc.enable)
        for _ in range(3):
            async def noted(scope, receive, send):
                seen.add(outlive.current())
                await respond(send)

            self.middleware.app = noted
            server = Server(self.middleware)
            await server.task
            self.assertEqual(server.body, b"saved")
        await asyncio.sleep(0.01)
        self.assertEqual(len(seen), 0)

    async def test_phps_own_way_notices_at_the_next_output(self):
        reached = []

        async def app(scope, receive, send):
            while not server.is_gone:
                await asyncio.sleep(0.01)
            reached.append(outlive.connection_aborted())
            await send({"type": "http.response.start", "status": 200, "headers": []})
            reached.append("never")

        server = Server(self.wrap(app))
        server.disconnect()
        await server.task
        self.assertEqual(reached, [False])

    async def test_a_send_that_fails(self):
        reached = []

        async def app(scope, receive, send):
            server.fails = True
            await respond(send)
            reached.append(outlive.connection_aborted())

        server = Server(self.wrap(app, FINISH))
        await server.task
        server = Server(self.wrap(app))
        await server.task
        self.assertEqual(reached, [True])

    async def test_time_limit(self):
        async def app(scope, receive, send):
            outlive.set_time_limit(1)
            await asyncio.sleep(60)

        server = Server(self.wrap(app, {"outlive.clock": "wall"}))
        await asyncio.wait_for(server.task, 30)
        self.assertEqual((server.status, server.body), (500, b"stopped: time limit\n"))

    async def test_cpu_time_of_others_is_not_charged(self):
        """Two seconds of CPU on this loop; the request that waits has a limit of one."""
        turns = []

        async def app(scope, receive, send):
            if scope["path"] == "/busy":
                outlive.set_time_limit(1)
                while True:
                    outlive.check()
                    turns.append(1)
            outlive.set_time_limit(1)
            while not busy.task.done():
                await asyncio.sleep(0.01)
            for _ in range(3000000):
                pass
            outlive.check()
            await respond(send)

        middleware = self.wrap(app)
        patient = Server(middleware)
        busy = Server(middleware, path="/busy")
        await busy.task
        await patient.task
        self.assertEqual((busy.status, busy.body), (500, b"stopped: time limit\n"))
        self.assertEqual((patient.status, patient.body), (200, b"saved"))
        self.assertGreater(len(turns), 1000)

    async def test_the_body_is_not_all_taken_in_before_the_application_wants_it(self):
        got, part = [], b"x" * 40000

        async def app(scope, receive, send):
            await self.wait_for(lambda: server.incoming.qsize() == 4)
            await asyncio.sleep(0.05)
            self.assertEqual(server.incoming.qsize(), 4)  # two of them hold more than is read ahead
            while True:
                message = await receive()
                got.append(message["body"])
                if not message["more_body"]:
                    break
            await respond(send)

        server = Server(self.wrap(app), body=(part,) * 6)
        await server.task
        self.assertEqual((got, server.body), ([part] * 6, b"saved"))

    async def test_an_application_that_reads_no_body_is_stopped_too(self):
        async def app(scope, receive, send):
            await asyncio.sleep(60)

        server = Server(self.wrap(app, STOP), body=(b"note=milk", b""))
        server.disconnect()
        await asyncio.wait_for(server.task, 20)
        self.assertEqual(self.in_flight(), [])

    async def test_a_client_that_leaves_before_its_form_is_there(self):
        got = []

        async def app(scope, receive, send):
            for _ in range(2):
                got.append((await receive())["type"])

        for wait in (0, 0.1):
            server = Server(self.wrap(app, FINISH), body=())
            server.incoming.put_nowait({"type": "http.request", "body": b"no", "more_body": True})
            await asyncio.sleep(wait)
            server.disconnect()
            await server.task
        self.assertEqual(got, ["http.request", "http.disconnect"] * 2)

    async def test_who_says_that_half_a_form_came_has_not_failed(self):
        class ClientDisconnect(Exception):
            """As Starlette's."""

        endings = []

        async def app(scope, receive, send):
            outlive.register_shutdown_function(lambda: endings.append(outlive.ending()))
            while (await receive())["type"] == "http.request":
                pass
            raise (ClientDisconnect if scope["path"] == "/half" else ValueError)("half a form")

        for path, ending in (("/half", outlive.Ending.ABORTED), ("/mistake", outlive.Ending.HOST_ERROR)):
            server = Server(self.wrap(app, FINISH), path=path, body=())
            server.incoming.put_nowait({"type": "http.request", "body": b"no", "more_body": True})
            server.disconnect()
            if ending == outlive.Ending.ABORTED:
                await server.task
            else:
                with self.assertRaises(ValueError):  # the server's to log
                    await server.task
            self.assertEqual((endings, server.sent), ([ending], []))
            endings.clear()

    async def test_exceptions(self):
        told = []

        async def app(scope, receive, send):
            outlive.register_shutdown_function(lambda: told.append(outlive.ending()))
            raise ValueError("mine")

        server = Server(self.wrap(app))
        with self.assertRaisesRegex(ValueError, "mine"):
            await server.task
        self.assertEqual((told, self.in_flight()), ([outlive.Ending.HOST_ERROR], []))

    async def test_shutdown_functions_may_block_and_be_awaited(self):
        told = []

        async def awaited(word):
            await asyncio.sleep(0.01)
            told.append((word, outlive.ending()))

        def fails():
            told.append("fails")
            raise ValueError("a shutdown function's own")

        async def app(scope, receive, send):
            outlive.register_shutdown_function(awaited, "first")
            outlive.register_shutdown_function(fails)
            outlive.register_shutdown_function(told.append, "skipped")
            await respond(send)

        server = Server(self.wrap(app))
        with self.assertLogs("outlive", logging.ERROR):
            await server.task
        self.assertEqual((told, server.body, self.in_flight()), ([("first", outlive.Ending.COMPLETED), "fails"], b"saved", []))

    async def test_finish_request(self):
        reached = []

        async def app(scope, receive, send):
            self.assertTrue(await outlive.afinish_request(b"thanks", status=202, headers=[("X-Note", "yes")]))
            self.assertFalse(await outlive.afinish_request())
            server.disconnect()
            await asyncio.sleep(0.05)
            reached.append(outlive.connection_status())
            await respond(send, b"dropped")
            reached.append("end")

        server = Server(self.wrap(app, STOP))
        await server.task
        self.assertEqual((server.status, server.body, reached), (202, b"thanks", [0, "end"]))

    async def test_finish_request_from_a_thread(self):
        async def app(scope, receive, send):
            self.assertRaisesRegex(RuntimeError, "afinish_request", outlive.finish_request)
            work = contextvars.copy_context().run
            self.assertTrue(await loop.run_in_executor(None, work, outlive.finish_request, b"thanks"))

        loop = asyncio.get_running_loop()
        server = Server(self.wrap(app))
        await server.task
        self.assertEqual((server.status, server.body), (200, b"thanks"))

    async def test_threads(self):
        """What a thread does for the request: the names work, a hold there holds, and the stop is raised there."""
        reached = []

        def work():
            outlive.register_shutdown_function(lambda: reached.append(outlive.ending()))
            with outlive.hold():
                loop.call_soon_threadsafe(server.disconnect)
                while self.in_flight()[0].gone is None:
                    pass
                reached.append("held")
            reached.append("never")

        async def app(scope, receive, send):
            # asyncio.to_thread, which Python 3.9 has, too, does the same.
            await loop.run_in_executor(None, contextvars.copy_context().run, work)

        loop = asyncio.get_running_loop()
        server = Server(self.wrap(app, STOP))
        await server.task
        self.assertEqual(reached, ["held", outlive.Ending.ABORTED])

    async def test_a_client_that_has_its_whole_response_has_not_aborted(self):
        told = []

        async def app(scope, receive, send):
            outlive.register_shutdown_function(lambda: told.append(outlive.ending()))
            await respond(send)
            await asyncio.sleep(0.1)  # work behind the response; gunicorn cancels it
            told.append("worked")

        server = Server(self.wrap(app, STOP))
        await self.wait_for(lambda: server.body)
        server.task.cancel()
        await self.wait_for(lambda: len(told) == 2)
        self.assertEqual(told, ["worked", outlive.Ending.COMPLETED])

    async def test_who_swallows_a_stop_is_told_again(self):
        reached = []

        async def app(scope, receive, send):
            while len(reached) < 3:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    reached.append("swallowed")

        server = Server(self.wrap(app, STOP, cleanup=0.05))
        server.disconnect()
        await asyncio.wait_for(server.task, 20)
        self.assertEqual(reached, ["swallowed"] * 3)

    async def test_nothing_writes_behind_the_shutdown_functions(self):
        told, tasks = [], []

        async def long(name):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(0.05)
                told.append(name)
                raise

        def works():
            time.sleep(0.3)
            told.append("thread")

        async def app(scope, receive, send):
            outlive.register_shutdown_function(told.append, "end")
            tasks.append(asyncio.ensure_future(long("task")))
            tasks.append(loop.run_in_executor(None, works))
            await asyncio.gather(long("sibling"), tasks[-1], asyncio.sleep(60))

        loop = asyncio.get_running_loop()
        server = Server(self.wrap(app, STOP))
        server.disconnect()
        await asyncio.wait_for(server.task, 20)
        self.assertEqual((sorted(told), told[-1]), (["end", "sibling", "task", "thread"], "end"))

    async def test_others_pass_through(self):
        seen = []

        async def app(scope, receive, send):
            seen.append((scope, receive, send))

        middleware = self.wrap(app)
        given = ({"type": "websocket"}, object(), object())
        await middleware(*given)
        self.assertEqual(seen, [given])

    async def test_many_at_once(self):
        """Every one ends, once; none is lost from the live table."""
        ended = []

        async def app(scope, receive, send):
            outlive.register_shutdown_function(ended.append, scope["path"])
            await go_on.wait()
            await respond(send)

        go_on = asyncio.Event()
        middleware = self.wrap(app, STOP)
        servers = [Server(middleware, path="/%d" % at) for at in range(150)]
        await self.wait_for(lambda: len(middleware.requests()) == 150)
        for at, server in enumerate(servers):
            if at % 3 == 0:
                server.disconnect()
            elif at % 3 == 1:
                server.task.cancel()
        await self.wait_for(lambda: len(ended) == 100)
        go_on.set()
        await asyncio.gather(*(server.task for server in servers), return_exceptions=True)
        await self.wait_for(lambda: not middleware.requests())
        self.assertEqual(sorted(ended), sorted(set(ended)))
        self.assertEqual(len([server for server in servers if server.body == b"saved"]), 50)
