"""What both kinds of middleware share: an engine per process, the settings of a URL, how an ended request is told of."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import weakref
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Set, TypeVar, Union

from . import _seen, _structs as s
from ._policy import Policy
from ._text import Path, Value
from .config import Config, Settings
from .engine import Engine
from .errors import NotServedError
from .request import Request
from .enums import Severity

log = logging.getLogger("outlive")

_MOST_NAMES = 256
_MOST_DIRECTORIES = 4096
T = TypeVar("T")


class ProcessEngine:
    """An engine that is made when the process first needs it: after a prefork server has forked, in each child anew."""

    _all: weakref.WeakSet[ProcessEngine] = weakref.WeakSet()

    def __init__(self) -> None:
        self.now: Optional[Engine] = None
        self._lock = threading.Lock()
        ProcessEngine._all.add(self)

    def get(self) -> Engine:
        engine = self.now
        if engine is not None:
            return engine
        with self._lock:
            if self.now is None:
                self.now = Engine()
                _seen.watch(self.now)
            return self.now

    def drain(self, seconds: float) -> bool:
        """Drains what there is. Blocks. Requests that come later get a new engine."""
        with self._lock:
            engine, self.now = self.now, None
        if engine is None or engine.drain(seconds):
            return True
        for row in engine.requests():
            log.warning("still working after the drain: %s %s, for %.1f s", row.method, row.label, row.age)
        return False

    def _after_fork(self) -> None:
        self.now, self._lock = None, threading.Lock()


def _after_fork() -> None:
    for engine in list(ProcessEngine._all):
        engine._after_fork()


os.register_at_fork(after_in_child=_after_fork)


class MiddlewareCore:
    """The configuration of one middleware."""

    def __init__(
        self,
        config: Optional[Config],
        php_ini: Union[None, bool, Path, Sequence[Path]],
        httpd_conf: Union[None, Path, Sequence[Path]],
        values: Optional[Mapping[str, Value]],
        root: Optional[Path],
        policy: Policy = Policy(),
    ) -> None:
        self.streams_stop = policy.streams_stop
        values = policy.values(values, php_ini not in (None, False) or httpd_conf is not None)
        if config is not None and (php_ini is not None or httpd_conf is not None or values is not None):
            raise TypeError("give either a Config, or what one is made of")
        self.config = config if config is not None else Config(php_ini=php_ini, httpd_conf=httpd_conf, values=values)
        for diagnostic in self.config.diagnostics:
            log.log(logging.INFO if diagnostic.severity == Severity.NOTE else logging.WARNING, "%s", diagnostic)
        self.engine = ProcessEngine()
        self.root = None if root is None else os.fsencode(root).rstrip(b"/")
        self._said: Set[str] = set()
        # Only Apache's files look at more than the server's name.
        self.by_uri = self.config.has_httpd_conf
        self.of_name: Dict[Optional[bytes], Settings] = {}
        self._known: Dict[int, Settings] = {}
        self._directories: Set[str] = set()  # whose files have been read

    def may_block(self, path: Any) -> bool:
        """Whether the settings of this path may take files that have not been read: .htaccess and .user.ini of a directory that is asked
        for the first time. What is known of the others is only compared with the disk. Say `has_read` behind the look-up."""
        if self.root is None or not self.by_uri or not isinstance(path, str):
            return False
        return path.rpartition("/")[0] not in self._directories

    def has_read(self, path: str) -> None:
        """From any thread."""
        if len(self._directories) >= _MOST_DIRECTORIES:  # paths are what clients say
            self._directories.clear()
        self._directories.add(path.rpartition("/")[0])

    def settings(self, target: Any, name: Optional[bytes]) -> Settings:
        """What is in force. Where Apache itself would answer (a redirect, 403 …), what holds for its whole server."""
        if not self.by_uri:
            found = self.of_name.get(name)
            if found is None:
                if len(self.of_name) >= _MOST_NAMES:  # names are what clients say
                    self.of_name.clear()
                found = self.of_name[name] = self.config.resolve_target(s.Target(size=s.TARGET_SIZE, server_name=name))
            return found
        try:
            return self.config.resolve_known(target(), self._known)
        except NotServedError as why:
            if why.message not in self._said and len(self._said) < _MOST_NAMES:
                self._said.add(why.message)
                log.warning("what holds for the whole server is used where Apache would not serve: %s", why)
            return self.config.resolve_target(None)


async def in_own_thread(function: Callable[[], T]) -> T:
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

    threading.Thread(target=work, name="outlive-drain", daemon=True).start()
    return await done


def end(request: Request) -> None:
    """Ends a request. What its shutdown functions raise is logged; KeyboardInterrupt and SystemExit are raised."""
    left = log.isEnabledFor(logging.INFO) and _seen.was_left(request)
    try:
        request.end()
    except Exception:
        log.exception("a shutdown function failed")
    finally:
        if left:
            _seen.over(request)
