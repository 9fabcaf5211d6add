"""WSGI middleware: the configuration decides what happens to a request whose client has gone.

    from outlive.wsgi import OutliveMiddleware
    app = OutliveMiddleware(app, httpd_conf="/etc/apache2/apache2.conf")
"""

from __future__ import annotations

import importlib
import inspect
import io
import os
import socket as socket_module
import stat
import sys
from http import HTTPStatus
from types import TracebackType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Type, Union

from ._keeping import SAFE, Keeping, Refusal, Replay, not_told
from ._middleware import Middleware, MiddlewareCore, end, keeping_of, log, shut_down, ways_of
from ._host import Host
from ._policy import Stream, text_of
from ._targets import from_environ, path_of, port, text
from .config import Settings
from .errors import Error, Stop
from .request import Request, _current, ending_of
from .enums import Ending

__all__ = ["OutliveMiddleware"]

Environ = Dict[str, Any]
Write = Callable[[bytes], object]
Headers = List[Tuple[str, str]]
ExcInfo = Union[None, Tuple[Type[BaseException], BaseException, TracebackType], Tuple[None, None, None]]


class OutliveMiddleware(Middleware):
    """Gives a WSGI application PHP's connection handling.

    A client that has gone is noticed at the next output, as by PHP; with outlive.detect = watch at once, where the server
    gives its socket (gunicorn, uWSGI, Werkzeug, waitress). Where the configuration says finish, the application goes on and its output
    is dropped; where it says stop, `Stop` is raised at its next safe point.
    """

    _has_said = False  # that nothing can be watched

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        method, core = environ.get("REQUEST_METHOD"), self._core
        settings = core.of_all
        if settings is None:
            host = environ.get("HTTP_HOST")
            name = host.encode("latin-1", "replace") if type(host) is str and host else text(host) or text(environ.get("SERVER_NAME"))
            settings = core.of_name.get(name) or core.settings(lambda: from_environ(environ, name, core.root), name)
        socket, own = _descriptor(environ), _descriptor_of_our_own(environ)
        if socket < 0 and own is None and (settings.ways or ways_of(settings))[1]:
            own = _by_peer(environ)
            if own is None and not self._has_said:
                self._has_said = True
                log.warning(
                    "outlive.detect = watch, but this server does not hand out its sockets: that a client has gone is noticed at the next output"
                )
        keeping: Optional[Keeping] = None
        try:
            engine = core.engine.now or core.engine.get()
            if (settings.ways or ways_of(settings))[2] and isinstance(method, str) and method not in SAFE:
                keeping = _keeping(core, settings, environ, method)
            request = engine._begin(
                settings, path_of(environ), method if isinstance(method, str) else None, socket if own is None else own, -1, False, Request(engine),
                None if keeping is None else (None, keeping.key, False, 0),
            )
        except BaseException:
            if own is not None:
                os.close(own)
            raise
        response = _Response(request, start_response, environ, own)
        request._host, response.keeping = response, keeping
        if core.streams_stop:
            request._streams_stop, response.stream = True, Stream(request)
        return response.run(self.app)


class _Response(Host):
    """One response, over which the server iterates. Its close, which servers always call, ends the request."""

    has_warned = False  # once in a process
    has_started = False
    is_silent = False  # nothing is sent any more: the client has gone, or has its response
    is_complete = False  # the response, early: what is said behind it is none of it
    is_exhausted = False
    result: Any = None
    chunks: Iterator[bytes] = iter(())
    stream: Optional[Stream] = None  # where streaming responses stop, whatever holds for the rest
    keeping: Optional[Keeping] = None
    has_failed = False  # its answer says so
    headers: Sequence[Tuple[str, str]] = ()
    sent = 0  # bytes of the body that the server has been given
    told: Optional[bytes] = None  # what the client of a stopped request gets to read

    def __init__(self, request: Request, start_response: Any, environ: Environ, own: Optional[int]) -> None:
        """own: a descriptor that is closed when the request has ended."""
        self.request = request
        self.own = own
        self.environ = environ
        self.server_start = start_response

    def run(self, app: Callable[[Environ, Any], Any]) -> Iterable[bytes]:
        token = _current.set(self.request)
        try:
            if self.keeping is not None and not self._is_kept(self.keeping):
                return self
            result = self.result = app(self.environ, self.start)
            wrapper = self.environ.get("wsgi.file_wrapper")
            if isinstance(wrapper, type) and isinstance(result, wrapper) and not self.is_silent:
                self._end_request()  # the rest is the server's, which wants to see what it is
                handed: Iterable[bytes] = self.result
                return handed
            self.chunks = iter(result)
        except Stop as stop:
            self._say_stopped(stop)
        except BaseException as why:
            self._end(why)
            raise
        finally:
            _current.reset(token)
        return self

    # ---- for the application ----

    def start(self, status: str, headers: Headers, exc_info: ExcInfo = None) -> Write:
        """start_response. Its write is a safe point."""
        if not self.is_complete:  # it is what the request is answered, whether somebody is there to hear it or not
            self.has_failed = status[:1] == "5"
            if self.keeping is not None:
                self.keeping.started(_code(status), headers)
        if self.is_silent:

            def dropped(data: bytes) -> None:
                self.request.check()
                self._part(data)

            return dropped
        self.has_started, self.headers = True, headers
        if self.stream is not None and self.request._streams_stop:
            self.stream.started(headers)
        write = self.server_start(status, headers, exc_info) if exc_info else self.server_start(status, headers)

        def checked(data: bytes) -> None:
            self.request.check()
            self._part(data)
            if not self.is_silent:
                try:
                    write(data)
                    self.sent += len(data)
                except OSError:
                    self._client_left()
                    self.request.check()

        return checked

    def finish(self, status: int, headers: Sequence[Tuple[str, str]], body: bytes) -> bool:
        """As fastcgi_finish_request. WSGI can complete a response early only if it is a whole one."""
        if self.is_silent or self.has_started:
            return False
        given = [(name, value) for name, value in headers if name.lower() != "content-length"]
        self.start(_status(status), [*given, ("Content-Length", str(len(body)))])(body)
        self.is_silent = self.is_complete = True
        return self.request.finish()

    def notice_at_once(self) -> None:
        if self.request.ini_get("outlive.detect") != "watch" and not _Response.has_warned:
            _Response.has_warned = True
            log.warning(
                "%s says what a client's leaving means, but it is noticed at the next output only: say detect=\"watch\" to the middleware",
                self.environ.get("PATH_INFO"),
            )

    # ---- for the server ----

    def __iter__(self) -> _Response:
        return self

    def __next__(self) -> bytes:
        if self.is_exhausted:
            raise StopIteration
        if self.told is not None:
            self.is_exhausted = True
            return self.told
        request = self.request
        token = _current.set(request)
        try:
            while True:
                if request._word[0] and not self._is_answered():
                    request.check()
                chunk = next(self.chunks)
                if self.stream is not None:
                    self._look_for_a_stream(self.stream, chunk)
                if self.keeping is not None:
                    self._part(chunk)
                if not self.is_silent:
                    self.sent += len(chunk)
                    return chunk
        except StopIteration:
            self.is_exhausted = True
            raise
        except Stop:
            self.is_exhausted = True
            raise StopIteration from None
        except BaseException as why:
            self.is_exhausted = True
            self._end(why)
            raise
        finally:
            _current.reset(token)

    def close(self) -> None:
        """What is left is work for a client that has gone: servers close early when they cannot write."""
        if self.request._handle is None:
            return
        raised: Optional[BaseException] = None
        if not self.is_exhausted and self.told is None and self.environ.get("REQUEST_METHOD") != "HEAD":
            raised = self._finish_alone()
        self._end(raised)
        if raised is not None:
            raise raised

    def _finish_alone(self) -> Optional[BaseException]:
        """What it raised."""
        token = _current.set(self.request)
        try:
            self._client_left()
            while True:
                chunk = next(self.chunks)
                if self.stream is not None:
                    self._look_for_a_stream(self.stream, chunk)
                self._part(chunk)
                self.request.check()
        except StopIteration:
            pass
        except Stop:
            pass
        except BaseException as why:
            return why
        finally:
            _current.reset(token)
        return None

    # ---- inside ----

    def _is_answered(self) -> bool:
        """The server asks for more, though it has sent all of the length that was announced: whoever has gone by now has the whole answer,
        and has lost nothing. Says so once: work that goes on behind it has safe points again."""
        if text_of(self.headers, "content-length") != str(self.sent):
            return False
        self.headers = ()
        return True

    def _part(self, data: bytes) -> None:
        if self.keeping is not None and not self.is_complete:
            self.keeping.part(data)

    def _look_for_a_stream(self, stream: Stream, chunk: bytes) -> None:
        if chunk and self.request._streams_stop:
            stream.part()

    def _client_left(self) -> None:
        self.is_silent = True
        self.request.client_gone()
        self.request.check()

    def _say_stopped(self, stop: Stop) -> None:
        """Answers a client that is still there, if nothing was sent yet."""
        self._close_result()
        body = f"stopped: {stop.ending}\n".encode()
        if self.is_silent:
            self.is_exhausted = True
            return
        self.told = body
        status = _status(503 if stop.ending == Ending.SHUTDOWN else 500)
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        self.server_start(status, headers, sys.exc_info() if self.has_started else None)

    def _end(self, raised: Optional[BaseException]) -> None:
        request = self.request
        if request._handle is None:
            return
        self.is_exhausted = True
        try:
            if hasattr(self.result, "close"):
                self._close_result()
        finally:
            if raised is not None or self.has_failed:
                try:
                    request.exit(Ending.HOST_ERROR if raised is None else ending_of(raised))
                except Error:
                    pass
            self._end_request()

    def _end_request(self) -> None:
        try:
            if self.keeping is not None and self.keeping.submission is not None:
                shut_down(self.request)
                self._say_done(self.keeping)
            end(self.request)
        finally:
            own, self.own = self.own, None
            if own is not None:
                os.close(own)

    def _is_kept(self, keeping: Keeping) -> bool:
        """Whether the application runs: the journal has accepted the submission, or none is needed. Otherwise the client is told why."""
        request, environ = self.request, self.environ
        try:
            journal = keeping.begin(request)
            if journal is None:
                return True
            if _is_endless(environ):
                keeping.without_length(request)
                return True
            body, is_whole = _body(environ, journal.max_body)
            if not is_whole:
                self._client_left()  # before it had sent everything: it has submitted nothing
            elif body is None:
                keeping.too_long(request)
            else:
                submission = keeping.make(body)
                with request.hold():  # whatever comes meanwhile: what is accepted is known to be
                    try:
                        known = journal.accept(submission)
                        if inspect.isawaitable(known):
                            raise TypeError("a journal whose functions are to be awaited is for the ASGI middleware")
                    except Exception as why:
                        raise keeping.unreachable(why) from None
                    keeping.accepted(request, submission, known)
            return True
        except (Refusal, Replay) as why:
            self.has_failed, self.told = why.status == 503, why.body
            self.server_start(_status(why.status), why.headers)
            return False

    def _say_done(self, keeping: Keeping) -> None:
        """Reports the outcome to the journal, while the request is still shown."""
        function, *what = keeping.saying(self.request.ending)
        try:
            function(*what)
        except Exception as why:
            not_told(keeping.method, keeping.path, self.request.ending, why)

    def _close_result(self) -> None:
        result, self.result = self.result, None
        close = getattr(result, "close", None)
        if close is not None:
            token = _current.set(self.request)
            try:
                close()
            except Stop:
                pass
            finally:
                _current.reset(token)

    def __del__(self) -> None:
        if self.request._handle is not None:
            self.close()  # a server that forgot


def _keeping(core: MiddlewareCore, settings: Settings, environ: Environ, method: str) -> Keeping:
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_") and isinstance(value, str)}
    headers["content-type"] = environ.get("CONTENT_TYPE") or ""
    key, query = headers.get("idempotency-key"), environ.get("QUERY_STRING")
    path = path_of(environ)
    return keeping_of(core, settings, headers, [] if key is None else [key], method, f"{path}?{query}" if query else path)


def _is_endless(environ: Environ) -> bool:
    """Whether there is a body of unknown length: then only the application reads it."""
    return not environ.get("CONTENT_LENGTH") and not environ.get("wsgi.input_terminated") and bool(environ.get("HTTP_TRANSFER_ENCODING"))


def _body(environ: Environ, most: int) -> Tuple[Optional[bytes], bool]:
    """The submission, which the application can read again (None: it is too long); and whether it is complete."""
    stream, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH") or ""
    if length.isdigit():
        if int(length) > most:
            return None, True
        body: bytes = stream.read(int(length))
    elif environ.get("wsgi.input_terminated"):
        body = stream.read(most + 1)
        if len(body) > most:
            environ["wsgi.input"] = _Joined(body, stream)
            return None, True
    else:
        body = b""
    environ["wsgi.input"] = io.BytesIO(body)
    if body and not length:
        environ["CONTENT_LENGTH"] = str(len(body))
    return body, not length or len(body) == int(length)


class _Joined(io.RawIOBase):
    """The part that was read already, and the rest."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self.head, self.rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        data = self.head[: len(into)] or self.rest.read(len(into))
        self.head = self.head[len(data):]
        into[: len(data)] = data
        return len(data)


def _code(status: str) -> int:
    return int(status[:3]) if status[:3].isdigit() else 0


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return f"{code} Unknown"


def _descriptor(environ: Environ) -> int:
    """The connection's socket, where the server gives it; -1 elsewhere."""
    for name in ("gunicorn.socket", "werkzeug.socket"):
        socket = environ.get(name)
        if socket is not None:
            return _number(getattr(socket, "fileno", None))
    if "uwsgi.version" in environ:
        uwsgi = sys.modules.get("uwsgi")
        if uwsgi is None:
            uwsgi = importlib.import_module("uwsgi")
        return _number(getattr(uwsgi, "connection_fd", None))
    return -1


_MOST_LOOKED_AT = 1024


def _by_peer(environ: Environ) -> Optional[int]:
    """Of servers that say the client's port (cheroot, CherryPy): a descriptor of our own of the one connection with that peer."""
    number = port(environ.get("REMOTE_PORT"))
    if not number:
        return None
    peer = (environ.get("REMOTE_ADDR"), number)
    found: Optional[int] = None
    try:
        names = os.listdir("/proc/self/fd")[:_MOST_LOOKED_AT]
    except OSError:
        return None
    for name in names:
        try:
            if int(name) == found or not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket_module.socket(fileno=os.dup(int(name))) as looked_at:
                if looked_at.family not in (socket_module.AF_INET, socket_module.AF_INET6) or looked_at.getpeername()[:2] != peer:
                    continue
                if found is not None:  # two connections, to two ports of ours: which one is not known
                    os.close(found)
                    return None
                found = looked_at.detach()
        except (OSError, ValueError):
            continue
    return found


def _number(asked: Any) -> int:
    """What a server's function says is a descriptor; -1 where it is none."""
    try:
        number = asked()
    except Exception:  # closed, or no function at all
        return -1
    return number if isinstance(number, int) and number >= 0 else -1


def _descriptor_of_our_own(environ: Environ) -> Optional[int]:
    """Waitress gives its channel's method that says whether the client has gone, where it reads ahead. It may close the channel's
    socket while the application works, so that is watched by another descriptor."""
    asked = environ.get("waitress.client_disconnected")
    if asked is None:
        return None
    socket = getattr(getattr(asked, "__self__", None), "socket", None)
    number = -1 if socket is None else _number(getattr(socket, "fileno", None))
    try:
        return None if number < 0 else os.dup(number)
    except OSError:
        return None
