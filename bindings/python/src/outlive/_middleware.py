"""What both kinds of middleware share: an engine per process, the settings of a URL, and the reports about ended requests."""

from __future__ import annotations

import difflib
import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Dict, FrozenSet, List, Mapping, Optional, Sequence, Set, Tuple, TypedDict, Union

from . import _seen, _structs as s
from ._keeping import Keeping, accepts
from ._policy import Accept, Clock, Detect, Disconnect, Duplicates, Policy, Streaming
from ._text import Path, Value
from .config import Config, Settings
from .engine import Engine, Row, render_scoreboard
from .errors import Error, NotServedError
from .journal import Journal
from .request import Request
from .enums import Rendered, Severity

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger("outlive")

_MOST_NAMES = 256
Ways = Tuple[bool, bool, bool]


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
        """Drains the present engine. Blocks. Later requests get a new engine."""
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
        self.journal: Optional[Journal] = None
        self.principal: Callable[[Mapping[str, str]], Union[str, bytes]] = principal_of
        self.root = None if root is None else os.fsencode(root).rstrip(b"/")
        self._said: Set[str] = set()
        # Only Apache's files look at more than the server's name.
        self.by_uri = self.config.has_httpd_conf
        self.of_name: Dict[Optional[bytes], Settings] = {}
        # The settings of every request, if no file can change them for some.
        self.of_all: Optional[Settings] = None
        if config is None and not php_ini and httpd_conf is None:
            self.of_all = self.config.resolve_target(None)
            ways_of(self.of_all)
        self._known: Dict[int, Settings] = {}

    @property
    def reads_files(self) -> bool:
        """Whether a look-up may read files, or ask the disk whether they have changed: .htaccess, .user.ini, symbolic links."""
        return self.by_uri and self.root is not None

    def settings(self, target: Any, name: Optional[bytes]) -> Settings:
        """The settings in force. Where Apache itself would answer (a redirect, 403 …), those of the whole server."""
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
                log.warning("Apache would not serve this request, so the settings of the whole server are used: %s", why)
            return self.config.resolve_target(None)


class Options(TypedDict, total=False):
    """The keywords of both kinds of middleware: what each says is in README.md."""

    disconnect: Optional[Disconnect]
    time_limit: Optional[int]
    """Seconds."""
    detect: Optional[Detect]
    clock: Optional[Clock]
    streaming: Optional[Streaming]
    max_detached: Optional[int]
    max_detached_time: Optional[int]
    """Seconds."""
    scoreboard: Optional[Path]
    php_ini: Union[None, bool, Path, Sequence[Path]]
    httpd_conf: Union[None, Path, Sequence[Path]]
    values: Optional[Mapping[str, Value]]
    root: Optional[Path]
    drain: float
    """Seconds."""
    journal: Optional[Journal]
    accept: Optional[Accept]
    duplicates: Optional[Duplicates]
    principal: Optional[Callable[[Mapping[str, str]], Union[str, bytes]]]


class AsgiOptions(Options, total=False):
    """Those of the ASGI middleware."""

    cleanup: float
    """Seconds."""


class Middleware:
    """The base of both kinds of middleware: a configuration, an engine per process, and functions about requests in flight."""

    _keywords: ClassVar[FrozenSet[str]] = frozenset(Options.__annotations__)

    def __init__(self, app: Any, config: Optional[Config] = None, **options: Unpack[Options]) -> None:
        """disconnect, time_limit and the other keywords: the policy, in Python; see README.md. If any of them is given, and no file, the others
        default to: detect="watch", clock="wall", no time limit, max_detached=200, max_detached_time=300, and streaming
        responses stop when the client has gone.

        With files: config, or the arguments of one: php_ini, httpd_conf, values; see `Config`. root: the directory that URLs are files
        below, for <Directory> sections and .htaccess; None: only what Apache's files say of URLs (server, virtual host, <Location>) applies.

        journal: keeps the submissions of unsafe methods until they are done; see docs/durable.md. accept: "on" by default with a journal;
        "required": a submission that cannot be kept is refused. duplicates: "conflict": a second submission with the same Idempotency-Key is
        answered 409, or what was
        answered the first time. principal: gives the submitter from the headers (names in lower case), because each principal has its own keys;
        None: Authorization, else Cookie.

        drain: seconds (10) that requests in flight, detached ones included, may take at the end before they are told to stop.
        ConfigError: with file and line. ArgumentError: a value that is none. TypeError: an unknown keyword.
        """
        given: Dict[str, Any] = dict(options)
        for name in given:
            if name not in self._keywords:
                near = difflib.get_close_matches(name, self._keywords, 1)
                hint = f"did you mean {near[0]!r}?" if near else "there are " + ", ".join(sorted(self._keywords))
                raise TypeError(f"{type(self).__name__} has no keyword {name!r}: {hint}")
        self.app = app
        self.drain_seconds: float = given.get("drain", 10.0)
        said = {name: given.get(name) for name in Policy.__dataclass_fields__}
        self.journal: Optional[Journal] = given.get("journal")
        has_files = config is not None or given.get("php_ini") not in (None, False) or given.get("httpd_conf") is not None
        if self.journal is not None and not has_files:
            said["accept"], said["duplicates"] = said["accept"] or "on", said["duplicates"] or "conflict"
        if said["scoreboard"] is not None:
            said["scoreboard"] = os.fsdecode(said["scoreboard"])
        self._core = MiddlewareCore(
            config, given.get("php_ini"), given.get("httpd_conf"), given.get("values"), given.get("root"), Policy(**said)
        )
        self._core.journal, self._core.principal = self.journal, given.get("principal") or principal_of

    def drain(self, seconds: Optional[float] = None) -> bool:
        """For the hook that a server runs where a process ends, such as gunicorn's worker_exit or uWSGI's atexit: waits this many seconds (None:
        the keyword `drain`) for the requests in flight, then tells the rest to stop (SHUTDOWN) and waits two more. True: none is left. Later
        requests are still served. Blocks."""
        drained = self._core.engine.drain(self.drain_seconds if seconds is None else seconds)
        if self.journal is not None and hasattr(self.journal, "close") and not getattr(self.journal, "is_async", False):
            self.journal.close()
        return drained

    def requests(self) -> List[Row]:
        """The live table of this process."""
        engine = self._core.engine.now
        return [] if engine is None else engine.requests()

    def metrics(self) -> str:
        """Numbers as Prometheus text: of all processes that share the scoreboard; without one, of this process."""
        return self.render(Rendered.METRICS)

    def render(self, what: Rendered, *, title: str = "", notes: str = "") -> str:
        """As `render_scoreboard`: of all processes that share the scoreboard, or of this one where there is none. Reads a file."""
        engine = self._core.engine.get()
        path = self._core.config.resolve_target(None).get("outlive.scoreboard")
        # It is opened by the first request, and this process may have had none.
        if path and not engine.requests() and not self._publishes(engine) and os.path.exists(path):
            return render_scoreboard(path, what, title=title, notes=notes)
        return engine.render(what, title=title, notes=notes)

    @staticmethod
    def _publishes(engine: Engine) -> bool:
        try:
            return engine.publishes
        except Error:
            return False


def ways_of(settings: Settings) -> Ways:
    """Whether CPU time counts, whether a client that has gone is noticed at once, and whether submissions go to a journal; remembered with
    the settings."""
    ways = settings.ways = (
        settings.get("outlive.clock").lower() == "cpu", settings.get("outlive.detect").lower() == "watch",
        accepts(settings.get("outlive.accept")),
    )
    return ways


def principal_of(headers: Mapping[str, str]) -> str:
    """The default principal."""
    return headers.get("authorization") or headers.get("cookie") or ""


def keeping_of(
    core: MiddlewareCore, settings: Settings, headers: Mapping[str, str], keys: Sequence[str], method: str, path: str
) -> Keeping:
    """The options of a request that may be kept. headers: names in lower case. keys: the Idempotency-Key headers."""
    principal = core.principal(headers)
    keeping = Keeping(
        core.journal, principal if isinstance(principal, bytes) else principal.encode("utf-8", "surrogateescape"), keys, method, path,
        headers.get("content-type", ""),
    )
    keeping.make_key(settings.get("outlive.duplicates").lower())
    return keeping


def shut_down(request: Request) -> None:
    """The first part of an end. Errors are logged."""
    try:
        request.shut_down()
    except Exception:
        log.exception("a request could not be shut down")


def end(request: Request) -> None:
    """Ends a request. Exceptions of its shutdown functions are logged; KeyboardInterrupt and SystemExit are raised."""
    left = request._engine._looking is not None and _seen.was_left(request)  # where level INFO was on
    caps = _seen.caps_reached(request) if request._word[0] else ""
    try:
        request.end()
    except Exception:
        log.exception("a shutdown function failed")
    finally:
        if left:
            _seen.over(request)
        if caps:
            _seen.capped(request, caps)
