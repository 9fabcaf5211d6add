"""CPU time of requests that share a loop's thread."""

from __future__ import annotations

from typing import Any, Generator, Optional

from .request import Request


class Charged:
    """The rest of a coroutine, whose steps, and only they, are charged to its request: many requests share a loop's thread."""

    __slots__ = ("request", "running", "waits")

    def __init__(self, request: Request, running: Any, waits: Any) -> None:
        """waits: what its first step has come to wait for."""
        self.request, self.running, self.waits = request, running, waits

    def __await__(self) -> Generator[Any, Any, Any]:
        request, running, waits = self.request, self.running, self.waits
        self.waits = None
        raised: Optional[BaseException]
        while True:
            request.suspend()
            try:
                value, raised = (yield waits), None
            except BaseException as why:
                raised = why
            request.resume()
            try:
                waits = running.send(value) if raised is None else running.throw(raised)
            except StopIteration as done:
                return done.value
