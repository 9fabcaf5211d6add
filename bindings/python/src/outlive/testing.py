"""For tests of applications: clients that leave, time limits that pass, and endings of requests. No server is needed.

    from outlive.testing import Client, Ending
    with Client(app).post("/save") as exchange:
        exchange.leave()
        assert exchange.result().ending == Ending.COMPLETED

With pytest, the fixtures `outlive_client` (this module's Client) and `outlive_request` (a current request, for code under test that asks
`outlive.hold` and the like) are there without an import.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import io
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Type, TypeVar

from ._policy import Disconnect, Policy
from .config import Config
from .engine import Engine, observers
from .errors import BusyError
from .request import Request
from .enums import Ending

__all__ = ["Answer", "Client", "Ending", "Exchange", "request", "time_is_up"]

T = TypeVar("T")
PATIENCE = 10.0
_exchange: contextvars.ContextVar[Optional[Exchange]] = contextvars.ContextVar("outlive.testing", default=None)


def _observed(begun: Request) -> None:
    exchange = _exchange.get()
    if exchange is not None and exchange._request is None:
        exchange._request = begun
        exchange._began.set()


observers.append(_observed)


def _patiently(call: Callable[[], T]) -> T:
    """For calls from beside the thread that works on the request."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(0.001)


def time_is_up(request: Request) -> None:
    """The request's time limit is over, as soon as one can be: a second from here."""
    _patiently(lambda: request.ini_set("outlive.clock", "wall"))
    _patiently(lambda: request.set_time_limit(1))


@contextmanager
def request(
    *, disconnect: Optional[Disconnect] = "stop", method: str = "POST", path: str = "/", values: Optional[Mapping[str, str]] = None
) -> Iterator[Request]:
    """A request that is the current one inside: for functions that use outlive's, without an application. `request.client_gone()` is the
    client's leaving; behind the block, `request.ending` says why it ended."""
    with Config(values=Policy(disconnect=disconnect).values(values, False)) as config, Engine() as engine:
        with engine.begin(config.resolve(path, method=method), label=path, method=method) as begun:
            yield begun


@dataclass(frozen=True)
class Answer:
    """The result of an exchange."""

    status: Optional[int]
    """None: nothing was answered."""
    body: bytes
    ending: Ending
    """Why the request ended; NONE: the middleware was not asked."""
    raised: Optional[BaseException]
    """The exception that the application raised to the server."""


class Client:
    """Asks a WSGI or ASGI application, in a thread, as a server would. `headers` go along with every request."""

    def __init__(self, app: Any, *, headers: Optional[Mapping[str, str]] = None) -> None:
        self.app, self.headers = app, dict(headers or {})

    def get(self, path: str, **options: Any) -> Exchange:
        """Begins a GET."""
        return self.open("GET", path, **options)

    def post(self, path: str, body: bytes = b"", **options: Any) -> Exchange:
        """Begins a POST."""
        return self.open("POST", path, body, **options)

    def open(self, method: str, path: str, body: bytes = b"", *, headers: Optional[Mapping[str, str]] = None) -> Exchange:
        """Begins any request. Its exchange is to be used with `with`, or asked for its `result`."""
        called = getattr(self.app, "__call__", None)  # noqa: B004 (what it is, not whether it is there)
        is_asgi = inspect.iscoroutinefunction(self.app) or inspect.iscoroutinefunction(called)
        kind = _AsgiExchange if is_asgi else _WsgiExchange
        return kind(self.app, method, path, body, {"host": "testserver", **self.headers, **(headers or {})})


class Exchange:
    """One request of a client that can leave."""

    def __init__(self, app: Any, method: str, path: str, body: bytes, headers: Dict[str, str]) -> None:
        self.app, self.method, self.body, self.headers = app, method, body, headers
        self.path, _, self.query = path.partition("?")
        self._request: Optional[Request] = None
        self._began = threading.Event()
        self._gone = threading.Event()
        self._status: Optional[int] = None
        self._parts: List[bytes] = []
        self._raised: Optional[BaseException] = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._work,), name=f"{method} {path}", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        _exchange.set(self)
        try:
            self._serve()
        except BaseException as why:
            self._raised = why
        finally:
            self._began.set()

    def _serve(self) -> None:
        raise NotImplementedError

    @property
    def request(self) -> Request:
        """The request, once it has begun. LookupError: the application did not ask outlive's middleware."""
        self._began.wait(PATIENCE)
        if self._request is None:
            raise LookupError(f"{self.method} {self.path}: no request was begun: is the middleware in place? {self._raised or ''}")
        return self._request

    def leave(self) -> None:
        """The client leaves, as when a tab is closed. The request has begun before that."""
        self._began.wait(PATIENCE)
        self._gone.set()

    def time_is_up(self) -> None:
        """The time limit is over, as soon as one can be: a second from here."""
        time_is_up(self.request)

    def result(self, timeout: float = PATIENCE) -> Answer:
        """Waits for the end. TimeoutError: it did not come."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"{self.method} {self.path} still works after {timeout} s")
        ending = Ending.NONE if self._request is None else self._request.ending
        return Answer(self._status, b"".join(self._parts), ending, self._raised)

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], why: Optional[BaseException], where: Optional[TracebackType]) -> None:
        """Leaves, if it is not over, and waits."""
        self.leave()
        if kind is None:
            self.result()


class _WsgiExchange(Exchange):
    def leave(self) -> None:
        super().leave()
        self._theirs.close()

    def result(self, timeout: float = PATIENCE) -> Answer:
        answer = super().result(timeout)
        self._theirs.close()
        return answer

    def _serve(self) -> None:
        ours, self._theirs = socket.socketpair()
        environ = {
            "REQUEST_METHOD": self.method, "SCRIPT_NAME": "", "PATH_INFO": self.path, "QUERY_STRING": self.query, "SERVER_NAME": "testserver",
            "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "CONTENT_LENGTH": str(len(self.body)),
            "CONTENT_TYPE": self.headers.get("content-type", ""), "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.body), "wsgi.errors": io.StringIO(), "wsgi.multithread": True, "wsgi.multiprocess": False,
            "wsgi.run_once": False, "gunicorn.socket": ours,
            **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in self.headers.items()},
        }
        with ours:
            result = self.app(environ, self._start)
            try:
                for chunk in result:
                    self._write(chunk)
            except BrokenPipeError:
                pass
            finally:
                if hasattr(result, "close"):
                    result.close()

    def _start(self, status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        self._status = int(status.split()[0])
        return self._write

    def _write(self, data: bytes) -> None:
        if self._gone.is_set():
            raise BrokenPipeError
        self._parts.append(data)


class _AsgiExchange(Exchange):
    def leave(self) -> None:
        super().leave()
        loop, gone = self._loop_and_gone
        if not loop.is_closed():
            try:
                loop.call_soon_threadsafe(gone.set)
            except RuntimeError:
                pass  # it was closed just now

    def _serve(self) -> None:
        asyncio.run(self._exchange())

    async def _exchange(self) -> None:
        gone, has_body = asyncio.Event(), False
        self._loop_and_gone: Tuple[asyncio.AbstractEventLoop, asyncio.Event] = (asyncio.get_running_loop(), gone)

        async def receive() -> Dict[str, Any]:
            nonlocal has_body
            if not has_body:
                has_body = True
                return {"type": "http.request", "body": self.body, "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Dict[str, Any]) -> None:
            if gone.is_set():
                return
            if message["type"] == "http.response.start":
                self._status = message["status"]
            elif message["type"] == "http.response.body":
                self._parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    gone.set()  # as servers do

        await self.app({
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": self.method, "scheme": "http",
            "path": self.path, "raw_path": self.path.encode(), "query_string": self.query.encode(), "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()]
            + [(b"content-length", str(len(self.body)).encode())],
            "client": ("127.0.0.1", 9), "server": ("testserver", 80), "state": {},
        }, receive, send)
