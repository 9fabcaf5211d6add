"""Log lines for people: that a client has gone and the work goes on, and that it is over, at level INFO of the logger "outlive"; that a cap has stopped it,
at level WARNING."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING, Optional

from .enums import Ending
from .errors import Error, Stop

if TYPE_CHECKING:
    from .engine import Engine
    from .request import Request

log = logging.getLogger("outlive")

# Seconds between two looks at the requests in flight. A request that is over by then gets the second line only.
LOOK = 0.5


def watch(engine: Engine) -> None:
    """Logs this engine's requests, from a thread, if the level is on."""
    if log.isEnabledFor(logging.INFO):
        engine._looking = threading.Lock()
        threading.Thread(target=_work, args=(weakref.ref(engine), engine._looking), name="outlive-seen", daemon=True).start()


def _work(of: weakref.ref[Engine], looking: threading.Lock) -> None:
    pause = threading.Event()
    while True:
        engine: Optional[Engine] = of()
        if engine is None:
            return
        with looking:  # who ends a request, or the engine, waits for that
            if engine._handle is None:
                return
            left = [request for request in list(engine._live.values()) if request._left_at is None and _has_left(request)]
        for request in left:
            log.info("its client has gone, the work goes on: %s %s%s", *request._what, _key(request))
        del engine, left
        pause.wait(LOOK)


def _has_left(request: Request) -> bool:
    try:
        if request._is_ending or not request.is_gone:
            return False
    except (Error, Stop):
        return False
    request._left_at = time.monotonic()
    return True


def was_left(request: Request) -> bool:
    """Whether its client has gone: to be asked before the end, for `over`, where level INFO is on."""
    return not request.ended and request.is_gone


def over(request: Request) -> None:
    """It has ended, and its client had gone."""
    since = "" if request._left_at is None else f", {time.monotonic() - request._left_at:.1f} s later"
    log.info("its client had gone, the work is over%s: %s %s%s, %s", since, *request._what, _key(request), request.ending)


CAPS = ("outlive.max_detached_total", "outlive.max_detached", "outlive.max_detached_time")


def caps_reached(request: Request) -> str:
    """The caps that hold for a request that works on without its client, and that one of them has stopped; otherwise nothing. To be asked before the end,
    where something has happened to the request."""
    try:
        if request.ended or not request.is_gone or request.ending is not Ending.ABORTED or not request.ignore_user_abort():
            return ""
        values = [(name, request.ini_get(name)) for name in CAPS]
    except (Error, Stop):
        return ""
    return " or ".join(f"{name} = {value}" for name, value in values if value not in ("", "0"))


def capped(request: Request, caps: str) -> None:
    """It has ended, and one of these caps had stopped it."""
    log.warning("its client has gone, stopped by a cap: %s %s%s: %s", *request._what, _key(request), caps)


def _key(request: Request) -> str:
    """What is shown of its key."""
    return f", key {request.key[:8].decode('utf-8', 'replace')}…" if request.key else ""
