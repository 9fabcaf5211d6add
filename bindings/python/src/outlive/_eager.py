"""Tasks that begin at once: most exchanges are over at their first step, and then no turn of the loop is spent on them."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Coroutine
from typing import Any, Callable, Optional

_Task: Any = asyncio.Task


def _by_the_loop(loop: asyncio.AbstractEventLoop, work: Any) -> Any:
    return loop.create_task(work)


def _eagerly(loop: asyncio.AbstractEventLoop, work: Any) -> Any:
    """From Python 3.12 on, tasks know how."""
    return _Task(work, loop=loop, eager_start=True) if loop.get_task_factory() is None else loop.create_task(work)


def _stepped(loop: asyncio.AbstractEventLoop, work: Any) -> Any:
    """Python 3.11 can give a task its context, and says how one task steps into the place of another (asyncio's "Extending"): the
    first step is made here, and the task goes on from there."""
    outer = asyncio.current_task(loop)
    if outer is None or loop.get_task_factory() is not None:
        return loop.create_task(work)
    context = contextvars.copy_context()
    begun = Begun(work)
    task = _Task(begun, loop=loop, context=context)
    asyncio.tasks._leave_task(loop, outer)
    asyncio.tasks._enter_task(loop, task)
    try:
        context.run(begun.begin)
    finally:
        asyncio.tasks._leave_task(loop, task)
        asyncio.tasks._enter_task(loop, outer)
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
        return self.work.throw(why)


Coroutine.register(Begun)

begin_task: Callable[[asyncio.AbstractEventLoop, Any], Any]
"""Makes a task of a coroutine. Where that can be had, its first step has been made on return."""
begin_task = _eagerly if sys.version_info >= (3, 12) else _stepped if sys.version_info >= (3, 11) else _by_the_loop
