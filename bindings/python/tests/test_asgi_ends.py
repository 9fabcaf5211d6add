"""The ASGI middleware at the end of its process: lifespan, drain, loops that close."""

import asyncio
import gc
import logging
import os
import threading
import unittest

import outlive
from asgi_exchange import FINISH, Case, Form, Server, respond
from outlive.asgi import OutliveMiddleware


class Ends(Case):
    async def lifespan(self, middleware):
        incoming, sent = asyncio.Queue(), []

        async def send(message):
            sent.append(message["type"])

        task = asyncio.ensure_future(middleware({"type": "lifespan"}, incoming.get, send))
        incoming.put_nowait({"type": "lifespan.startup"})
        await self.wait_for(lambda: sent)
        return task, incoming, sent

    async def test_lifespan_drains(self):
        form = Form()

        async def knows_lifespan(scope, receive, send):
            if scope["type"] != "lifespan":
                return await form(scope, receive, send)
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            form.endings.append("application")
            await send({"type": "lifespan.shutdown.complete"})

        async def does_not(scope, receive, send):
            if scope["type"] == "lifespan":
                raise ValueError("can only handle HTTP")
            await form(scope, receive, send)

        for app in (knows_lifespan, does_not):
            form = Form()
            middleware = self.wrap(app, FINISH, drain=30)
            task, incoming, sent = await self.lifespan(middleware)
            server = Server(middleware)
            await form.waiting.wait()
            server.task.cancel()
            incoming.put_nowait({"type": "lifespan.shutdown"})
            await asyncio.sleep(0.05)
            self.assertEqual((form.endings, sent), ([], ["lifespan.startup.complete"]))
            form.lock_of_c.set()
            await asyncio.wait_for(task, 30)
            self.assertEqual(form.written, "ABCD")
            self.assertEqual(form.endings, [outlive.Ending.COMPLETED, "application"][: 2 if app is knows_lifespan else 1])
            self.assertEqual(sent, ["lifespan.startup.complete", "lifespan.shutdown.complete"])

    async def test_lifespan_stops_what_takes_too_long(self):
        told = []

        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                raise ValueError
            outlive.register_shutdown_function(lambda: told.append(outlive.ending()))
            await asyncio.sleep(60)

        middleware = self.wrap(app, FINISH, drain=0.05)
        task, incoming, _ = await self.lifespan(middleware)
        server = Server(middleware)
        await self.wait_for(lambda: middleware.requests())
        await asyncio.sleep(0.05)
        incoming.put_nowait({"type": "lifespan.shutdown"})
        await task
        await server.task
        self.assertEqual((told, server.status), ([outlive.Ending.SHUTDOWN], 503))

    async def test_a_drain_of_ones_own(self):
        """Where a server gives no lifespan, which is said once. The loop's own threads may all be taken."""
        form, blocked = Form(), threading.Event()
        loop = asyncio.get_running_loop()
        taken = [loop.run_in_executor(None, blocked.wait) for _ in range(40)]
        middleware = self.wrap(form, FINISH)
        with self.assertLogs("outlive", logging.WARNING) as said:
            servers = [Server(middleware) for _ in range(2)]
            await form.waiting.wait()
        self.assertEqual([line for line in said.output if "no lifespan" in line], said.output)
        self.assertEqual(len(said.output), 1)
        with self.assertRaisesRegex(RuntimeError, "adrain"):
            middleware.drain()
        loop.call_later(0.05, form.lock_of_c.set)
        self.assertTrue(await asyncio.wait_for(middleware.adrain(30), 30))
        self.assertEqual(form.endings, [outlive.Ending.COMPLETED] * 2)
        blocked.set()
        await asyncio.gather(*taken, *(server.task for server in servers))


class Loops(unittest.TestCase):
    def test_a_loop_that_closes_ends_what_runs(self):
        told = []

        async def app(scope, receive, send):
            outlive.register_shutdown_function(lambda: told.append(outlive.ending()))
            await asyncio.sleep(60)

        middleware = OutliveMiddleware(app, values=FINISH)

        async def main():
            server = Server(middleware)
            while not middleware.requests():
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            server.task.cancel()

        for _ in range(2):  # another loop, another descriptor
            asyncio.run(main())
        self.assertEqual((told, middleware.requests()), ([outlive.Ending.SHUTDOWN] * 2, []))

    def test_keyboard_interrupt(self):
        """At the application's first step, at a later one, and in a shutdown function: it gets out, the request has ended."""

        async def at_once(scope, receive, send):
            outlive.register_shutdown_function(lambda: told.append(outlive.ending()))
            raise KeyboardInterrupt

        async def later(scope, receive, send):
            outlive.register_shutdown_function(lambda: told.append(outlive.ending()))
            await asyncio.sleep(0.01)
            raise KeyboardInterrupt

        async def at_its_end(scope, receive, send):
            def fails():
                told.append(outlive.ending())
                raise KeyboardInterrupt

            outlive.register_shutdown_function(fails)
            outlive.register_shutdown_function(told.append, "never")
            await respond(send)

        noise = logging.getLogger("asyncio")  # says that nobody asked the task for it
        noise.setLevel(logging.CRITICAL)
        self.addCleanup(noise.setLevel, logging.ERROR)
        for app, ending in ((at_once, outlive.Ending.SHUTDOWN), (later, outlive.Ending.SHUTDOWN), (at_its_end, outlive.Ending.COMPLETED)):
            told = []
            middleware = OutliveMiddleware(app)

            async def main():
                await Server(middleware).task

            with self.subTest(app.__name__):
                self.assertRaises(KeyboardInterrupt, asyncio.run, main())
                self.assertEqual((told, middleware.requests()), ([ending], []))
                gc.collect()

    def test_descriptors_are_closed(self):
        async def app(scope, receive, send):
            await respond(send)

        async def main():
            await Server(middleware).task

        middleware = OutliveMiddleware(app)
        asyncio.run(main())
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            asyncio.run(main())
        gc.collect()
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), before)


if __name__ == "__main__":
    unittest.main()
