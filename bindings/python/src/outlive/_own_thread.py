"""What blocks, on an event loop whose threads may all be taken."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Callable, Optional, TypeVar

T = TypeVar("T")


async def in_own_thread(function: Callable[[], T], name: str) -> T:
    """Runs what blocks, without one of the loop's threads: all of those may be taken by what is waited for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(result: Any, raised: Optional[BaseException]) -> None:
        if done.done():
            return
        done.set_result(result) if raised is None else done.set_exception(raised)

    def work() -> None:
        result, raised = None, None
        try:
            result = function()
        except BaseException as why:
            raised = why
        try:
            loop.call_soon_threadsafe(tell, result, raised)
        except RuntimeError:
            pass  # the loop is closed

    threading.Thread(target=work, name=name, daemon=True).start()
    return await done
