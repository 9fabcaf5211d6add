"""Log lines for people: a client has gone and the work goes on; and that it is over. At level INFO, of the logger "outlive"."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING, Optional

from .errors import Error, Stop

if TYPE_CHECKING:
    from .engine import Engine
    from .request import Request

log = logging.getLogger("outlive")

# Seconds between two looks at what is in flight. What is over by then gets the second line only.
LOOK = 0.5


def watch(engine: Engine) -> None:
    """Tells of this engine's requests, from a thread, if anybody would read it."""
    if log.isEnabledFor(logging.INFO):
        threading.Thread(target=_work, args=(weakref.ref(engine),), name="outlive-seen", daemon=True).start()


def _work(of: weakref.ref[Engine]) -> None:
    pause = threading.Event()
    while True:
        engine: Optional[Engine] = of()
        if engine is None or engine._handle is None:
            return
        for request in list(engine._live.values()):
            if request._left_at is None:
                _tell(request)
        del engine
        pause.wait(LOOK)


def _tell(request: Request) -> None:
    try:
        if not request.is_gone:
            return
    except (Error, Stop):
        return  # it ended just now: that is told by who ended it
    request._left_at = time.monotonic()
    log.info("its client has gone, the work goes on: %s %s", *request._what)


def was_left(request: Request) -> bool:
    """Whether its client has gone: to be asked before the end, for `over`."""
    return log.isEnabledFor(logging.INFO) and not request.ended and request.is_gone


def over(request: Request) -> None:
    """It has ended, and its client had gone."""
    since = "" if request._left_at is None else f", {time.monotonic() - request._left_at:.1f} s later"
    log.info("its client had gone, the work is over%s: %s %s, %s", since, *request._what, request.ending)
