"""Tells an event loop that a stop is due, from an engine whose thread runs no Python; and the loop's one timer."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import weakref
from typing import Any, Dict, Optional, Protocol, Set

from ._calls import Form
from ._eager import Beginner
from ._eventfd import make_notify

# An exchange listens for the client's disconnect after one to two times this many seconds: most are over by then, and cost no listener.
LISTEN_AFTER = 0.02

# How many requests' shutdown functions run at once; more wait for their turn.
MOST_ENDINGS = 64

# How many read configuration files at once.
MOST_LOOK_UPS = 4

# How many ask a journal at once.
MOST_ASKED = 16


class Listener(Protocol):
    """The functions of an exchange that a notifier calls."""

    home: Optional[Set[Any]]

    def deliver(self) -> None:
        """A stop may be due."""

    def time_to_listen(self) -> None:
        """Begins to listen for the client's disconnect."""


class Notifier(Beginner):
    """One loop's descriptor, and its exchanges. They keep it open as long as an engine may write to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, cleanup: float) -> None:
        """cleanup: seconds that a stopped request's clean-up may take before it is told again."""
        self.loop, self.thread, self.cleanup = loop, threading.get_ident(), cleanup
        # Each exchange adds itself to the first of these, and leaves the one that it was told of last when it is over: what stays longer
        # than it has to makes work for the garbage collector, which costs more than all the rest.
        self.fresh: Set[Listener] = set()
        self._older: Set[Listener] = set()
        self._settled: Set[Listener] = set()
        self.tasks: Set[asyncio.Task[None]] = set()  # those that go on though their server has cancelled
        self.servers: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()  # the server's own, whatever context they have
        self._pools: Dict[str, concurrent.futures.ThreadPoolExecutor] = {}
        self._kept: Set[asyncio.Future[Any]] = set()
        self.ticks = False
        self.fd = make_notify()
        loop.add_reader(self.fd, self._heard)
        self.form = Form()
        self.form.set_shape(-1, False, self.fd)

    def endings(self) -> concurrent.futures.ThreadPoolExecutor:
        """The threads in which shutdown functions run: none that these may wait for themselves."""
        return self._pool("outlive-ending", MOST_ENDINGS)

    def look_ups(self) -> concurrent.futures.ThreadPoolExecutor:
        """The threads in which files are read: none that others may have taken."""
        return self._pool("outlive-look-up", MOST_LOOK_UPS)

    def journals(self) -> concurrent.futures.ThreadPoolExecutor:
        """The threads in which journals are asked that block."""
        return self._pool("outlive-journal", MOST_ASKED)

    def _pool(self, name: str, most: int) -> concurrent.futures.ThreadPoolExecutor:
        """Made when it is first needed."""
        pool = self._pools.get(name)
        if pool is None:
            pool = self._pools[name] = concurrent.futures.ThreadPoolExecutor(most, name)
        return pool

    def keep(self, task: asyncio.Future[Any]) -> None:
        """Keeps a reference to the task, because loops do not. Its exceptions are handled elsewhere."""
        self._kept.add(task)
        task.add_done_callback(self._let_go)

    def _let_go(self, task: asyncio.Future[Any]) -> None:
        self._kept.discard(task)
        if not task.cancelled():
            task.exception()

    def begin_ticking(self) -> None:
        """For who is the first in `fresh`."""
        self.ticks = True
        self.loop.call_later(LISTEN_AFTER, self._tick)

    def _tick(self) -> None:
        older, self._older, self.fresh = self._older, self.fresh, set()
        for exchange in older:
            self._settled.add(exchange)
            exchange.home = self._settled
            exchange.time_to_listen()
        self.ticks = bool(self._older)
        if self.ticks:
            self.loop.call_later(LISTEN_AFTER, self._tick)

    def _heard(self) -> None:
        try:
            os.read(self.fd, 8)
        except BlockingIOError:
            return
        for exchange in [*self.fresh, *self._older, *self._settled]:
            exchange.deliver()

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            for pool in self._pools.values():
                pool.shutdown(wait=False)
            os.close(self.fd)
