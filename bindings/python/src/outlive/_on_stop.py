"""`on_stop`: cancels a blocking call, such as a query, when its request should end.

An engine reports a due stop through an eventfd, because its own thread runs no Python. A thread of the process, made with
the first callback, reads it, and checks the requests that have callbacks.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Protocol, Set, Tuple, Type

from ._eventfd import make_notify
from .errors import BusyError, Error, Stop

__all__ = ["OnStop"]

log = logging.getLogger("outlive")
# Seconds between two calls of a callback that is still in place.
AGAIN = 0.25
# How many callbacks may block at once; further ones wait.
_THREADS = 16


class Stoppable(Protocol):
    """What is asked of a request."""

    _held: int

    @property
    def ended(self) -> bool:
        """Whether its end is through."""

    def check(self) -> None:
        """A safe point."""

    def should_stop(self) -> bool:
        """The same, as an answer."""


class OnStop:
    """A callback that is in place: until the end of its `with`, `remove`, or the end of its request."""

    __slots__ = ("_all", "_call", "fired")

    def __init__(self, all_of_request: Callbacks, call: Tuple[Callable[..., object], Tuple[Any, ...], Dict[str, Any]]) -> None:
        self._all, self._call = all_of_request, call
        self.fired = False
        """It was called, or is being called."""

    def remove(self) -> None:
        """Removes the callback. If it is being called, waits until it has returned, so that the object it cancels can be used again."""
        self._all.remove(self)

    def __enter__(self) -> OnStop:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], why: Optional[BaseException], where: Optional[TracebackType]) -> None:
        """A safe point if it was called: the cancelled call's exception becomes Stop."""
        self.remove()
        if self.fired and (kind is None or issubclass(kind, Exception)):
            self._all.request.check()


class Callbacks:
    """Those of one request. Whoever asks the request for its stop from another thread has the lock; so has whoever begins a hold."""

    def __init__(self, request: Stoppable) -> None:
        self.request = request
        self.lock = threading.RLock()
        self._waiting: List[OnStop] = []
        self._running: Set[OnStop] = set()
        self._idle = threading.Condition(self.lock)
        self.has_fired = False

    def add(self, call: Tuple[Callable[..., object], Tuple[Any, ...], Dict[str, Any]]) -> OnStop:
        handle = OnStop(self, call)
        with self.lock:
            self._waiting.append(handle)
        _watch(self)
        self.look()  # a stop may have come just before
        return handle

    def remove(self, handle: OnStop) -> None:
        with self.lock:
            if handle in self._waiting:
                self._waiting.remove(handle)
            while handle in self._running:
                self._idle.wait()
            if not self._waiting and not self._running:
                _forget(self)

    def close(self) -> None:
        """The request ends."""
        with self.lock:
            self._waiting.clear()
            self.wait()
        _forget(self)

    def wait(self) -> None:
        """Waits until no callback is running, so that a hold is not affected by a callback from before it."""
        with self.lock:
            while self._running:
                self._idle.wait()

    def look(self) -> None:
        """Calls them if a stop is due and nothing is held, and repeats it: a cancellation is lost if its call has not begun yet. From any thread."""
        with self.lock:
            request = self.request
            if not self._waiting or request._held or request.ended or not _is_due(request):
                return
            due = [handle for handle in self._waiting if handle not in self._running]
            self._running.update(due)
            for handle in due:
                handle.fired = True
            first, self.has_fired = not self.has_fired, True
        if first:
            _process.wake()  # to come again
        for handle in due:
            try:
                _process.pool().submit(self._run, handle)
            except RuntimeError:  # the interpreter ends
                self._run(handle)

    def _run(self, handle: OnStop) -> None:
        function, args, kwargs = handle._call
        try:
            function(*args, **kwargs)
        except Exception:
            log.exception("a callback of on_stop failed: %r", function)
        finally:
            with self.lock:
                self._running.discard(handle)
                self._idle.notify_all()


def _is_due(request: Stoppable) -> bool:
    for _ in range(1000):
        try:
            return request.should_stop()
        except BusyError:
            time.sleep(0.001)  # its own thread is inside a call
        except (Error, Stop):
            return False
    return False


class _Process:
    """What a process has once, and a forked child anew."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.watched: Set[Callbacks] = set()
        self._fd = -1
        self._pool: Optional[ThreadPoolExecutor] = None
        self._thread: Optional[threading.Thread] = None

    def fd(self) -> int:
        """What engines write to."""
        if self._fd < 0:
            with self.lock:
                if self._fd < 0:
                    self._fd = make_notify()
        return self._fd

    def pool(self) -> ThreadPoolExecutor:
        with self.lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_THREADS, "outlive-on-stop")
            return self._pool

    def watch(self, callbacks: Callbacks) -> None:
        fd = self.fd()
        with self.lock:
            self.watched.add(callbacks)
            if self._thread is None:
                _look_at_uwsgi()
                self._thread = threading.Thread(target=self._work, args=(fd,), name="outlive-stops", daemon=True)
                self._thread.start()

    def wake(self) -> None:
        try:
            os.write(self.fd(), (1).to_bytes(8, sys.byteorder))
        except BlockingIOError:
            pass  # it is awake

    def forget(self, callbacks: Callbacks) -> None:
        with self.lock:
            self.watched.discard(callbacks)

    def _work(self, fd: int) -> None:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while True:
            with self.lock:
                again = any(callbacks.has_fired for callbacks in self.watched)
            if poll.poll(AGAIN * 1000 if again else None):
                try:
                    os.read(fd, 8)
                except BlockingIOError:
                    pass
            elif not again:
                continue
            with self.lock:
                watched = list(self.watched)
            for callbacks in watched:
                callbacks.look()


def _look_at_uwsgi() -> None:
    """It runs Python's threads only where it is told to."""
    options = getattr(sys.modules.get("uwsgi"), "opt", {})
    if options and not any(name in options for name in ("enable-threads", b"enable-threads", "threads", b"threads")):
        log.warning("uWSGI runs no threads here, so that no callback of on_stop will be called: start it with --enable-threads")


_process = _Process()


def notify_fd() -> int:
    """For `Engine.begin`."""
    return _process.fd()


def _watch(callbacks: Callbacks) -> None:
    _process.watch(callbacks)


def _forget(callbacks: Callbacks) -> None:
    _process.forget(callbacks)


def _after_fork() -> None:
    global _process
    _process = _Process()


os.register_at_fork(after_in_child=_after_fork)
