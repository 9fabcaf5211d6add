"""The engine: time limits, watched sockets, the table of what is in flight."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from ctypes import byref, c_char_p, c_size_t, c_void_p, cast, sizeof, string_at
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Type

from . import _calls, _structs as s
from ._calls import Form, flag_word
from ._library import c
from ._prototypes import WriteFunction
from ._eventfd import make_notify as make_notify
from ._on_stop import notify_fd
from ._text import Path
from .config import Settings, visit
from .enums import Connection, Ending, Rendered, Stage, StopKind
from .errors import NOT_FOUND, OK, TIMEOUT, EndedError, Error, NotFoundError, call, check, fail
from .request import Owner, Request, bare_request

__all__ = [
    "Engine", "Row", "ScoreboardRow", "StopNotice", "cancel_request", "clear_scoreboard", "content_type", "read_scoreboard", "render_scoreboard",
]


@dataclass(frozen=True)
class Row:
    """One request in flight, as the live table shows it."""

    label: str
    method: str
    age: float
    """Seconds since it began."""
    gone: Optional[float]
    """Seconds since its client went; None: as far as is known, it is there."""
    stage: Stage
    connection_status: Connection
    held: bool
    ignores_abort: bool
    finished: bool
    watched: bool
    time_limit: int
    """Seconds; 0: none."""
    thread: int
    """As the kernel numbers it."""
    written: int
    """Bytes."""
    time_left: Optional[float]
    """Seconds left of its time limit; None: no limit."""
    id: int
    """As `Request.id`; 0 in a scoreboard's rows."""
    key: bytes
    """The key that it was begun with (of a key over 64 bytes, the SHA-256 in hexadecimal); empty: none."""
    accepted: bool
    resumed: bool


@dataclass(frozen=True)
class ScoreboardRow:
    """One request of any process that publishes in a scoreboard."""

    process: int
    unfinished: bool
    """That process died before the request ended."""
    began: float
    """Seconds since 1970."""
    request: Row
    unresponsive: bool = False
    """That process is unresponsive: it lives, as far as can be seen, and has given no sign of life for five seconds."""
    row: int = 0
    count: int = 0
    """Together with `row` the ID of the request, for `cancel_request`."""


@dataclass(frozen=True)
class StopNotice:
    """An entry of a stop queue."""

    kind: StopKind
    ending: Ending
    """What is due; DRAINED: NONE."""
    id: int
    """The request's; it may have ended since. DRAINED: 0."""


def _row(at: Any) -> Row:
    return Row(
        at.label.text(), at.method.text(), at.age_ms / 1000, None if at.gone_ms < 0 else at.gone_ms / 1000, Stage(at.stage),
        Connection(at.connection_status), at.held != 0, at.ignores_abort != 0, at.finished != 0, at.watched != 0, at.time_limit,
        at.thread, at.written, None if at.time_left_ms < 0 else at.time_left_ms / 1000, at.id, at.key.data(),
        at.accepted != 0, at.resumed != 0,
    )


def read_scoreboard(path: Path) -> List[ScoreboardRow]:
    """The requests of all processes that publish there, and the unfinished ones of dead processes. ConfigError: it cannot be read."""
    rows: List[ScoreboardRow] = []

    def see(at: Any) -> None:
        rows.append(ScoreboardRow(at.process, at.unfinished != 0, at.began_unix_ms / 1000, _row(at.request), at.unresponsive != 0, at.row, at.count))

    text = os.fsencode(path)
    visit(c.scoreboard_read, text, len(text), struct=s.ScoreboardRow, see=see, record=s.ErrorRecord())
    return rows


def clear_scoreboard(path: Path, *, key: Optional[bytes] = None, process: Optional[int] = None) -> int:
    """Clears the unfinished requests of dead processes, and returns how many there were; requests of living processes stay. key, process: only
    those with that key, or of that process. ConfigError: it cannot be read or written."""
    text, cleared = os.fsencode(path), c_size_t()
    if key is not None:
        call(c.scoreboard_clear_key, text, len(text), key, len(key), byref(cleared))
    elif process is not None:
        call(c.scoreboard_clear_process, text, len(text), process, byref(cleared))
    else:
        call(c.scoreboard_clear, text, len(text), byref(cleared))
    return cleared.value


def cancel_request(path: Path, row: int, count: int) -> bool:
    """Cancels a request of any process that publishes there, by its row and count; its process is told within a quarter of a second.
    False: it is over. ConfigError: it cannot be read or written."""
    text = os.fsencode(path)
    try:
        call(c.scoreboard_cancel, text, len(text), row, count)
    except NotFoundError:
        return False
    return True


def render_scoreboard(path: Path, what: Rendered = Rendered.METRICS, *, title: str = "", notes: str = "") -> str:
    """The state of a scoreboard as text: numbers for Prometheus, JSON, an HTML page or its table. title: whose requests these are. notes: notes to
    show with them, one per line. ConfigError: it cannot be read."""
    text = os.fsencode(path)
    return _rendered(lambda *rest: call(c.scoreboard_render, text, len(text), *rest), what, title, notes)


def _rendered(render: Callable[..., object], what: Rendered, title: str, notes: str) -> str:
    parts: List[bytes] = []

    def take(_: object, at: int, length: int) -> int:
        parts.append(string_at(at, length))
        return 0

    options = s.RenderOptions(sizeof(s.RenderOptions), title.encode(), notes.encode())
    render(int(what), byref(options), WriteFunction(take), None)
    return b"".join(parts).decode("utf-8", "replace")


def content_type(what: Rendered) -> str:
    """The Content-Type of a format."""
    return str(c.render_content_type(int(what)).decode())


# Told of every request that begins: for `outlive.testing`, which is not loaded elsewhere.
observers: List[Callable[[Request], None]] = []

_begin = _calls.begin

# Each place in the engine has 256 names in turn; what is forgotten is asked for again.
_MOST_WORDS = 4096


class Engine(Owner):
    """Keeps many requests at once; one per process is usual. Any thread may use it.

    It has one thread of its own, started with its first request, which never runs Python. After a fork the child cannot
    use its parent's engine (ForkedError): it makes its own.
    """

    _all: weakref.WeakSet[Engine] = weakref.WeakSet()

    def __init__(self, *, max_requests: int = 0, scoreboard: Optional[Path] = None, stop_queues: int = 0) -> None:
        """max_requests: how many may be in flight at once; 0: 4,194,304. scoreboard: a file that all processes share, for
        `read_scoreboard`; None: what outlive.scoreboard says. stop_queues: for hosts with their own event loops, one queue for each, whose
        `stop_fd` is readable while `next_stop` has an entry; the host then calls the callbacks of `Request.on_stop` itself. ArgumentError;
        ConfigError: the scoreboard; Error: no descriptor or
        memory."""
        file = None if scoreboard is None else os.fsencode(scoreboard)
        given, out = s.EngineOptions(sizeof(s.EngineOptions), max_requests, file, stop_queues=stop_queues), c_void_p()
        call(c.engine_new, byref(given), byref(out))
        self._handle: Optional[int] = out.value
        self._has_queues = stop_queues > 0
        self._live: Dict[int, Request] = {}
        self._notify = -1  # the descriptor that tells of a due stop, where the host gives none
        self._looking: Optional[threading.Lock] = None  # had by who looks at requests that others work on
        self._forms: List[Form] = []  # for those who begin next; taken and given back in one step each, so by any thread
        self._words: Dict[int, Sequence[int]] = {}  # the flag word of a handle: places, and their names, are used again
        self._finalizer = weakref.finalize(self, c.engine_free, out.value)
        self._finalizer.atexit = False  # see _at_exit
        Engine._all.add(self)

    def begin(
        self,
        settings: Settings,
        *,
        label: Optional[str] = None,
        method: Optional[str] = None,
        socket: int = -1,
        reading_input: bool = False,
        write: Optional[Callable[[bytes], object]] = None,
        flush: Optional[Callable[[], object]] = None,
        notify: int = -1,
        on_ended: Optional[Callable[[Ending], object]] = None,
        key: bytes = b"",
        resumed: bool = False,
        stop_queue: int = 0,
    ) -> Request:
        """Begins a request on the calling thread. End it: `with engine.begin(…) as request:`.

        label: for people, shown in the live table, cut to 96 bytes. socket: a connected socket's descriptor, watched where
        outlive.detect says so; it stays yours, and open to the end. reading_input: it begins in the input stage; `run` ends that.
        write, flush: where output goes. An OSError there means that the client has gone; another exception means that too, and is raised by the
        call that wrote. notify: a descriptor of `make_notify`, for hosts that call `on_stop`'s callbacks themselves; otherwise a thread does.

        on_ended: called by `end`, after everything else, while the request is still in the live table; `end` raises its exceptions. key: equal
        submissions have equal keys; you define their scope; shown in rows. resumed: it resumes a submission that was accepted before: it begins as
        if it were finished, has no client that could go, and no cap on detached requests counts it. stop_queue: the number of the engine's queue.

        DrainingError, ForkedError; Error: as many as the engine may hold are in flight, or no thread could be made.
        """
        request = Request(self, write, flush)
        is_plain = on_ended is None and not key and not resumed and stop_queue == 0
        more = None if is_plain else (request.ended_callback(on_ended), key, resumed, stop_queue)
        return self._begin(settings, label, method, socket, notify, reading_input, request, more)

    def _begin(
        self, settings: Settings, label: Optional[str], method: Optional[str], socket: int, notify: int, reading_input: bool, request: Request,
        more: Optional[Tuple[Optional[int], bytes, bool, int]] = None,
    ) -> Request:
        """`begin`, for a new request of this engine."""
        handle = self._handle
        if handle is None:
            raise EndedError(-12, "the engine is closed")
        if notify < 0:
            notify = self._notify
            if notify < 0:
                notify = self._notify = notify_fd()
        try:
            form = self._forms.pop()
        except IndexError:
            form = Form()
        given = form.options
        if method != form.method:  # most are like the one before
            form.set_method(method)
        if (socket, reading_input, notify) != form.shape:
            form.set_shape(socket, reading_input, notify)
        if more is not None:
            given.on_ended, key, given.resumed, given.stop_queue = more
            given.key, given.key_len = cast(c_char_p(key), c_void_p).value, len(key)  # more keeps it
        if request._write is None and request._flush is None:
            begun = _begin(handle, settings._handle, form.given, label)
        else:
            given.write, given.flush = request.callbacks()
            begun = _begin(handle, settings._handle, form.given, label)
            given.write = given.flush = None
        if more is not None:
            given.on_ended, given.key, given.key_len, given.resumed, given.stop_queue = None, None, 0, 0, 0
            request.key, request._finished, request.accepted = more[1], more[2], more[2]  # what was resumed begins as if it were
        self._forms.append(form)
        if begun < 0:
            fail(begun)
        return self._begun(begun, label, method, request)

    def _begin_on_loop(self, settings: Settings, label: str, method: str, form: Form) -> Request:
        """`_begin` for many requests that differ in little: the form is one loop's, and filled in but for the label and the method."""
        handle = self._handle
        if handle is None:
            raise EndedError(-12, "the engine is closed")
        if method != form.method:
            form.set_method(method)
        begun = _begin(handle, settings._handle, form.given, label)
        if begun < 0:
            fail(begun)
        return self._begun(begun, label, method, bare_request(self))

    def _begun(self, begun: int, label: Optional[str], method: Optional[str], request: Request) -> Request:
        word = self._words.get(begun)
        if word is None:
            word = self._word_of(begun)
        request._handle, request._word, request._what = begun, word, (method, label)
        self._live[begun] = request
        if observers:
            for observer in observers:
                observer(request)
        return request

    def _word_of(self, begun: int) -> Sequence[int]:
        if len(self._words) >= _MOST_WORDS:
            self._words.clear()
        word = self._words[begun] = flag_word(c.request_flags(begun))
        return word

    def drain(self, seconds: float) -> bool:
        """Takes no new requests, waits this many seconds (less than 0: without limit) for those in flight, then tells the rest to
        stop with ending SHUTDOWN, waits two seconds more, and forces what still runs.

        True: nothing is in flight. False: something still runs. Blocks; the interpreter goes on meanwhile.
        """
        answer = c.engine_drain(self._native(), -1 if seconds < 0 else min(int(seconds * 1000), 2**62))
        if answer == TIMEOUT:
            return False
        return check(answer) == OK

    def begin_drain(self, seconds: float) -> None:
        """As `drain`, and returns at once. Less than 0: no deadline. If it is called again, the earlier deadline holds. With stop queues, the first
        one gets DRAINED once every request has ended."""
        check(c.engine_begin_drain(self._native(), -1 if seconds < 0 else min(int(seconds * 1000), 2**62)))

    @property
    def is_drained(self) -> bool:
        """Whether no request is in flight."""
        return check(c.engine_is_drained(self._native())) == 1

    def stop_fd(self, queue: int = 0) -> int:
        """A descriptor that is readable while `next_stop` has an entry: for `loop.add_reader` and the like. It belongs to the engine: do not read
        it, and take it out of the loop before `close`. ArgumentError: there is no such queue."""
        return check(c.engine_stop_fd(self._native(), queue))

    def next_stop(self, queue: int = 0) -> Optional[StopNotice]:
        """The next stop of a queue; None: there is none now, and the descriptor is not readable until there is."""
        entry = s.StopEntry(size=sizeof(s.StopEntry))
        answer = c.engine_next_stop(self._native(), queue, byref(entry))
        if answer == NOT_FOUND:
            return None
        check(answer)
        return StopNotice(StopKind(entry.kind), Ending(entry.ending), entry.id)

    def cancel(self, id: int) -> bool:
        """As `Request.cancel`, for the request with this id; never reaches another one. NotFoundError: it has ended. From any thread."""
        return check(c.engine_cancel(self._native(), id)) == OK

    def requests(self) -> List[Row]:
        """The requests in flight, in no particular order."""
        rows: List[Row] = []

        def see(at: Any) -> None:
            rows.append(_row(at))

        visit(c.engine_requests, self._native(), struct=s.RequestRow, see=see)
        return rows

    @property
    def publishes(self) -> bool:
        """Whether its requests are in a scoreboard. The one that outlive.scoreboard names is opened by the first request with such
        settings; ConfigError or Error: that failed, and requests run on without."""
        try:
            call(c.engine_scoreboard, self._native())
            return True
        except NotFoundError:
            return False

    def metrics(self) -> str:
        """Numbers as Prometheus text: of all processes of the scoreboard, or of this engine alone, where it has none."""
        return self.render(Rendered.METRICS)

    def render(self, what: Rendered, *, title: str = "", notes: str = "") -> str:
        """As `render_scoreboard`, of all processes of the scoreboard, or of this engine alone, where it has none."""
        return _rendered(lambda *rest: call(c.engine_render, self._native(), *rest), what, title, notes)

    def set_policy(self, settings: Settings) -> None:
        """Publishes which policy the host follows, so that processes and hosts can be compared."""
        check(c.engine_set_policy(self._native(), settings._handle))

    def close(self) -> None:
        """Ends the engine's thread and frees it. Drain it first: requests in flight go on, but their time limits do not."""
        if self._looking is None:
            self._handle = None
        else:
            with self._looking:
                self._handle = None
        self._finalizer()

    def _native(self) -> int:
        if self._handle is None:
            raise EndedError(-12, "the engine is closed")
        return self._handle

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], why: Optional[BaseException], where: Optional[TracebackType]) -> None:
        self.close()


def _after_fork() -> None:
    """In the child: the memory behind the flag words is not its own, so every safe point has to ask, and hears ForkedError."""
    for engine in list(Engine._all):
        for request in engine._live.values():
            request.cut_off()
        engine._live.clear()


def _at_exit() -> None:
    """Requests that nobody ended: their shutdown functions still run, told why. Only then the engines go."""
    for engine in list(Engine._all):
        for request in list(engine._live.values()):
            try:
                request.exit(Ending.SHUTDOWN)
                request.end()
            except Error:
                pass  # a daemon thread is inside it, or ends it just now
            except Exception:
                logging.getLogger("outlive").exception("a shutdown function failed")
        engine.close()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
