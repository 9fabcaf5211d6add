"""One request: safe points, holds, limits, shutdown functions."""

from __future__ import annotations

import contextvars
import inspect
import threading
from ctypes import byref, c_int, c_void_p, cast, string_at
from types import TracebackType
from typing import Any, Callable, Dict, Optional, Sequence, Tuple, Type, TypeVar, Union

from . import _calls
from ._host import Host
from ._library import c
from ._on_stop import Callbacks, OnStop
from ._structs import Str
from ._prototypes import DestroyFunction, EndedFunction, FlushFunction, ShutdownFunction, WriteFunction
from ._text import to_bytes, written
from .errors import ALREADY, OK, STOP, ArgumentError, EndedError, Stop, check, check_of, fail
from .enums import Connection, Ending

__all__ = ["Hold", "Request"]

F = TypeVar("F", bound=Callable[..., object])

# What is read in place of a request's flag word once there is none: not 0, so that the call is made, and says what is wrong.
_ASK: Sequence[int] = (1,)

NO_LIMIT = 2**63 - 1

_ENDINGS = tuple(Ending)
_NONE, _COMPLETED, _FINISHED = Ending.NONE, Ending.COMPLETED, Ending.FINISHED  # what an enum has is found slowly
_request_end = _calls.end


# The current request; `outlive.current` is the public way to it.
_current: contextvars.ContextVar[Optional[Request]] = contextvars.ContextVar("outlive.request", default=None)


class Owner:
    """The functions of an engine that a request uses."""

    _live: Dict[int, Request]
    _looking: Optional[threading.Lock]
    """Had by who looks at requests that others work on."""
    _has_queues: bool
    """It tells of stops by queues."""


class Hold:
    """A section in which no stop is delivered: `with request.hold():` or `async with request.hold():`. Nestable.

    Its end is a safe point: a stop that waited is raised there, unless the section ends by an exception of its own.
    """

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    def __enter__(self) -> Hold:
        request = self._request
        if request._host is not None:
            request._host.hold_begins()
        callbacks = request._callbacks
        if callbacks is None:
            check(c.request_hold(request._native()))
            request._held += 1
        else:
            with callbacks.lock:
                callbacks.wait()
                check(c.request_hold(request._native()))
                request._held += 1
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], why: Optional[BaseException], where: Optional[TracebackType]) -> None:
        request = self._request
        request._held -= 1
        if request._is_stopped_behind_holds:
            request._stop_for_the_gone()
        callbacks = request._callbacks
        if callbacks is None:
            answer = c.request_release(request._native())
        else:
            with callbacks.lock:
                answer = c.request_release(request._native())
            if answer == STOP and kind is not None:
                callbacks.look()
        if kind is None:
            request._answer(answer)
        elif answer == STOP and request._host is not None:
            request._host.stop_waits()

    async def __aenter__(self) -> Hold:
        return self.__enter__()

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], why: Optional[BaseException], where: Optional[TracebackType]
    ) -> None:
        self.__exit__(kind, why, where)


class Request:
    """One request, made by `Engine.begin`. One thread at a time works on it; which one may change.

    `check`, `write`, `flush`, `finish` and the end of the last hold are its safe points: they raise `Stop` when it should end.
    As a context manager it is the current one inside, is ended at the end, and lets no `Stop` of its own through.
    """

    _handle: Optional[int] = None
    _word: Sequence[int] = _ASK
    _write: Any
    _flush: Any
    _raised: Optional[BaseException]
    _functions: Optional[Dict[int, Tuple[Callable[..., object], Tuple[Any, ...], Dict[str, Any]]]]
    _told: Optional[Ending]
    _token: Optional[contextvars.Token[Optional[Request]]] = None
    _finished: bool
    _held = 0
    _is_stopped_behind_holds = False
    _streams_stop: bool  # a streaming response stops, whatever holds for the rest
    _host: Optional[Host] = None
    _ended: Any = None  # kept while the library may call it
    _callbacks: Optional[Callbacks]
    _what: Tuple[Optional[str], Optional[str]] = (None, None)  # method and label
    accepted = False
    """Whether `set_accepted` was said, or it is resumed."""
    key: bytes = b""
    """The key of its submission, for a unique column of the written data. Empty: it was begun without one."""
    _is_ending = False  # nobody else may ask for it
    _left_at: Optional[float] = None  # when that its client has gone was told to the log

    def __init__(
        self, engine: Owner, write: Optional[Callable[[bytes], object]] = None, flush: Optional[Callable[[], object]] = None
    ) -> None:
        """For `Engine.begin`."""
        self._engine = engine
        # Asked for in each request: what an instance has is found faster than what its class has.
        self._write = self._flush = self._raised = self._functions = self._told = self._callbacks = None
        self._streams_stop = self._finished = False
        if write is not None:
            self._write = self._callback(WriteFunction, write, has_data=True)
        if flush is not None:
            self._flush = self._callback(FlushFunction, flush, has_data=False)

    # ---- safe points ----

    def check(self) -> None:
        """A safe point: raises Stop if the request should end now. Tens of nanoseconds: looks at one word of memory."""
        if self._word[0]:
            if self._callbacks is None:
                self._answer(c.request_check(self._native()))
            else:
                with self._callbacks.lock:
                    self._answer(c.request_check(self._native()))

    def should_stop(self) -> bool:
        """As `check`, but returns whether the request should end."""
        return bool(self._word[0]) and check(c.request_check(self._native())) == STOP

    def write(self, data: bytes) -> None:
        """Output, as PHP's echo: through output_buffering to the host's write function. A safe point. Bytes to a client that
        has gone are dropped if that is ignored, else raises Stop."""
        self._answer(c.request_write(self._native(), data, len(data)))

    def flush(self) -> None:
        """As PHP's flush(): asks the host's flush function. A safe point."""
        self._answer(c.request_flush(self._native()))

    def finish(self) -> bool:
        """As fastcgi_finish_request(): the response is complete, the work goes on. A safe point. False: it was complete."""
        answer = c.request_finish(self._native())
        self._answer(answer)
        self._finished = True
        return bool(answer != ALREADY)

    def hold(self) -> Hold:
        """A section in which no stop is delivered."""
        return Hold(self)

    def _answer(self, answer: int) -> None:
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised
        if answer == STOP:
            if self._host is not None:
                self._host.stop_is_raised()
            raise Stop(self.ending)
        if answer < 0:
            fail(answer)

    # ---- the client ----

    def client_gone(self) -> None:
        """Says that the client has gone. From any thread; without effect once the response is finished or the request has ended."""
        handle = self._handle
        if handle is not None:
            check(c.request_client_gone(handle))

    @property
    def is_gone(self) -> bool:
        """Whether the client is known to have gone. From any thread."""
        return check(c.request_is_gone(self._native())) == 1

    @property
    def connection_status(self) -> Connection:
        """PHP's connection_status(). Does not look at the socket."""
        return Connection(check(c.request_connection_status(self._native())))

    def ignore_user_abort(self, enable: Optional[bool] = None) -> bool:
        """PHP's ignore_user_abort(): sets it (None: leaves it), and returns the previous value. A locked value stays."""
        return check(c.request_ignore_user_abort(self._native(), -1 if enable is None else int(enable))) == 1

    def cancel(self) -> bool:
        """Cancels it: its next safe point outside of a hold raises Stop, with ending CANCELLED, whatever ignore_user_abort says. False: it
        was cancelled before. From any thread; a caller that may be too late uses `Engine.cancel`."""
        return check(c.request_cancel(self._native())) == OK

    def set_accepted(self) -> bool:
        """Says that the submission is stored durably: call it after that commit and before the work begins. From here on a disconnect does not stop
        the request; if a cap or a drain stops it, its ending is HANDED_BACK. False: it was accepted before. StageError: too late."""
        is_new = check(c.request_set_accepted(self._native())) == OK
        self.accepted = True
        return is_new

    @property
    def id(self) -> int:
        """Its number, as in `Engine.requests`; unique within the engine."""
        return int(c.request_id(self._native()))

    # ---- time ----

    def set_time_limit(self, seconds: int) -> None:
        """PHP's set_time_limit(): this many seconds from now; 0 or less: no limit. CPU time or elapsed time: outlive.clock.
        LockedError: an admin layer set the limit."""
        check(c.request_set_time_limit(self._native(), seconds))

    def set_time_limit_ms(self, milliseconds: Optional[int]) -> None:
        """The same in milliseconds. None: no limit. 0 or less: the time is over at once. LockedError."""
        check(c.request_set_time_limit_ms(self._native(), NO_LIMIT if milliseconds is None else min(milliseconds, NO_LIMIT - 1)))

    @property
    def time_left(self) -> Optional[float]:
        """Seconds until it may be told to stop, at the earliest: its limit, outlive.max_detached_time, a drain. 0: a stop waits. None: there is no
        known reason. Does not shrink while it waits, unless outlive.clock is wall. From any thread."""
        left: int = c.request_time_left(self._native())
        if left < 0:
            fail(left)
        return None if left == NO_LIMIT else left / 1000

    def run(self) -> None:
        """Says that the input has been read: the running stage and max_execution_time begin. StageError: it runs already."""
        check(c.request_run(self._native()))

    def suspend(self) -> None:
        """This thread stops working on it: CPU time is not charged until `resume`. StageError: it is suspended."""
        check(c.request_suspend(self._native()))

    def resume(self) -> None:
        """This thread goes on with it, and its CPU time is charged. StageError: it is not suspended."""
        check(c.request_resume(self._native()))

    @property
    def is_forced(self) -> bool:
        """Whether the forced stage has come: hard_timeout seconds after a limit, and no safe point yet."""
        return check(c.request_is_forced(self._native())) == 1

    # ---- directives ----

    def ini_get(self, name: str) -> str:
        """The present value of a directive in this request. NotFoundError."""
        value, text = Str(), to_bytes(name)
        check_of(c.request_ini_get(self._native(), text, len(text), byref(value)), name)
        return value.text()

    def ini_set(self, name: str, value: Union[str, int, float, bool]) -> str:
        """Sets a directive for this request, and gives the value before. Booleans are 1 and 0. NotFoundError, LockedError,
        AccessError, ValueRefusedError, and ArgumentError for a fraction, which no directive takes."""
        before, text, word = Str(), to_bytes(name), written(name, value)
        new = to_bytes(word)
        answer = c.request_ini_set(self._native(), text, len(text), new, len(new), byref(before))
        check_of(answer, name, word if isinstance(word, str) else word.decode("utf-8", "replace"))
        return before.text()

    def ini_restore(self, name: str) -> None:
        """Back to the value that it had at start-up. NotFoundError."""
        text = to_bytes(name)
        check_of(c.request_ini_restore(self._native(), text, len(text)), name)

    def set_label(self, label: str) -> None:
        """Its label in the live table; cut to 96 bytes."""
        check(c.request_set_label(self._native(), to_bytes(label)))

    # ---- what blocks ----

    def on_stop(self, function: Callable[..., object], *args: Any, **kwargs: Any) -> OnStop:
        """Calls it once a stop is due, outside of every hold: to cancel a call that blocks. In a thread of its own; it may block. It is
        called again every quarter of a second while it is in place: what cancels is lost if the call that it is for has not begun yet.

        `with request.on_stop(connection.cancel_safe): …`: at the end it is removed, which waits for one that is being called, and what
        the cancelled call raised becomes Stop. Else it stays to the end of the request; it is not called while shutdown functions run. A
        safe point.
        """
        self.check()
        self._native()
        if self._engine._has_queues:
            raise ArgumentError(-1, "stops of this engine are told by stop queues, so no callback would be called")
        if self._callbacks is None:
            self._callbacks = Callbacks(self)
        return self._callbacks.add((function, args, kwargs))

    # ---- the end ----

    def register_shutdown_function(self, function: F, *args: Any, **kwargs: Any) -> F:
        """PHP's register_shutdown_function(): it runs when the request ends, whatever the ending, once, in order.

        `ending` says why meanwhile. An exception of it ends the pass and is raised by `end`; Stop only ends the pass. Under the
        ASGI middleware it runs in a thread, and may be a coroutine function. Usable as a decorator. StageError: too late.
        """
        functions = self._functions
        if functions is None:
            functions = self._functions = {}
        at = len(functions) + 1
        check(c.request_register_shutdown_function(self._native(), _SHUTDOWN, at, _NO_DESTROY))
        functions[at] = (function, args, kwargs)
        return function

    def exit(self, ending: Ending = Ending.COMPLETED) -> None:
        """Ends this stage early, as PHP's exit: every safe point raises Stop from here on. StageError: too late."""
        check(c.request_exit(self._native(), int(ending)))

    def _stop_for_the_gone(self) -> None:
        """The client left while that was ignored, and now it counts: at once, or when the last hold ends."""
        self._is_stopped_behind_holds = self._held > 0
        if self._held == 0 and self._word is not _ASK:
            self.exit(Ending.ABORTED)

    @property
    def ending(self) -> Ending:
        """Why it ends, or ended; NONE while nothing has ended it."""
        if self._handle is None:
            return Ending.NONE if self._told is None else self._told
        return Ending(check(c.request_ending(self._handle)))

    @property
    def ended(self) -> bool:
        """Whether `end` has finished."""
        return self._handle is None

    def shut_down(self) -> Ending:
        """The first part of `end`: runs the shutdown functions, hands down what is buffered. The request stays in the live table until `end`,
        for hosts that wait for something between the two. Why it ended. Errors as `end`; what a shutdown function raised, `end` raises."""
        handle, told = self._native(), c_int()
        token = _current.set(self)
        try:
            check(c.request_shut_down(handle, byref(told), None))
        finally:
            _current.reset(token)
        self._told = Ending(told.value)
        return self._told

    def end(self) -> Ending:
        """Ends it: runs the shutdown functions, hands down what is buffered. Why it ended. Raises what the first failing
        shutdown function, or the host's write function, raised; it has ended then, too.

        EndedError: it has ended. BusyError: another thread is inside. StageError: it is ending already.
        """
        handle, engine = self._handle, self._engine
        if handle is None:
            handle = self._native()  # which says why there is none
        if self._callbacks is not None:
            self._callbacks.close()
        if engine._looking is not None:
            with engine._looking:
                self._is_ending = True
        # Nothing has happened to it while its flag word is 0.
        told = _ENDINGS[check(c.request_ending(handle))] if self._word[0] else _NONE
        if self._functions is None:
            answer = _request_end(handle, None)
        else:
            token = _current.set(self)
            try:
                answer = _request_end(handle, None)
            finally:
                _current.reset(token)
        if answer < 0:
            fail(answer)
        self._word, self._handle, self._host = _ASK, None, None
        engine._live.pop(handle, None)
        if self._told is None:
            self._told = told if told is not _NONE else _FINISHED if self._finished else _COMPLETED
        self._functions = None
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        return self._told

    def __enter__(self) -> Request:
        self._token = _current.set(self)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], why: Optional[BaseException], where: Optional[TracebackType]) -> bool:
        if self._token is not None:
            _current.reset(self._token)
            self._token = None
        own = isinstance(why, Stop)
        if why is not None and not own:
            self.exit(ending_of(why))
        self.end()
        return own

    # ---- for the engine and the middleware ----

    def callbacks(self) -> Tuple[Optional[int], Optional[int]]:
        """The addresses of the host's write and flush functions."""
        return (
            None if self._write is None else cast(self._write, c_void_p).value,
            None if self._flush is None else cast(self._flush, c_void_p).value,
        )

    def ended_callback(self, function: Optional[Callable[[Ending], object]]) -> Optional[int]:
        """The address of a function for the end."""
        if function is None:
            return None

        def ended(_: Any, ending: int) -> None:
            try:
                self._told = Ending(ending)
                function(self._told)
            except BaseException as why:
                self._raised = self._raised or why

        self._ended = EndedFunction(ended)
        return cast(self._ended, c_void_p).value

    def cut_off(self) -> None:
        """In a forked child."""
        self._word = _ASK

    def _native(self) -> int:
        handle = self._handle
        if handle is None:
            if self._told not in (None, Ending.COMPLETED, Ending.FINISHED):
                raise Stop(self._told or Ending.NONE)  # a thread that works on after its request was stopped
            raise EndedError(-12)
        return handle

    def _callback(self, kind: Any, function: Callable[..., object], has_data: bool) -> Any:
        def one(_: Any, data: Any = None, length: int = 0) -> int:
            try:
                function(string_at(data, length)) if has_data else function()
                return 0
            except OSError:
                return 1
            except BaseException as why:
                self._raised = self._raised or why
                return 1

        return kind(one)

    def _run_shutdown_function(self, at: int, ending: int) -> int:
        self._told = Ending(ending)
        function, args, kwargs = (self._functions or {})[at]
        try:
            result = function(*args, **kwargs)
            if inspect.isawaitable(result):
                if self._host is None:
                    raise RuntimeError(f"{function!r} wants to be awaited, which shutdown functions can be under the ASGI middleware")
                self._host.wait_for(result)
            return OK
        except Stop:
            return STOP
        except BaseException as why:
            self._raised = self._raised or why
            return STOP


_new = Request.__new__


def bare_request(engine: Owner) -> Request:
    """`Request(engine)`, for those who make one for every request of a loop: a call of a class costs as much again as what it does."""
    request = _new(Request)
    request._engine = engine
    request._write = request._flush = request._raised = request._functions = request._told = request._callbacks = None
    request._streams_stop = request._finished = False
    return request


def ending_of(why: BaseException) -> Ending:
    """The ending for an exception that left the program."""
    return Ending.HOST_ERROR if isinstance(why, Exception) else Ending.SHUTDOWN


def _shutdown(handle: int, ending: int, at: int) -> int:
    request = _current.get()
    return STOP if request is None else request._run_shutdown_function(at, ending)


_SHUTDOWN = ShutdownFunction(_shutdown)
_NO_DESTROY = DestroyFunction()
