"""Tasks that begin at once: most exchanges end with their first step, and then cost no turn of the loop."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Coroutine
from typing import Any, Callable, Optional
from weakref import getweakrefcount

_Task: Any = asyncio.Task


class Beginner:
    """Begins tasks on one loop, and keeps its spare task."""

    loop: asyncio.AbstractEventLoop
    spare: Optional[Spare] = None
    is_making_spare = False
    without_spare = 0  # so many tasks are begun without


class Begins:
    """The work of a task, which knows its task from the first step on."""

    task: Optional[asyncio.Task[None]] = None
    is_over = False


def _by_the_loop(beginner: Beginner, begins: Begins, work: Any) -> Any:
    return beginner.loop.create_task(work)


def _eagerly(beginner: Beginner, begins: Begins, work: Any) -> Any:
    """From Python 3.12 on, asyncio's own eager tasks."""
    loop = beginner.loop
    return _Task(work, loop=loop, eager_start=True) if loop.get_task_factory() is None else loop.create_task(work)


def _stepped(beginner: Beginner, begins: Begins, work: Any) -> Any:
    """Python 3.11 can give a task its context, and says how one task steps into the place of another (asyncio's "Extending"): the
    first step is made here, and the task goes on from there. None: it is over, and needed no task of its own."""
    loop = beginner.loop
    outer = _current_tasks.get(loop)
    if outer is None or loop.get_task_factory() is not None:
        return loop.create_task(work)
    spare = beginner.spare
    if spare is None or spare.waiting.done():
        beginner.spare = None
        return _without_spare(beginner, begins, work, outer)
    beginner.spare = None  # the first step may begin another
    task, context = spare.task, _copy_context()
    known = _references(task)
    waits: Any = None
    has_ended, raised = True, None
    begins.task = task
    _current_tasks[loop] = task
    try:
        waits = context.run(work.send, None)
        has_ended = False
    except StopIteration:
        pass
    except (Exception, asyncio.CancelledError) as why:
        raised = why
    finally:
        _current_tasks[loop] = outer
        begins.task = None
    # Whether the task is unused: not referenced, cancelled, waited for or named by anybody.
    if (
        _references(task) == known
        and not getweakrefcount(task)
        and not spare.waiting.done()
        and task._callbacks is None
        and task.get_name() == spare.name
    ):
        beginner.spare = spare
        if has_ended:
            raised = None  # it knows what came of it; and no cycles
            return None
        begun = Begun(work)
        begun.waits = waits
        task = _Task(begun, loop=loop, context=context)
    else:
        beginner.without_spare = WITHOUT
        spare.take(work, context, waits, has_ended, raised)
        raised = None  # no cycles
    if not begins.is_over:
        begins.task = task
    return task


def _without_spare(beginner: Beginner, begins: Begins, work: Any, outer: Any) -> Any:
    """The same, by a new task; and there will be a spare one, unless that does not pay."""
    loop, context = beginner.loop, _copy_context()
    begun = Begun(work)
    task = begins.task = _Task(begun, loop=loop, context=context)
    _current_tasks[loop] = task
    try:
        context.run(begun.begin)
    finally:
        _current_tasks[loop] = outer
    if beginner.without_spare:
        beginner.without_spare -= 1
    elif _references is not None and not beginner.is_making_spare:
        Spare(beginner)
    return task


class Begun:
    """A coroutine whose first step has been made before its task makes its own."""

    __slots__ = ("work", "waits", "has_ended", "raised", "send", "throw", "close")

    def __init__(self, work: Any) -> None:
        self.work, self.close = work, work.close
        self.waits: Any = None  # what the first step has come to wait for
        self.has_ended = False
        self.raised: Optional[BaseException] = None
        self.send: Callable[..., Any] = self._go_on
        self.throw: Callable[..., Any] = self._go_on_with

    def begin(self) -> None:
        try:
            self.waits = self.work.send(None)
        except StopIteration:
            self.has_ended = True
        except (Exception, asyncio.CancelledError) as why:
            self.has_ended, self.raised = True, why
        except BaseException:  # KeyboardInterrupt, SystemExit: gets out here, and the task has nothing left to do
            self.has_ended = True
            raise

    def _go_on(self, _: None) -> Any:
        self.send, self.throw = self.work.send, self.work.throw
        if self.has_ended:
            raised, self.raised = self.raised, None
            try:
                raise StopIteration if raised is None else raised
            finally:
                raised = None  # no cycles
        waits, self.waits = self.waits, None
        return waits

    def _go_on_with(self, why: BaseException) -> Any:
        """Cancelled between the first step and the second: so is what it waits for, as a task does it."""
        waits = self._go_on(None)
        if waits is not None and isinstance(why, asyncio.CancelledError) and waits.cancel():
            return waits
        return self.throw(why)


class _Within:
    """Work whose steps are made in a context that is not its task's."""

    __slots__ = ("work", "context", "close")

    def __init__(self, work: Any, context: contextvars.Context) -> None:
        self.work, self.context, self.close = work, context, work.close

    def send(self, value: None) -> Any:
        return self.context.run(self.work.send, value)

    def throw(self, why: BaseException) -> Any:
        return self.context.run(self.work.throw, why)


class Spare(Begun):
    """A task that waits for work, in whose place first steps are made. Nobody sees it among the loop's tasks before it has some."""

    __slots__ = ("beginner", "task", "waiting", "name")

    def __init__(self, beginner: Beginner) -> None:
        self.beginner = beginner
        beginner.is_making_spare = True
        self.waiting = beginner.loop.create_future()
        self.work = self.waits = self.raised = None
        self.has_ended = True  # if it is cancelled without work
        self.send, self.throw, self.close = self._wait, self._go_on_with, self.waiting.cancel
        self.task = _Task(self, loop=beginner.loop, context=contextvars.Context())
        self.task._log_destroy_pending = False
        asyncio.tasks._unregister_task(self.task)
        self.name = self.task.get_name()

    def _wait(self, _: None) -> Any:
        """Its task's first step; afterwards it can be used."""
        self.send = self._go_on
        beginner = self.beginner
        beginner.is_making_spare = False
        if beginner.spare is None:
            beginner.spare = self
        self.waiting._asyncio_future_blocking = True
        return self.waiting

    def take(self, work: Any, context: contextvars.Context, waits: Any, has_ended: bool, raised: Optional[BaseException]) -> None:
        """Gives the task to this work."""
        self.work = _Within(work, context)
        self.close = self.work.close
        self.waits, self.has_ended, self.raised = waits, has_ended, raised
        self.task._log_destroy_pending = True
        asyncio.tasks._register_task(self.task)
        if not self.waiting.done():
            self.waiting.set_result(None)


Coroutine.register(Begun)

# Where tasks are looked at in their first step, as by anyio's task groups, a spare one costs more than it saves: so many begin without.
WITHOUT = 64
_references: Any = getattr(sys, "getrefcount", None)  # PyPy counts none
_copy_context = contextvars.copy_context
_current_tasks: Any = getattr(asyncio.tasks, "_current_tasks", None)
"""Of each loop, the task whose step is made. Python 3.11's _leave_task and _enter_task write into it, and check who it was."""

begin_task: Callable[[Beginner, Begins, Any], Any]
"""Makes a task of a coroutine. Where eager tasks are possible, the first step has been made on return; None: the coroutine has ended."""
begin_task = _eagerly if sys.version_info >= (3, 12) else _stepped if sys.version_info >= (3, 11) else _by_the_loop
