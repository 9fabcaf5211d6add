"""What a request asks of whoever it runs under."""

from __future__ import annotations

from typing import Any, Awaitable, Sequence, Tuple


class Host:
    """What a request asks of the middleware that it runs under."""

    __slots__ = ()

    def stop_waits(self) -> None:
        """A hold has failed while a stop waited for its end. From any thread."""

    def hold_begins(self) -> None:
        """A hold is about to begin. May raise Stop where it would not be left in one piece. From any thread."""

    def stop_is_raised(self) -> None:
        """A safe point raises Stop just now. From any thread."""

    def wait_for(self, wanted: Awaitable[Any]) -> None:
        """Runs what a shutdown function wants awaited, and returns when it is done."""
        raise RuntimeError("only the ASGI middleware can run a coroutine function as a shutdown function")

    def finish(self, status: int, headers: Sequence[Tuple[str, str]], body: bytes) -> bool:
        """Completes the response early."""
        raise NotImplementedError

    def notice_at_once(self) -> None:
        """From now on a client that has gone is noticed as soon as the host knows of it."""

    async def finish_async(self, status: int, headers: Sequence[Tuple[str, str]], body: bytes) -> bool:
        """The same, on an event loop."""
        return self.finish(status, headers, body)
