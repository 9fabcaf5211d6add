"""One HTTP request under the ASGI middleware: the application's task, what it receives and sends, and how a stop reaches it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from types import CoroutineType
from typing import Any, Awaitable, Callable, Deque, Dict, Iterable, Optional, Sequence, Set, Tuple

from ._eager import Begins
from ._charged import Charged
from ._host import Host
from ._keeping import SAFE, Keeping, Refusal, Replay
from ._keeping_on_loop import keep, keeping_of_scope, say_done
from ._notifier import Notifier
from ._policy import Stream
from ._middleware import MiddlewareCore, Ways, end, log, shut_down
from ._tasks import Stopping, has_stop, remainder
from .config import Settings
from .engine import Engine
from .errors import Error, Stop
from .request import Request, _current, ending_of
from .enums import Ending

Message = Dict[str, Any]
Scope = Dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Bytes of the body that the listener reads before the application asks for them. What follows, including the client's disconnect,
# is noticed only after the application has read on.
READ_AHEAD = 65536


class Exchange(Host, Begins):
    """The application works in a task of its own, which nobody but `deliver` cancels: the server's cancellation ends at the
    middleware's. Most exchanges are over at that task's first step, so what only others need is made when it is needed."""

    app: App
    scope: Scope
    server_receive: Receive
    server_send: Send
    notifier: Notifier
    request: Request
    home: Optional[Set[Any]]  # of the notifier's, the one that it is in; None: its request has not begun
    done: Optional[asyncio.Future[None]]  # what the server's task waits for
    raised: Optional[BaseException]  # for the server's task, which has not begun to wait
    is_counted = False  # CPU time is charged step by step
    streams_stop: bool  # a streaming response stops, whatever holds for the rest
    stream: Optional[Stream]
    tells_at_once = False  # outlive.detect = watch
    stopping: Optional[Stopping]  # it is told to stop
    is_ending = False  # the application is through
    core: Optional[MiddlewareCore]  # where submissions may go to a journal
    keeping: Optional[Keeping]
    has_failed: bool  # its answer says so
    is_gone: bool  # the client: as far as the server has said
    is_silent: bool  # it was noticed: nothing is sent any more
    has_started: bool  # the response
    is_complete: bool
    has_body = False  # the request's body has been received to its end
    is_reading = False  # the application waits for the server's next message
    may_listen = False  # the listener's time has come
    messages: Deque[Message] = deque()  # received by the listener for the application; shared while empty
    arrived: Optional[asyncio.Future[None]] = None
    completed: Optional[asyncio.Future[None]]
    listener: Optional[asyncio.Task[None]]

    # ---- the server's task ----

    def result(self) -> None:
        """The result, once it is over."""
        raised, self.raised = self.raised, None
        if raised is not None:
            raise raised

    async def wait(self, task: asyncio.Task[None]) -> None:
        """Until it is over, or the server cancels."""
        done = self.done = self.notifier.loop.create_future()
        server = asyncio.current_task(self.notifier.loop)
        if server is not None:
            self.notifier.servers.add(server)
        try:
            await done
        except asyncio.CancelledError:
            if not self.is_ending:
                self.notifier.tasks.add(task)  # somebody has to know it; loops do not
                task.add_done_callback(self.notifier.tasks.discard)
                self.abandoned()
            raise

    # ---- the application's task ----

    async def look_up_and_work(self, engine: Engine, look_up: Callable[[], Tuple[Settings, Ways]]) -> None:
        """Finds the settings in a thread first. If the server cancels meanwhile, the request still begins, as one that was left."""
        try:
            settings, ways = await self.notifier.loop.run_in_executor(self.notifier.look_ups(), look_up)
        except BaseException as why:
            self._tell(why)
            return
        await self.work(engine, settings, ways)

    async def work(self, engine: Engine, settings: Settings, ways: Ways) -> None:
        """Begins the request, runs the application and ends the request, whatever happens."""
        scope, notifier = self.scope, self.notifier
        try:
            label, method = scope.get("path"), scope.get("method")
            if type(label) is not str or type(method) is not str:
                request = engine._begin(settings, _text(label), _text(method), -1, notifier.fd, False, Request(engine))
            elif self.core is not None and ways[2] and method not in SAFE:
                keeping = self.keeping = keeping_of_scope(self.core, settings, scope, method, label)
                request = engine._begin(settings, label, method, -1, notifier.fd, False, Request(engine), (None, keeping.key, False, 0))
            else:
                request = engine._begin_on_loop(settings, label, method, notifier.form)
        except Exception as why:
            self._tell(why)
            return
        self.request, request._host = request, self
        if self.task is None:
            self.task = asyncio.current_task(notifier.loop)
        self.is_counted, self.tells_at_once, _ = ways
        if self.streams_stop:
            request._streams_stop = True
        home = self.home = notifier.fresh
        home.add(self)
        if not notifier.ticks:
            notifier.begin_ticking()
        _current.set(request)
        if self.is_gone:
            self.abandoned()  # the server has cancelled before the task began
        raised: Optional[BaseException] = None
        try:
            running: Any = (self.app if self.keeping is None else self._keep_and_work)(scope, self.receive, self.send)
            if self.is_counted:
                if type(running) is not CoroutineType:
                    running = _awaited(running)
                try:
                    waits = running.send(None)
                except StopIteration:
                    pass
                else:
                    await Charged(request, running, waits)
            else:
                await running
        except BaseException as why:
            # A cancellation that is not ours: the loop is being closed.
            has_left = self.is_gone and not self.has_body
            raised = remainder(why, self.stopping is not None or has_stop(why), has_left)
            if has_stop(why):
                self._stopping()
            elif has_left and raised is None and self.stopping is None:
                self._try(request.exit, Ending.ABORTED)
        self.is_ending = True
        try:
            if self.stopping is not None:
                await self._let_others_end(self.stopping)
            if raised is not None:
                self._try(request.exit, ending_of(raised))
            elif self.has_failed:
                self._try(request.exit, Ending.HOST_ERROR)
            elif not self.is_complete:
                await self._say_stopped()
            if request._functions is None and self.keeping is None:
                end(request)
            else:
                await self._end_with_functions()
        except BaseException as why:
            raised = why
        self.is_complete = True  # nothing is listened for any more
        if self.listener is not None:
            self.listener.cancel()
        self.home.discard(self)  # another than it was in first, maybe
        if raised is None and self.done is None:
            self.is_over = True
        else:
            self._tell(raised)

    def _tell(self, raised: Optional[BaseException]) -> None:
        """The server's task goes on. What it does not wait for any more, and what a client that has gone would not get to
        see, is logged."""
        done, self.is_over = self.done, True
        is_waited_for = done is None or not done.done()
        if isinstance(raised, Exception) and (self.is_silent or not is_waited_for):
            log.error("a request whose client has gone failed: %s", self.scope.get("path"), exc_info=raised)
            raised = None
        if done is None:
            self.raised = raised
        elif raised is None:
            if is_waited_for:
                done.set_result(None)
        elif isinstance(raised, Exception):
            done.set_exception(raised)
        elif is_waited_for:
            done.cancel()
        if raised is not None and not isinstance(raised, Exception):
            raise raised

    async def _let_others_end(self, stopping: Stopping) -> None:
        """The request's other tasks, which may still write, end before its shutdown functions begin."""
        for task in await stopping.rest():
            log.warning("the request was stopped, and one of its tasks still runs: %s: %r", self.scope.get("path"), task)

    async def _end_with_functions(self) -> None:
        """Shutdown functions may block, or want to be awaited here: they run in a thread of their own."""
        request, context = self.request, contextvars.copy_context()
        if self.is_counted:
            self._try(request.suspend)
        running = self.notifier.loop.run_in_executor(self.notifier.endings(), context.run, self._end_in_thread)
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            await running  # the loop is being closed: it ends first
            raise
        if self.keeping is not None and self.keeping.submission is not None:
            await say_done(self.keeping, request, self.notifier)

    def _end_in_thread(self) -> None:
        if self.is_counted:
            self._try(self.request.resume)
        if self.keeping is not None and self.keeping.submission is not None:
            shut_down(self.request)
        else:
            end(self.request)

    @staticmethod
    def _try(function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except (Error, Stop):
            pass

    async def _say_stopped(self) -> None:
        """Answers a client that is still there and whose request was stopped before an answer began. An answer that had begun is left incomplete:
        the server breaks the connection."""
        request = self.request
        if self.has_started or self.is_gone or not request.should_stop():
            return
        status = 503 if request.ending == Ending.SHUTDOWN else 500
        try:
            await self._respond(status, ((b"content-type", b"text/plain"),), f"stopped: {request.ending}\n".encode())
        except Exception:
            log.debug("the client could not be told that its request was stopped", exc_info=True)

    async def _respond(self, status: int, headers: Iterable[Tuple[bytes, bytes]], body: bytes) -> None:
        given = [*headers, (b"content-length", str(len(body)).encode())]
        self.has_started = True
        await self.server_send({"type": "http.response.start", "status": status, "headers": given})
        await self.server_send({"type": "http.response.body", "body": body})
        self._complete()

    async def _keep_and_work(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application's work begins once the journal has accepted what was submitted."""
        keeping = self.keeping
        assert keeping is not None
        try:
            receive = await keep(keeping, self.request, receive, self.notifier)
        except (Refusal, Replay) as why:
            self.has_failed = why.status == 503
            headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in why.headers if name != "Content-Length"]
            if not self.is_silent:
                await self._respond(why.status, headers, why.body)
            return
        await self.app(scope, receive, send)

    # ---- stops ----

    def deliver(self) -> None:
        """A stop may be due: the request's tasks are cancelled, unless it holds; then the end of the hold does it."""
        request, task = self.request, self.task
        if self.is_ending or task is None or task.done():
            return
        if request.is_forced:
            log.warning("no safe point has come since the time limit passed: %s", self.scope.get("path"))
        if request._callbacks is not None:
            request._callbacks.look()
        if request._held == 0 and (self.stopping is not None or request.should_stop()):
            self._stopping().go_on()

    def _stopping(self) -> Stopping:
        stopping = self.stopping
        if stopping is None:
            assert self.task is not None
            stopping = self.stopping = Stopping(self.request, self.task, self.notifier)
        return stopping

    def stop_waits(self) -> None:
        self._on_loop(self.deliver)

    def hold_begins(self) -> None:
        if self.stopping is not None and threading.get_ident() == self.notifier.thread:
            self.stopping.hold_begins()

    def stop_is_raised(self) -> None:
        if threading.get_ident() != self.notifier.thread:
            self._on_loop(self.deliver)
        elif not self.is_ending and self.task is not None:
            self._stopping().raised_here()

    def _on_loop(self, function: Callable[[], None]) -> None:
        try:
            self.notifier.loop.call_soon_threadsafe(function)
        except RuntimeError:
            pass  # the loop is closed

    def wait_for(self, wanted: Awaitable[Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(_awaited(wanted), self.notifier.loop).result()

    def abandoned(self) -> None:
        """The server has cancelled: nothing can be sent any more."""
        self.is_gone = True
        if self.home is None or self.is_complete:
            return  # its request has not begun; or it has its whole response, and has lost nothing
        self.notice()
        self.deliver()

    def client_left(self) -> None:
        """The server says that the client has gone."""
        if self.is_gone or self.is_complete:
            return
        self.is_gone = True
        if self.tells_at_once:
            self.notice()
            self.deliver()

    def notice_at_once(self) -> None:
        self.tells_at_once = True
        if self.is_gone and not self.is_silent:
            self.notice()

    def notice(self) -> None:
        """Sends nothing from here on. As in PHP, the disconnect is noticed at the first output that cannot be delivered."""
        self.is_silent = True
        self.request.client_gone()

    # ---- output ----

    async def send(self, message: Message) -> None:
        """For the application. A safe point."""
        request = self.request
        if self.is_gone and not self.is_silent:
            self.notice()
        if request._streams_stop and not self.is_complete:
            self._look_for_a_stream(message)
        if request._word[0] and not request.ended:
            request.check()
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if self.is_complete:
            return
        # Notes the response, whether or not the client is still there.
        if not self.has_started:
            self.has_started = True
            if message.get("status", 200) >= 500:
                self.has_failed = True
        if self.keeping is not None:
            self.keeping.sent(message)
        if self.is_silent:
            if is_last:
                self._complete()  # it may wait to hear that the client is served
            return
        try:
            await self.server_send(message)
        except OSError:
            self.is_gone = True
            self.notice()
            request.check()
            return
        if is_last:
            self.is_complete = True
            if self.completed is not None:
                self._complete()

    def _look_for_a_stream(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            stream = self.stream = Stream(self.request)
            stream.started(message.get("headers", ()))
        elif self.stream is not None and message.get("body") and message.get("more_body", False):
            self.stream.part()

    def _complete(self) -> None:
        self.is_complete = True
        if self.completed is not None and not self.completed.done():
            self.completed.set_result(None)

    async def finish_async(self, status: int, headers: Sequence[Tuple[str, str]], body: bytes) -> bool:
        """As fastcgi_finish_request: the response is complete, with `body` as its last part; a whole one if none had begun."""
        if self.is_complete:
            return False
        if self.is_gone:
            self._answered(status, headers, body)
            self._complete()
        elif self.has_started:
            await self.send({"type": "http.response.body", "body": body})
        else:
            self.request.check()
            self._answered(status, headers, body)
            given = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            await self._respond(status, given, body)
        return self.request.finish()

    def _answered(self, status: int, headers: Sequence[Tuple[str, str]], body: bytes) -> None:
        """Notes what completes the response: a whole one, if none had begun."""
        if not self.has_started:
            self.has_failed = status >= 500
            if self.keeping is not None:
                self.keeping.started(status, headers)
        if self.keeping is not None:
            self.keeping.part(body)

    def finish(self, status: int, headers: Sequence[Tuple[str, str]], body: bytes) -> bool:
        """For a thread that works for the request."""
        if threading.get_ident() == self.notifier.thread:
            raise RuntimeError("on an event loop, say: await outlive.afinish_request(…)")
        return bool(self.wait_for(self.finish_async(status, headers, body)))

    # ---- input ----

    async def receive(self) -> Message:
        """For the application. After the request's body it gets no disconnect message until the response is complete: `deliver` decides when the
        application ends. A client that leaves before its body is complete has sent no request."""
        while not self.has_body or self.messages:
            if self.messages:
                message: Message = self.messages.popleft()
                self._listen()
                return message
            if self.is_gone:
                return {"type": "http.disconnect"}
            if self.listener is None:
                return await self._receive_directly()
            self.arrived = self.notifier.loop.create_future()
            await self.arrived
        if not self.is_complete:
            if self.completed is None:
                self.completed = self.notifier.loop.create_future()
            await asyncio.shield(self.completed)
        return {"type": "http.disconnect"}

    async def _receive_directly(self) -> Message:
        self.is_reading = True
        try:
            message: Message = await self.server_receive()
        finally:
            self.is_reading = False
        self._look_at(message)
        self._listen()  # its time may have come meanwhile
        return message

    def _look_at(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self.client_left()
        elif not message.get("more_body", False):
            self.has_body = True

    # ---- listening ----

    def time_to_listen(self) -> None:
        self.may_listen = True
        self._listen()

    def _listen(self) -> None:
        if self.may_listen and self.listener is None and not (self.is_reading or self.is_gone or self.is_complete):
            context = contextvars.copy_context()
            context.run(_current.set, None)  # it is the middleware's task, and none of a request's
            self.listener = context.run(self.notifier.loop.create_task, self._listening())

    async def _listening(self) -> None:
        """Receives ahead: the rest of the body as far as it may, and then the disconnect."""
        while not self.is_gone and not self.is_complete and self._may_read_ahead():
            had_body = self.has_body
            try:
                message: Message = await self.server_receive()
            except OSError:
                message = {"type": "http.disconnect"}
            if message["type"] != "http.disconnect":
                if had_body:
                    break  # a server that says more than there is has no end
                if not self.messages:
                    self.messages = deque()
                self.messages.append(message)
            self._look_at(message)
            if self.arrived is not None and not self.arrived.done():
                self.arrived.set_result(None)
        self.listener = None

    def _may_read_ahead(self) -> bool:
        return sum(len(message.get("body", b"")) for message in self.messages) < READ_AHEAD


_new = Exchange.__new__


def exchange_of(app: App, scope: Scope, receive: Receive, send: Send, notifier: Notifier) -> Exchange:
    """A new one, without a call of its class, which costs as much again. What is asked for in each exchange an instance has itself: what
    its class has is found ten times slower."""
    made = _new(Exchange)
    made.app, made.scope, made.server_receive, made.server_send, made.notifier = app, scope, receive, send, notifier
    made.is_gone = made.is_silent = made.is_complete = made.is_over = made.has_started = made.has_failed = made.streams_stop = False
    made.task = made.done = made.raised = made.stopping = made.completed = made.listener = made.core = made.keeping = made.stream = made.home = None
    return made


def _text(said: Any) -> Optional[str]:
    return said if isinstance(said, str) else None


async def _awaited(wanted: Awaitable[Any]) -> Any:
    return await wanted
