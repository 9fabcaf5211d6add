"""The status page as an application."""

import asyncio
import concurrent.futures
import threading
import unittest

import outlive
from outlive.testing import Client


class Pages(unittest.TestCase):
    def test_while_all_threads_of_the_loop_wait(self):
        """That is when somebody wants to see it."""
        locked = threading.Event()

        async def app(scope, receive, send):
            loop = asyncio.get_running_loop()
            loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))
            waiting = loop.run_in_executor(None, locked.wait)
            try:
                await outlive.status_app(engine, title="the shop")(scope, receive, send)
            finally:
                locked.set()
                await waiting

        with outlive.Engine() as engine:
            exchange = Client(app).get("/")
            try:
                answer = exchange.result(5)
            finally:
                locked.set()
        self.assertEqual((answer.status, b"the shop" in answer.body, answer.raised), (200, True, None))


if __name__ == "__main__":
    unittest.main()
