"""For the tests of the ASGI middleware: a server made of two queues, and the founding story's application."""

import asyncio
import logging
import unittest

import outlive
from outlive.asgi import OutliveMiddleware

# Its debug mode, which finds real mistakes, also reports every busy moment of the machine.
logging.getLogger("asyncio").setLevel(logging.ERROR)

FINISH = {"outlive.disconnect": "finish"}
STOP = {"outlive.disconnect": "stop", "outlive.detect": "watch"}


class Server:
    """One exchange: what the server would receive from and send to a client."""

    def __init__(self, middleware, method="POST", path="/save", body=(b"note=milk",)):
        self.sent = []
        self.incoming = asyncio.Queue()
        for at, part in enumerate(body):
            self.incoming.put_nowait({"type": "http.request", "body": part, "more_body": at + 1 < len(body)})
        self.scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "http_version": "1.1",
            "scheme": "http", "headers": [(b"host", b"localhost")], "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9),
        }
        self.fails = False
        self.is_gone = False
        self.task = asyncio.ensure_future(middleware(self.scope, self.receive, self.send))

    async def receive(self):
        if self.is_gone:
            return {"type": "http.disconnect"}
        message = await self.incoming.get()
        self.is_gone = message["type"] == "http.disconnect"
        return message

    async def send(self, message):
        if self.fails:
            raise OSError("the client has gone")
        self.sent.append(message)

    def disconnect(self):
        self.incoming.put_nowait({"type": "http.disconnect"})

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def status(self):
        return self.sent[0]["status"] if self.sent else None


async def respond(send, body=b"saved"):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


class Form:
    """The founding story's application: A, B, a held C that waits for a lock, D."""

    def __init__(self):
        self.written = ""
        self.endings = []
        self.waiting = asyncio.Event()
        self.lock_of_c = asyncio.Event()

    async def __call__(self, scope, receive, send):
        outlive.register_shutdown_function(lambda: self.endings.append(outlive.ending()))
        while (await receive()).get("more_body"):
            pass
        self.written += "A"
        async with outlive.hold():
            self.written += "B"
            self.waiting.set()
            await self.lock_of_c.wait()
            self.written += "C"
        await asyncio.sleep(0)
        self.written += "D"
        await respond(send)


class Case(unittest.IsolatedAsyncioTestCase):
    """A test whose middleware is closed behind it."""

    def wrap(self, app, values=None, **options):
        middleware = OutliveMiddleware(app, values=values, **options)
        self.addCleanup(lambda: middleware._core.engine.now and middleware._core.engine.now.close())
        self.middleware = middleware
        return middleware

    async def wait_for(self, condition):
        for _ in range(2000):
            if condition():
                return
            await asyncio.sleep(0.01)
        self.fail("not in time")

    def in_flight(self):
        return self.middleware.requests()
