"""Tornado: each handler's work runs as a request under outlive's policy; what Tornado says of a client's leaving sets the event."""

import asyncio
import sys

import outlive
import tornado.web
from outlive.handlers import Handlers, Stopped
from work import LIMIT, POLICY, awork

handlers = Handlers(**POLICY)


class Guarded(tornado.web.RequestHandler):
    def initialize(self, work):
        self.work, self.gone = work, asyncio.Event()

    def on_connection_close(self):
        self.gone.set()

    async def post(self):
        request = self.request
        try:
            answer = await handlers.run(self.answer, method=request.method, path=request.path, gone=self.gone)
        except Stopped as why:
            self.set_status(why.status)
            answer = why.text
        self.write(answer)

    get = post

    async def answer(self):
        return await self.work(self)


@outlive.finish
async def finish(handler):
    return await awork("finish")


@outlive.stop
async def stop(handler):
    return await awork("stop")


@LIMIT
async def limit(handler):
    return await awork("limit")


async def auto(handler):
    return await awork("auto-" + handler.request.method)


async def main():
    views = {"/finish": finish, "/stop": stop, "/limit": limit, "/auto": auto}
    tornado.web.Application([(path, Guarded, {"work": work}) for path, work in views.items()]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
