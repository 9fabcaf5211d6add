"""Configuration: php.ini, Apache's files, FPM pools; the settings in force for a target; and why they are in force."""

from __future__ import annotations

import difflib
import re
import weakref
from ctypes import CFUNCTYPE, POINTER, byref, c_int, c_int64, c_size_t, c_void_p, cast, sizeof, string_at
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Type, Union

from . import _structs as s
from ._library import c
from ._prototypes import Visitor
from ._text import Path, Text, Value, name_and_value, path_bytes, paths_bytes, to_bytes, written
from .dir_config import DirConfig
from .enums import Access, Fate, Severity
from .errors import ArgumentError, ValueRefusedError, call, check, check_of, fail

__all__ = ["Config", "Diagnostic", "Directive", "Origin", "Setting", "Settings"]

_NTS = c_size_t(-1).value
_MOST_KNOWN = 256


@dataclass(frozen=True)
class Origin:
    """One layer that sets a directive."""

    layer: str
    """"built-in default", "php.ini" …"""
    file: Optional[str]
    line: Optional[int]
    """Counted from 1."""
    raw: str
    """The value as it was written."""
    value: str
    """The value as PHP would store it."""
    access: Access
    """The level with which the layer sets it."""
    locks: bool
    """It locks the directive."""
    fate: Fate
    because: str
    """Why it is not in force; empty where it is."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file or self.layer
        return f"{place}: {self.raw}" + (f" ({self.because})" if self.because else "")


@dataclass(frozen=True)
class Setting:
    """One directive and its value in force."""

    name: str
    value: str
    global_value: str
    """What ini_restore() goes back to."""
    access: Access
    """Who may change it now."""
    locked: bool


@dataclass(frozen=True)
class Diagnostic:
    """A finding of reading that is no error."""

    file: Optional[str]
    line: Optional[int]
    severity: Severity
    code: str
    """A short stable word for programs."""
    text: str
    """For people: what it is and what to do."""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part)
        return f"{place}{': ' if place else ''}{self.severity.name.lower()}: {self.text}"


@dataclass(frozen=True)
class Directive:
    """A directive of your own: it can be set, locked and explained like PHP's."""

    name: str
    default: Optional[str] = None
    access: Access = Access.ALL
    check: Optional[Callable[[str], bool]] = None
    """Whether the directive accepts a value; an exception counts as no. Any thread may call it; it must not call outlive."""


_FRACTION = re.compile(r"\s*[+-]?[0-9]*\.[0-9]+\s*")
_TIMES = ("max_execution_time", "max_input_time", "hard_timeout")


def visit(
    function: Any, *arguments: Any, struct: Any, see: Callable[[Any], None], record: Optional[s.ErrorRecord] = None
) -> None:
    """Calls a visiting C function; an exception of `see` ends the visit and is raised here. record: for those that take one."""
    raised: List[BaseException] = []
    pointer = POINTER(struct)

    def one(_: Any, at: Any) -> int:
        try:
            see(cast(at, pointer).contents)
            return 0
        except BaseException as why:
            raised.append(why)
            return 1

    answer = function(*arguments, Visitor(one), None, *(() if record is None else (byref(record),)))
    if raised:
        raise raised[0]
    if answer < 0:
        fail(answer, record)


class Settings:
    """The values in force for one target. Immutable; any thread may use them."""

    __slots__ = ("_handle", "_finalizer", "ways", "__weakref__")

    def __init__(self, handle: int) -> None:
        """For `Config.resolve`: takes over a reference."""
        self._handle = handle
        self.ways: Optional[Tuple[bool, bool, bool]] = None  # the middleware's notes
        self._finalizer = weakref.finalize(self, c.settings_free, handle)
        self._finalizer.atexit = False

    def get(self, name: str) -> str:
        """The value as PHP's ini_get() gives it: an Off is empty, an On is "1". NotFoundError: no such directive."""
        value, text = s.Str(), to_bytes(name)
        check_of(c.settings_get(self._handle, text, len(text), byref(value)), name)
        return value.text()

    __getitem__ = get

    def __contains__(self, name: str) -> bool:
        text = to_bytes(name)
        return bool(c.settings_get(self._handle, text, len(text), byref(s.Str())) == 0)

    @property
    def fingerprint(self) -> str:
        """One hash over the directives that outlive acts on, without paths: equal for equal policies."""
        return "%016x" % c.settings_fingerprint(self._handle)

    def get_int(self, name: str) -> int:
        """The value as PHP reads an integer: its leading digits, 0 where there are none. NotFoundError."""
        value, text = c_int64(), to_bytes(name)
        check_of(c.settings_get_int(self._handle, text, len(text), byref(value)), name)
        return value.value

    def get_bool(self, name: str) -> bool:
        """The value as PHP reads a boolean: "true", "yes", "on", or a number that is not 0. NotFoundError."""
        value, text = c_int(), to_bytes(name)
        check_of(c.settings_get_bool(self._handle, text, len(text), byref(value)), name)
        return value.value != 0

    def get_quantity(self, name: str) -> int:
        """The value as PHP reads a quantity: "128M" is 134217728. NotFoundError."""
        value, text = c_int64(), to_bytes(name)
        check_of(c.settings_get_quantity(self._handle, text, len(text), byref(value)), name)
        return value.value

    def explain(self, name: str) -> List[Origin]:
        """Every layer that sets it, from the weakest to the strongest. NotFoundError."""
        found: List[Origin] = []

        def see(at: Any) -> None:
            found.append(Origin(
                at.layer.text(), at.file.text() or None, at.line or None, at.raw.text(), at.value.text(), Access(at.access),
                at.locks != 0, Fate(at.fate), at.because.text(),
            ))

        text = to_bytes(name)
        visit(c.settings_explain, self._handle, text, len(text), struct=s.Origin, see=see)
        return found

    def origin(self, name: str) -> Origin:
        """The layer whose value is in force. NotFoundError."""
        return next(origin for origin in reversed(self.explain(name)) if origin.fate == Fate.IN_FORCE)

    def all(self) -> List[Setting]:
        """Every directive, sorted by name."""
        found: List[Setting] = []

        def see(at: Any) -> None:
            texts = (at.name.text(), at.value.text(), at.global_value.text())
            found.append(Setting(*texts, Access(at.access), at.locked != 0))

        visit(c.settings_each, self._handle, struct=s.Setting, see=see)
        return found

    def __iter__(self) -> Iterator[Setting]:
        return iter(self.all())

    def close(self) -> None:
        """Gives the reference back now instead of when the object is collected. Do not use it afterwards."""
        self._finalizer()
        self._handle = 0

    def __enter__(self) -> Settings:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], why: Optional[BaseException], where: Optional[TracebackType]) -> None:
        self.close()


# Checks of directives are kept for good: settings that outlive their configuration may still ask them.
_CheckFunction = CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)
_checks: List[Any] = []


def _register(builder: int, directive: Directive) -> None:
    given = s.Directive(sizeof(s.Directive), to_bytes(directive.name), int(directive.access))
    given.default_value = None if directive.default is None else to_bytes(directive.default)
    takes = directive.check
    if takes is not None:
        wanted = takes

        def ask(_: Any, value: Any, length: int) -> int:
            try:
                return int(bool(wanted(string_at(value, length).decode("utf-8", "surrogateescape"))))
            except Exception:
                return 0

        function = _CheckFunction(ask)
        _checks.append(function)
        given.check = cast(function, c_void_p).value
    call(c.config_builder_register, builder, byref(given))


class Config:
    """A configuration: immutable, any thread may use it. To reload, make another; requests in flight keep their settings.

    With no arguments: PHP's defaults. Nothing is read from the environment or from files unless asked for.
    """

    __slots__ = ("_handle", "_finalizer", "has_httpd_conf", "__weakref__")

    def __init__(
        self,
        *,
        php_ini: Union[None, bool, Path, Sequence[Path]] = None,
        httpd_conf: Union[None, Path, Sequence[Path]] = None,
        fpm_pool: Union[None, Path, Tuple[Path, Optional[str]]] = None,
        values: Optional[Mapping[str, Value]] = None,
        define: Optional[Mapping[str, Optional[str]]] = None,
        env: Union[None, bool, Mapping[str, str]] = None,
        sapi: Optional[str] = None,
        php_version: Optional[int] = None,
        directives: Iterable[Directive] = (),
        compiled_in: Union[None, Path, Tuple[Optional[Path], Optional[Path]]] = None,
        binary_dir: Optional[Path] = None,
        scan_dirs: Union[None, Path, Sequence[Path]] = None,
        fastcgi_params: Iterable[Tuple[str, str]] = (),
    ) -> None:
        """Reads everything.

        php_ini: a file, or several, later ones stronger; True: found as PHP finds it, scan directories included.
        httpd_conf: Apache's main file, with all that it includes. fpm_pool: an FPM configuration, or it and a pool's name.
        values: as `php -d name=value`, on top of php.ini; numbers and booleans are taken, an unknown outlive.* name, a choice that does not
        exist and a fraction of a second are ArgumentError or ValueRefusedError. define: Apache's `-D NAME` (None) or `Define NAME value`.
        env: the variables for ${NAME}; True: the process's environment. sapi: "apache2handler", "fpm-fcgi" …
        php_version: the PHP that is the model, such as 80200. directives: your own.

        compiled_in: the directories that this PHP was compiled with: where php.ini is searched last, or that and its scan directory.
        binary_dir: the directory of its program, which CGI, FPM and command line search, too. scan_dirs: as PHP_INI_SCAN_DIR, and
        instead of it: one directory, or several, "" among them being the compiled-in one; none at all reads none. fastcgi_params: the parameters
        that a web server hands to FPM with the request, in order: ("PHP_VALUE", "name=value"), ("PHP_ADMIN_VALUE", …), one assignment a line.

        ConfigError: with file and line. ArgumentError: an invalid argument.
        """
        self._handle = 0
        self.has_httpd_conf = bool(paths_bytes(httpd_conf))
        builder = c.config_builder_new()
        if not builder:
            raise MemoryError("outlive")
        try:
            if php_version is not None:
                call(c.config_builder_set_php_version, builder, php_version)
            if sapi is not None:
                call(c.config_builder_set_sapi, builder, to_bytes(sapi), _NTS)
            self._load(builder, env, define, directives, values)
            _set_search(builder, compiled_in, binary_dir, scan_dirs)
            for param, text in fastcgi_params:
                call(c.config_builder_add_fastcgi_param, builder, *name_and_value(param, text))
            if php_ini is True:
                call(c.config_builder_load_php_ini, builder, None, 0)
            for path in paths_bytes(None if isinstance(php_ini, bool) else php_ini):
                call(c.config_builder_load_php_ini, builder, path, len(path))
            for path in paths_bytes(httpd_conf):
                call(c.config_builder_load_httpd_conf, builder, path, len(path))
            if fpm_pool is not None:
                file, name = fpm_pool if isinstance(fpm_pool, tuple) else (fpm_pool, None)
                path, pool = path_bytes(file), None if name is None else to_bytes(name)
                call(c.config_builder_load_fpm_pool, builder, path, len(path), pool, len(pool or b""))
            out = c_void_p()
            call(c.config_builder_build, builder, byref(out))
        finally:
            c.config_builder_free(builder)
        self._handle = out.value or 0
        self._finalizer = weakref.finalize(self, c.config_free, self._handle)
        self._finalizer.atexit = False
        if values and any(name.startswith("outlive.") or name in _TIMES for name in values):
            self._refuse_mistakes(values)

    def _refuse_mistakes(self, values: Mapping[str, Value]) -> None:
        """What is a diagnostic in a file is an error in a program. ArgumentError, ValueRefusedError."""
        with self.resolve_target(None) as settings:
            for name, value in values.items():
                if not name.startswith("outlive.") and name not in _TIMES:
                    continue
                if name not in settings:
                    known = [setting.name for setting in settings if setting.name.startswith("outlive.")]
                    near = difflib.get_close_matches(name, known, 1)
                    hint = f"did you mean {near[0]}?" if near else "there are " + ", ".join(known)
                    raise ArgumentError(-1, f"there is no directive {name}: {hint}")
                word = written(name, value)
                text = word if isinstance(word, str) else word.decode("utf-8", "replace")
                refused = [origin for origin in settings.explain(name) if origin.raw == text and origin.fate == Fate.REFUSED]
                if refused:
                    near = difflib.get_close_matches(text, re.findall(r"[a-z]+", refused[0].because.rpartition(" of ")[2]), 1)
                    hint = f"; did you mean {near[0]!r}?" if near else ""
                    raise ValueRefusedError(-10, f"{name} = {text!r}: {refused[0].because}{hint}")
                if name in _TIMES and _FRACTION.fullmatch(text):  # PHP takes its whole part: 0.5 would be no limit at all
                    raise ValueRefusedError(-10, f"{name} = {text!r}: it takes whole seconds")

    @staticmethod
    def _load(
        builder: int, env: Union[None, bool, Mapping[str, str]], define: Optional[Mapping[str, Optional[str]]],
        directives: Iterable[Directive], values: Optional[Mapping[str, Value]],
    ) -> None:
        if env is True:
            check(c.config_builder_use_process_env(builder))
        elif env:
            for name, value in env.items():
                call(c.config_builder_set_env, builder, *name_and_value(name, value))
        for name, defined in (define or {}).items():
            text = None if defined is None else to_bytes(defined)
            call(c.config_builder_define, builder, to_bytes(name), len(to_bytes(name)), text, len(text or b""))
        for directive in directives:
            _register(builder, directive)
        for name, given in (values or {}).items():
            call(c.config_builder_set, builder, *name_and_value(name, written(name, given)))

    def resolve(
        self,
        uri: Optional[Text] = None,
        *,
        method: Optional[Text] = None,
        server_name: Optional[Text] = None,
        server_address: Optional[Text] = None,
        port: int = 0,
        scheme: Optional[Text] = None,
        filename: Optional[Path] = None,
        document_root: Optional[Path] = None,
        protocol: Optional[Text] = None,
        client_address: Optional[Text] = None,
        headers: Iterable[Tuple[Text, Text]] = (),
    ) -> Settings:
        """The settings in force for a target; without arguments, those of the whole server.

        uri: path and query as received, still encoded. server_name: the Host header. filename, document_root: where the
        server knows them. NotServedError: Apache itself would answer (403, a redirect …), and why.
        """
        return self.resolve_target(_target(
            uri, method, server_name, server_address, port, scheme, filename, document_root, protocol, client_address, headers
        ))

    def resolve_target(self, target: Optional[s.Target]) -> Settings:
        """`resolve` for a C struct: for servers that fill it themselves."""
        out = c_void_p()
        call(c.config_resolve, self._handle, target if target is None else byref(target), byref(out))
        return Settings(out.value or 0)

    def resolve_known(self, target: s.Target, known: Dict[int, Settings]) -> Settings:
        """`resolve_target` for the middleware. Targets to which the same layers apply share their settings: known ones are used again."""
        out = c_void_p()
        call(c.config_resolve, self._handle, byref(target), byref(out))
        handle = out.value or 0
        found = known.get(handle)
        if found is not None:
            c.settings_free(handle)  # this reference; `known` has one
            return found
        if len(known) >= _MOST_KNOWN:
            known.clear()
        found = known[handle] = Settings(handle)
        return found

    def resolve_dir(self, lines: Optional[DirConfig] = None) -> Settings:
        """For hosts that have read their own configuration: the settings in force under the lines of a container, merged from the outermost to the
        innermost, on top of the settings of the whole server."""
        out = c_void_p()
        call(c.config_resolve_dir, self._handle, None if lines is None else lines._handle, byref(out))
        return Settings(out.value or 0)

    def status(
        self,
        uri: Optional[Text] = None,
        *,
        method: Optional[Text] = None,
        server_name: Optional[Text] = None,
        server_address: Optional[Text] = None,
        port: int = 0,
        scheme: Optional[Text] = None,
        filename: Optional[Path] = None,
        document_root: Optional[Path] = None,
        protocol: Optional[Text] = None,
        client_address: Optional[Text] = None,
        headers: Iterable[Tuple[Text, Text]] = (),
    ) -> int:
        """What Apache would do with a request: 0, a program runs, and `resolve` gives its settings; else the HTTP status that it
        answers with by itself (301, 403, 404 …), which is what NotServedError stands for. Without httpd_conf always 0."""
        target, status = _target(
            uri, method, server_name, server_address, port, scheme, filename, document_root, protocol, client_address, headers
        ), c_int()
        call(c.config_status, self._handle, byref(target), byref(status))
        return status.value

    def refresh(self) -> None:
        """From now on every .htaccess and .user.ini is read again once. Seldom needed: changes are noticed anyway (a .user.ini's after
        user_ini.cache_ttl seconds), unless the file system's clock is too coarse. From any thread; never waits."""
        c.config_refresh(self._handle)

    @property
    def diagnostics(self) -> List[Diagnostic]:
        """The diagnostics, in the order of reading."""
        found: List[Diagnostic] = []

        def see(at: Any) -> None:
            found.append(Diagnostic(
                at.file.text() or None, at.line or None, Severity(at.severity), at.code.text(), at.text.text()
            ))

        visit(c.config_diagnostics, self._handle, struct=s.Diagnostic, see=see)
        return found

    def close(self) -> None:
        """Frees it now instead of when the object is collected. Settings that came from it stay valid."""
        self._finalizer()
        self._handle = 0

    def __enter__(self) -> Config:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], why: Optional[BaseException], where: Optional[TracebackType]) -> None:
        self.close()


def _target(
    uri: Optional[Text], method: Optional[Text], server_name: Optional[Text], server_address: Optional[Text], port: int,
    scheme: Optional[Text], filename: Optional[Path], document_root: Optional[Path], protocol: Optional[Text],
    client_address: Optional[Text], headers: Iterable[Tuple[Text, Text]],
) -> s.Target:
    given = list(headers)
    array = (s.Header * len(given))(*(s.Header(to_bytes(name), to_bytes(value)) for name, value in given))
    return s.Target(
        sizeof(s.Target), _optional(server_name), _optional(server_address), port, _optional(scheme), _optional(method), _optional(uri),
        None if filename is None else path_bytes(filename), None if document_root is None else path_bytes(document_root), _optional(protocol),
        _optional(client_address), array if given else None, len(given),
    )


def _set_search(
    builder: int, compiled_in: Union[None, Path, Tuple[Optional[Path], Optional[Path]]], binary_dir: Optional[Path],
    scan_dirs: Union[None, Path, Sequence[Path]],
) -> None:
    """Where php.ini and what is read behind it are looked for."""
    if compiled_in is not None:
        pair = compiled_in if isinstance(compiled_in, tuple) else (compiled_in, None)
        directory, scan = (None if path is None else path_bytes(path) for path in pair)
        call(c.config_builder_set_compiled_in, builder, directory, len(directory or b""), scan, len(scan or b""))
    if binary_dir is not None:
        path = path_bytes(binary_dir)
        call(c.config_builder_set_binary_dir, builder, path, len(path))
    if scan_dirs is not None:
        paths = paths_bytes(scan_dirs)
        if any(b":" in path for path in paths):
            raise ArgumentError(-1, "a scan directory cannot have a colon in its name: that is what separates them")
        text = b":".join(paths)
        call(c.config_builder_set_scan_dirs, builder, text, len(text))


def _optional(text: Optional[Text]) -> Optional[bytes]:
    return None if text is None else to_bytes(text)
