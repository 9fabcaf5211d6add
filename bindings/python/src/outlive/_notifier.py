"""How an event loop hears that a stop is due, from an engine whose thread runs no Python."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Set

from .engine import make_notify

if TYPE_CHECKING:
    from ._exchange import Exchange


class Notifier:
    """One loop's descriptor, and the exchanges that it stands for. They keep it open for as long as an engine may write to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.exchanges: Set[Exchange] = set()
        self.fd = make_notify()
        loop.add_reader(self.fd, self._heard)

    def _heard(self) -> None:
        try:
            os.read(self.fd, 8)
        except BlockingIOError:
            return
        for exchange in list(self.exchanges):
            exchange.deliver()

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)
