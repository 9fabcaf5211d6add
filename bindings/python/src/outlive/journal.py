"""Submissions that survive their process: a journal keeps each until it is done. See docs/durable.md.

    from outlive.journal import SQL
    journal = SQL(connect, accept="INSERT …", renew="UPDATE …", done="UPDATE …", failed="UPDATE …")
    application = OutliveMiddleware(app, journal=journal)

A database that you already have keeps them; this module tells it what happens. Leases show which process has died: each process renews its own
lease, and once it has run out your statement gives its accepted submissions to others.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import os
import secrets
import socket
import threading
import time
import weakref
from dataclasses import dataclass
from typing import Any, Awaitable, Callable, Dict, Generator, List, Mapping, Optional, Protocol, Set, Tuple, TypeVar

from ._own_thread import in_own_thread
from ._statements import Statement, is_duplicate, style_of
from .enums import Ending
from .errors import ArgumentError

__all__ = ["SQL", "Journal", "Known", "Outcome", "Submission"]

log = logging.getLogger("outlive")
T = TypeVar("T")


@dataclass(frozen=True)
class Submission:
    """What a client has submitted."""

    key: str
    """The key of equal submissions: 64 hexadecimal digits, scoped by principal, method and path."""
    method: str
    path: str
    """With the query, as it came."""
    content_type: str
    body: bytes
    fingerprint: str
    """Of the body: its SHA-256, in hexadecimal digits."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of the work."""

    ending: Ending
    status: Optional[int] = None
    """Of the response; None: there was none."""
    content_type: Optional[str] = None
    answer: Optional[bytes] = None
    """The response's body, where the journal wants it and it is not too long."""


@dataclass(frozen=True)
class Known:
    """What a journal knows of an earlier submission with the same key."""

    is_done: bool = False
    fingerprint: Optional[str] = None
    """None: it keeps none."""
    status: Optional[int] = None
    """The earlier answer; None: the journal does not keep it."""
    content_type: Optional[str] = None
    answer: Optional[bytes] = None


class Journal(Protocol):
    """The functions of a journal that the middleware calls. Each may be a coroutine function under ASGI. An exception of `accept` refuses the
    submission (503); exceptions of the others are logged, and the journal has to retry by itself."""

    max_body: int
    """Longer submissions are not kept."""
    wants_answer: bool
    """Whether outcomes bring the response's body along."""

    def accept(self, submission: Submission) -> Any:
        """Stores it durably and returns None, or returns a Known if there was one with this key. The work begins only afterwards."""

    def done(self, submission: Submission, outcome: Outcome) -> Any:
        """It is done: called last, after the shutdown functions."""

    def failed(self, submission: Submission, outcome: Outcome) -> Any:
        """An error, a limit, an exit: the journal decides whether to try again."""

    def again(self, submission: Submission, outcome: Outcome) -> Any:
        """A cap or a drain stopped it, or it is unknown whether it was accepted: it has to be done elsewhere, soon."""


def listener(journal: Journal, ending: Ending) -> Callable[[Submission, Outcome], Any]:
    """The journal's function for this ending."""
    if ending in (Ending.COMPLETED, Ending.FINISHED):
        return journal.done
    if ending in (Ending.HANDED_BACK, Ending.SHUTDOWN):
        return journal.again
    return journal.failed


_OF_ALL = ("key", "process")
_OF_SUBMISSION = (*_OF_ALL, "method", "path", "content_type", "body", "fingerprint")
_OF_OUTCOME = (*_OF_SUBMISSION, "ending", "status", "answer_type", "answer")

_UNKNOWN: Dict[str, Any] = {"ending": "unknown", "status": None, "answer_type": None, "answer": None}

# A program of statements: yields each, and gets (rows changed, first row).
_Asked = Tuple[Statement, Mapping[str, Any]]
_Answer = Tuple[int, Optional[Any]]
_Program = Generator[_Asked, _Answer, T]


class SQL:
    """A journal in a database, by statements of yours. Each runs in a transaction of its own. Values are written :key, :method, :path,
    :content_type, :body, :fingerprint, :process; in `done`, `failed` and `again` also :ending, :status, :answer_type, :answer.

    connect: gives a new connection of any DB-API driver, or an awaitable for one (psycopg's AsyncConnection, asyncpg, aiosqlite): those are for
    ASGI. Connections are kept and used again, eight at most; one on which anything failed is closed.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        accept: str,
        done: str,
        failed: str,
        renew: Optional[str] = None,
        again: Optional[str] = None,
        find: Optional[str] = None,
        renew_every: float = 5.0,
        max_body: int = 1 << 20,
        process: Optional[str] = None,
    ) -> None:
        """accept: inserts the submission; a row changed or returned says that it is kept, a unique key or no row that there was one. find: run in
        that case: the columns is_done, fingerprint, status, content_type, answer, as far as you keep them, by these names (asyncpg) or in this
        order. done, failed: store the outcome. again: as `failed`, which is used if it is missing. renew: prolongs this process's lease; run before
        the first submission, by `renew`, and every `renew_every` seconds. max_body: bytes. process: the name of this process; None: made
        of the host's name and the process id. ArgumentError: an unknown :name.
        """
        self._connect = connect
        self._accept = Statement(accept, _OF_SUBMISSION, "accept")
        self._done, self._failed = Statement(done, _OF_OUTCOME, "done"), Statement(failed, _OF_OUTCOME, "failed")
        self._again = self._failed if again is None else Statement(again, _OF_OUTCOME, "again")
        self._find = None if find is None else Statement(find, _OF_SUBMISSION, "find")
        self._renew = None if renew is None else Statement(renew, ("process",), "renew")
        if not renew_every > 0:
            raise ArgumentError(-1, f"renew_every={renew_every!r}: it takes seconds, more than 0")
        self.renew_every, self.max_body, self._name = renew_every, max_body, process
        self.wants_answer = "answer" in self._done.names
        self.is_async = inspect.iscoroutinefunction(connect)
        """Whether its connections are awaited; known for certain with the first."""
        self._begin_process()

    def _begin_process(self) -> None:
        self._pid = os.getpid()
        self.process = self._name or f"{socket.gethostname()}:{self._pid}:{secrets.token_hex(4)}"
        """The name of this process, for leases."""
        self._lock = threading.Lock()
        self._idle: Dict[Any, List[Any]] = {}  # by who may use them
        self._age = 0  # connections of another one may be broken
        self._renewed = float("-inf")
        self._working: Set[str] = set()  # what was accepted here, by key
        self._late: Dict[str, _Asked] = {}  # to be said again, by key
        self._thread: Optional[threading.Thread] = None
        self._end = threading.Event()
        self._tasks: weakref.WeakKeyDictionary[Any, asyncio.Task[None]] = weakref.WeakKeyDictionary()

    # ---- the journal ----

    def accept(self, submission: Submission) -> Any:
        """As `Journal.accept`."""
        return self._drive(self._accepting(submission))

    def done(self, submission: Submission, outcome: Outcome) -> Any:
        """As `Journal.done`. If it fails, it is repeated with the next renewal."""
        return self._drive(self._saying(self._done, submission, outcome))

    def failed(self, submission: Submission, outcome: Outcome) -> Any:
        """As `Journal.failed`."""
        return self._drive(self._saying(self._failed, submission, outcome))

    def again(self, submission: Submission, outcome: Outcome) -> Any:
        """As `Journal.again`."""
        return self._drive(self._saying(self._again, submission, outcome))

    def renew(self) -> Any:
        """Begins the lease, unless it is running, and keeps renewing it: for a worker, before it takes submissions that others left. Awaited if
        connections are."""
        return self._drive(self._living())

    def _living(self) -> _Program[None]:
        """A lease comes before what it is for."""
        if self._renew is not None and time.monotonic() - self._renewed > self.renew_every * 2:
            yield self._renew, {"process": self.process}
            self._renewed = time.monotonic()

    def _accepting(self, submission: Submission) -> _Program[Optional[Known]]:
        yield from self._living()
        given = {**vars(submission), "process": self.process}
        try:
            changed, row = yield self._accept, given
        except BaseException as why:
            if not isinstance(why, Exception) or not is_duplicate(why):
                if submission.key not in self._working:  # nobody knows whether it got through, and nobody is told that it did
                    self._say_later(submission.key, self._again, {**given, **_UNKNOWN})
                raise
            changed, row = 0, None
        if row is not None or changed > 0:
            self._working.add(submission.key)
            self._late.pop(submission.key, None)  # of an attempt before, of which nobody knew
            return None
        if changed < 0:
            raise RuntimeError("journal: the statement `accept` neither says how many rows it changed nor returns one: add RETURNING")
        if self._find is None:
            return Known()
        _, row = yield self._find, given
        return Known() if row is None else _known(row)

    def _saying(self, statement: Statement, submission: Submission, outcome: Outcome) -> _Program[None]:
        given = {
            **vars(submission), "process": self.process, "ending": str(outcome.ending), "status": outcome.status, "answer_type": outcome.content_type,
            "answer": outcome.answer,
        }
        self._working.discard(submission.key)
        self._say_later(submission.key, statement, given)  # if it fails, or is cut off
        yield statement, given
        self._late.pop(submission.key, None)

    def _say_later(self, key: str, statement: Statement, given: Mapping[str, Any]) -> None:
        self._late[key] = (statement, {name: given[name] for name in statement.names})  # of bodies only what is asked for

    def _renewing(self) -> _Program[None]:
        begun = time.monotonic()
        if self._renew is not None:
            yield self._renew, {"process": self.process}
            self._renewed = time.monotonic()
        for key, asked in list(self._late.items()):
            if time.monotonic() - begun > self.renew_every:
                return  # the rest comes behind the next renewal, which may not wait for it
            try:
                yield asked
            except BaseException:
                if self._late.pop(key, None) is not None:
                    self._late[key] = asked  # next time it keeps no other waiting
                raise
            self._late.pop(key, None)

    # ---- leases ----

    def close(self) -> None:
        """Ends the renewals, and closes what is idle; the journal may be used again. Leases run out by themselves. For blocking drivers."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        self._thread, self._end = None, threading.Event()
        self._renewed = float("-inf")
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection, _ in connections:
                _close(connection)

    async def aclose(self) -> None:
        """`close` on an event loop."""
        loop = asyncio.get_running_loop()
        task = self._tasks.pop(loop, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        with self._lock:
            connections = self._idle.pop(loop, [])
        for connection, _ in connections:
            closed = _close(connection)
            if closed is not None:
                await closed
        if not self._tasks:
            self._renewed = float("-inf")
        if not self.is_async:
            await in_own_thread(self.close, "outlive-close")

    def _renew_in_thread(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._keep_renewing, args=(self._end,), name="outlive-leases", daemon=True)
            self._thread.start()

    def _keep_renewing(self, end: threading.Event) -> None:
        while not end.wait(self.renew_every):
            try:
                self._drive_here(self._renewing())
            except Exception:
                self._say_not_renewed()

    def _say_not_renewed(self) -> None:
        log.exception("journal: the lease of this process could not be renewed, or what was late be said; tried again in %s s", self.renew_every)

    def _renew_on_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if loop not in self._tasks:
            self._tasks[loop] = contextvars.Context().run(loop.create_task, self._go_on_renewing())

    async def _go_on_renewing(self) -> None:
        while True:
            await asyncio.sleep(self.renew_every)
            try:
                await self._drive_on_loop(self._renewing())
            except Exception:
                self._say_not_renewed()

    # ---- connections ----

    def _drive(self, program: _Program[T]) -> Any:
        """The program's result; if connections are awaited, an awaitable for it."""
        if self._pid != os.getpid():
            self._begin_process()
        return self._drive_on_loop(program) if self.is_async else self._drive_here(program)

    def _next(self, program: _Program[T], answer: Any, raised: Optional[BaseException], renew: Callable[[], None]) -> _Asked:
        """What the program asks now. Behind its end, StopIteration or what it raises, there may be something to renew or to say again."""
        try:
            return program.send(answer) if raised is None else program.throw(raised)
        except BaseException as end:
            if self._late or self._renew is not None and isinstance(end, StopIteration):
                renew()
            raise

    def _drive_here(self, program: _Program[T]) -> T:
        who = threading.get_ident()
        answer: Any = None
        raised: Optional[BaseException] = None
        while True:
            try:
                statement, given = self._next(program, answer, raised, self._renew_in_thread)
            except StopIteration as done:
                result: T = done.value
                return result
            answer, raised = None, None
            connection, age = self._idle_one(who), self._age
            try:
                if connection is None:
                    connection = self._connect()
                    if inspect.isawaitable(connection):
                        _forget(connection)
                        raise TypeError("journal: this connect is to be awaited: it is for the ASGI middleware, as `async def connect`")
                answer = _executed(connection, statement, given)
                self._give_back(who, connection, age)
            except BaseException as why:
                self._drop(connection, why)
                raised = why

    async def _drive_on_loop(self, program: _Program[T]) -> T:
        loop = asyncio.get_running_loop()
        answer: Any = None
        raised: Optional[BaseException] = None
        while True:
            try:
                statement, given = self._next(program, answer, raised, self._renew_on_loop)
            except StopIteration as done:
                result: T = done.value
                return result
            answer, raised = None, None
            connection, age = self._idle_one(loop), self._age
            try:
                if connection is None:
                    connection = await self._connect()
                answer = await _awaited(connection, statement, given)
                self._give_back(loop, connection, age)
            except BaseException as why:
                self._drop(connection, why)
                raised = why

    def _idle_one(self, who: Any) -> Any:
        """A connection that this thread, or loop, may use. Of SQLite's, each is its thread's."""
        with self._lock:
            for owner in (who, None):
                connections = self._idle.get(owner)
                while connections:
                    connection, age = connections.pop()
                    if age == self._age:
                        return connection
                    _close(connection)
        return None

    def _give_back(self, who: Any, connection: Any, age: int) -> None:
        module = type(connection).__module__.partition(".")[0]
        owner = None if isinstance(who, int) and module != "sqlite3" else who
        with self._lock:
            connections = self._idle.setdefault(owner, [])
            if age == self._age and len(connections) < _MOST_IDLE and len(self._idle) <= _MOST_OWNERS:
                connections.append((connection, age))
                return
        closed = _close(connection)
        if closed is not None:
            _forget(closed)

    def _drop(self, connection: Any, why: BaseException) -> None:
        """A connection that failed is not used again, and neither are those that are as old, unless it was only refused a row."""
        if not is_duplicate(why):
            with self._lock:
                self._age += 1
        if connection is not None and not inspect.isawaitable(connection):
            terminate = getattr(connection, "terminate", None)  # asyncpg's, at once
            closed = terminate() if callable(terminate) else _close(connection)
            if closed is not None:
                _forget(closed)


_MOST_IDLE = 8
_MOST_OWNERS = 64


def _executed(connection: Any, statement: Statement, given: Mapping[str, Any]) -> _Answer:
    text, values = statement.for_driver(style_of(connection), given)
    cursor = connection.cursor()
    try:
        cursor.execute(text, values)
        row = cursor.fetchone() if cursor.description else None
        changed = cursor.rowcount
    finally:
        cursor.close()
    connection.commit()
    return changed, row


async def _awaited(connection: Any, statement: Statement, given: Mapping[str, Any]) -> _Answer:
    text, values = statement.for_driver(style_of(connection), given)
    if hasattr(connection, "fetchrow"):  # asyncpg: each statement is a transaction
        prepared = await connection.prepare(text)
        row = await prepared.fetchrow(*values)
        said = str(prepared.get_statusmsg()).rpartition(" ")[2]  # "INSERT 0 1"
        return int(said) if said.isdigit() else -1, row
    cursor = await connection.execute(text, values)
    row = await cursor.fetchone() if cursor.description else None
    changed = cursor.rowcount
    await cursor.close()
    await connection.commit()
    return changed, row


def _known(row: Any) -> Known:
    names = ("is_done", "fingerprint", "status", "content_type", "answer")
    if hasattr(row, "keys"):
        found = {name: row[name] for name in row.keys() if name in names}
    else:
        found = dict(zip(names, row))
    answer = found.get("answer")
    return Known(
        bool(found.get("is_done")), found.get("fingerprint"), found.get("status"), found.get("content_type"), None if answer is None else bytes(answer)
    )


def _close(connection: Any) -> Optional[Awaitable[Any]]:
    """At once, or an awaitable for it."""
    try:
        closed = connection.close()
    except Exception:
        log.debug("journal: a connection could not be closed", exc_info=True)
        return None
    return closed if inspect.isawaitable(closed) else None


def _forget(wanted: Any) -> None:
    """Has an awaitable run, if there is a loop; else it is given up."""
    if not inspect.iscoroutine(wanted):
        return
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        wanted.close()
        return
    task = contextvars.Context().run(loop.create_task, wanted)
    _forgotten.add(task)
    task.add_done_callback(_over)


_forgotten: "set[asyncio.Task[Any]]" = set()


def _over(task: "asyncio.Task[Any]") -> None:
    _forgotten.discard(task)
    if not task.cancelled():
        task.exception()
