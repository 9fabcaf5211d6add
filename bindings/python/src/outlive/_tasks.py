"""How a stop reaches the tasks of a request: as a cancellation at an await, which no thread's work and no shield of anyio is behind.

Only asyncio's own cancellation lets clean-up code await. It knows nothing of anyio, and leaves threads behind: so it is looked at
first what a task waits for. What asyncio and anyio do not tell in public is asked for here alone, and taken as unknown where it is
not there.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import sys
from typing import Any, Callable, List, Mapping, Optional, Set, Tuple

from ._eager import Begun
from ._notifier import Notifier
from .errors import Stop
from .request import Request, _current

Task = asyncio.Task[Any]


# What frameworks raise in a view that asks for more of a request's body than its client has sent: Starlette, Django, Werkzeug.
_CLIENT_HAS_LEFT = frozenset({"ClientDisconnect", "RequestAborted", "ClientDisconnected"})


def remainder(why: BaseException, told: bool, has_left: bool = False) -> Optional[BaseException]:
    """What is left of an exception once the stop in it is taken away: out of exception groups, too. told: whether a cancellation
    is ours. has_left: whether the application was told that its client left before it had sent everything, so that its saying so is no failure."""
    if isinstance(why, Stop) or told and isinstance(why, asyncio.CancelledError) or has_left and type(why).__name__ in _CLIENT_HAS_LEFT:
        return None
    inner = getattr(why, "exceptions", None)
    if not isinstance(inner, tuple) or not hasattr(why, "derive"):
        return why
    left = [part for part in (remainder(one, told, has_left) for one in inner) if part is not None]
    if not left:
        return None
    return why if len(left) == len(inner) else why.derive(left)


def has_stop(why: BaseException) -> bool:
    """Whether a Stop is what was raised, or one of those that were raised together."""
    inner = getattr(why, "exceptions", None)
    return isinstance(why, Stop) or isinstance(inner, tuple) and any(map(has_stop, inner))


class Stopping:
    """One request that is being stopped. Everything here runs on its loop."""

    def __init__(self, request: Request, main: Task, notifier: Notifier) -> None:
        self.request, self.main, self.notifier, self.loop = request, main, notifier, notifier.loop
        self.budget: float = notifier.cleanup  # seconds that clean-up may take before it is told again
        self._told: Set[Task] = set()  # who has been cancelled, or will be as soon as it wakes
        self._unaware: Optional[Set[Task]] = None  # who was there when the first was told, and was not
        self._retrieved: Set[Task] = set()  # the stop that they end by is nothing to report
        self._patient: Set[Task] = set()  # behind asyncio.shield: these are waited for
        self._looks: Set[Any] = set()  # futures at whose end we look again
        self._timer: Optional[asyncio.TimerHandle] = None
        self.is_through = False

    def go_on(self, *_: Any) -> None:
        """Cancels the tasks that may be cancelled now; the others are tried again later."""
        if self.is_through or self.request._held or self.main.done():
            return
        if self._timer is None:
            self._timer = self.loop.call_later(self.budget, self._again)
        tasks = self.tasks()
        hosts = {parent for parent in map(_host_of, tasks) if parent is not None}
        busy = False
        for task in tasks:
            if task not in self._retrieved and task is not self.main:
                self._retrieved.add(task)
                task.add_done_callback(_retrieve_stop)
            if task not in self._told:
                if id(task) in hosts:  # once the tasks of its group have ended
                    self._when_it_wakes(task)
                elif self._must_not_be(task):
                    busy = True
        if busy:
            return
        current = asyncio.current_task()
        for task in tasks:
            # Others are cancelled by the one that waits for them, or at the end.
            if task not in self._told and id(task) not in hosts and (task is self.main or _host_of(task) is not None):
                self._told.add(task)
                self._told.update(getattr(getattr(task, "_fut_waiter", None), "_children", ()))  # gather's: they get it from here
                if task is not current:
                    task.cancel()
        if self._unaware is None:
            self._unaware = set(tasks) - self._told

    def hold_begins(self) -> None:
        """Who was there when the stop was told, and hears of it only from whoever waits for it (a group, wait_for), would be cancelled
        inside of the hold: it begins none. Clean-up has heard of it. From Python 3.11 on, when that can be known."""
        current: Any = asyncio.current_task()
        if self.is_through or self.request._held or current not in (self._unaware or ()) or not hasattr(current, "cancelling"):
            return
        if not _is_cancelled(current):
            self.raised_here()
            raise Stop(self.request.ending)

    def _again(self) -> None:
        """Cancels tasks again that have swallowed the cancellation, or clean up for too long."""
        self._timer = None
        self._told.clear()
        self.go_on()

    def raised_here(self) -> None:
        """A safe point raises the stop in the task that runs: what waits for that task hears of it, too."""
        current = asyncio.current_task()
        if current is not None:
            self._told.add(current)
            if self._unaware is not None:
                self._unaware.discard(current)
            current.add_done_callback(_retrieve_stop)
        self.go_on()

    async def rest(self) -> List[Task]:
        """After the application has ended: waits for its other tasks. Returns those that run on although they were cancelled twice."""
        self.close()
        rounds, until = 0, self.loop.time() + self.budget
        while True:
            left = [task for task in self.tasks() if task is not self.main]
            if not left:
                return []
            # One that another of them waits for hears of it there, once: told twice, it could not clean up.
            free = [task for task in left if not _is_awaited(task)] or left
            busy = self.request._held > 0  # one of them has begun a hold behind the stop; its end is a safe point
            for task in () if busy else free if not rounds else left:
                if task in self._told or not rounds and _is_cancelled(task):
                    continue
                if self._must_not_be(task):
                    busy = True
                elif rounds or task not in self._patient:
                    self._told.add(task)
                    task.cancel()
            timeout = 0.02 if busy else max(0.0, until - self.loop.time())
            done, _ = await asyncio.wait(left, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                _retrieve_stop(task)
            if busy:
                until = self.loop.time() + self.budget
            elif not done:
                rounds, until = rounds + 1, self.loop.time() + self.budget
                self._told.clear()
                if rounds > 1:
                    return left

    def close(self) -> None:
        self.is_through = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- the tasks ----

    def tasks(self) -> List[Task]:
        """The tasks that were begun for the request, recognised by their context."""
        request, foreign = self.request, self.notifier.servers
        known = asyncio.all_tasks(self.loop)
        if not self.main.done():
            known.add(self.main)  # it may be in its first step
        return [
            task for task in known
            if task is self.main or task not in foreign and _request_of(task) is request
        ]

    def _must_not_be(self, task: Task) -> bool:
        """Whether it must not be cancelled now; if so, arranges to cancel it later."""
        waiter = getattr(task, "_fut_waiter", None)
        running = task.get_coro()
        is_between = isinstance(running, Begun) and running.waits is not None  # its first step and its second
        if waiter is None or is_between:
            if is_between or _is_shielded(task):
                self.loop.call_soon(self.go_on)
                return True
            return False
        if _is_shielded(task):
            if waiter not in self._looks:
                self._looks.add(waiter)
                waiter.add_done_callback(self._looked)  # comes after the task's own step
            return True
        if _works_in_thread(waiter, self._patient):
            self._when_it_wakes(task)
            return True
        inner = _waited_for(task)
        if inner is not None and _works_in_thread(inner, self._patient):
            self._when_it_wakes(task, inner)
            return True
        gathered = [
            one for one in getattr(waiter, "_children", ()) if not isinstance(one, asyncio.Task) and _works_in_thread(one, self._patient)
        ]
        for one in gathered:
            if one not in self._looks:
                self._looks.add(one)
                one.add_done_callback(self._looked)
        return bool(gathered)

    def _looked(self, waiter: Any) -> None:
        self._looks.discard(waiter)
        self.go_on()

    def _when_it_wakes(self, task: Task, inner: Any = None) -> None:
        """It is cancelled in place of its next step, and what it waits for is left alone. inner: what it waits for through
        asyncio.wait_for, which before Python 3.12 swallows a cancellation once that is done: Stop is raised there instead."""
        waiter: Any = getattr(task, "_fut_waiter", None)
        for wake, context in getattr(waiter, "_callbacks", None) or ():  # noqa: B007 (it is used below)
            if getattr(wake, "__self__", None) is task:
                break
        else:
            if waiter is None:
                self.loop.call_soon(self.go_on)
            elif waiter not in self._looks:
                self._looks.add(waiter)
                waiter.add_done_callback(self._looked)
            return

        def woken(done: Any) -> None:
            what = done if inner is None else inner
            failed = not what.done() or not what.cancelled() and what.exception() is not None
            if self.request._held or failed:
                self._told.discard(task)
                wake(done)
            elif inner is not None:
                task.add_done_callback(_retrieve_stop)
                stopped = self.loop.create_future()
                stopped.set_exception(Stop(self.request.ending))
                wake(stopped)
            else:
                task.cancel()
                cancelled = self.loop.create_future()
                cancelled.cancel()
                wake(cancelled)
            self.loop.call_soon(self.go_on)

        self._told.add(task)
        waiter.remove_done_callback(wake)
        waiter.add_done_callback(woken, context=context)


# ---- what is looked at ----


def _is_cancelled(task: Task) -> bool:
    """Whether it has been cancelled and is cleaning up; known from Python 3.11 on."""
    cancelling: Optional[Callable[[], int]] = getattr(task, "cancelling", None)
    return cancelling is not None and cancelling() > 0


def _is_awaited(task: Task) -> bool:
    """Whether something else waits for its end: an await, a group, gather."""
    return any(callback is not _retrieve_stop for callback, _ in _callbacks(task))


def _retrieve_stop(task: Task) -> None:
    """A stop that nobody retrieves from a task is not reported, unlike other exceptions."""
    raised = getattr(task, "_exception", None)
    if raised is not None and remainder(raised, False) is None:
        task.exception()


def _request_of(task: Task) -> Optional[Request]:
    context = _context_of(task)
    return None if context is None else context.get(_current)


def _context_by_name(task: Task) -> Optional[contextvars.Context]:
    context: Optional[contextvars.Context] = task.get_context()  # type: ignore[attr-defined,unused-ignore]
    return context


def _context_by_reference(task: Task) -> Optional[contextvars.Context]:
    """Before Python 3.12, only the garbage collector knows. (PyPy's tasks are written in Python.)"""
    found = getattr(task, "_context", None)
    if found is None:
        found = next((one for one in gc.get_referents(task) if type(one) is contextvars.Context), None)
    return found


_context_of: Callable[[Task], Optional[contextvars.Context]]
_context_of = _context_by_name if sys.version_info >= (3, 12) else _context_by_reference


def _anyio_state(task: Task) -> Any:
    """What anyio keeps of a task: the task that it was begun by in a group, and the scope that it is in."""
    backend = sys.modules.get("anyio._backends._asyncio")
    states: Mapping[Task, Any] = getattr(backend, "_task_states", None) or {}
    return states.get(task)


def _host_of(task: Task) -> Optional[int]:
    """The id of the task in whose anyio group this one is."""
    parent: Optional[int] = getattr(_anyio_state(task), "parent_id", None)
    return parent


def _is_shielded(task: Task) -> bool:
    """Whether it is inside one of anyio's shields, as what waits for anyio.to_thread is."""
    scope = getattr(_anyio_state(task), "cancel_scope", None)
    while scope is not None:
        if scope.shield:
            return True
        scope = getattr(scope, "_parent_scope", None)
    return False


def _works_in_thread(waiter: Any, shielded: Set[Task]) -> bool:
    """Whether what is waited for is a function that runs in a thread now: through run_in_executor, asyncio.to_thread, asgiref. Tasks that
    are behind asyncio.shield are added to `shielded`."""
    for callback, _ in _callbacks(waiter):
        name, cells = getattr(callback, "__qualname__", ""), _cells(callback)
        if name == "_chain_future.<locals>._call_check_cancel":
            return any(isinstance(cell, concurrent.futures.Future) and cell.running() for cell in cells)
        if name == "shield.<locals>._outer_done_callback":
            for inner in cells:
                if isinstance(inner, asyncio.Task):
                    shielded.add(inner)
                elif asyncio.isfuture(inner) and _works_in_thread(inner, shielded):
                    return True
    return False


def _waited_for(task: Task) -> Any:
    """What the task waits for through asyncio.wait_for: before Python 3.12 that is not what it says that it waits for."""
    if sys.version_info >= (3, 12):
        return None
    running: Any = task.get_coro()
    while running is not None:
        frame = getattr(running, "cr_frame", None) or getattr(running, "gi_frame", None)
        if frame is None:
            running = getattr(running, "work", None) or getattr(running, "running", None)  # Begun, and Charged
        elif frame.f_code is asyncio.wait_for.__code__:
            return frame.f_locals.get("fut")
        else:
            running = getattr(running, "cr_await", None) or getattr(running, "gi_yieldfrom", None)
    return None


def _callbacks(future: Any) -> List[Tuple[Any, Any]]:
    return list(getattr(future, "_callbacks", None) or ())


def _cells(function: Any) -> List[Any]:
    found = []
    for cell in getattr(function, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # empty
            pass
    return found
