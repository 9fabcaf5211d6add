"""Lines of a container, for hosts that read their own configuration."""

from __future__ import annotations

import weakref
from typing import Optional

from ._library import c
from ._text import Path, name_and_value, path_bytes
from .enums import Kind
from .errors import call

__all__ = ["DirConfig"]


class DirConfig:
    """The php_value, php_flag, php_admin_value and php_admin_flag lines of one container (a directory section, a location, a virtual host,
    a .htaccess), or of several merged: for hosts that read their own configuration. One thread at a time."""

    __slots__ = ("_handle", "_finalizer", "__weakref__")

    def __init__(self) -> None:
        """An empty one."""
        self._own(c.dir_config_new())

    def _own(self, handle: Optional[int]) -> None:
        if not handle:
            raise MemoryError("outlive")
        self._handle = handle
        self._finalizer = weakref.finalize(self, c.dir_config_free, handle)
        self._finalizer.atexit = False

    def set(
        self, name: str, value: str, *, kind: Kind = Kind.VALUE, file: Optional[Path] = None, line: int = 0, from_htaccess: bool = False
    ) -> None:
        """Adds a line; the last one for a name wins, whatever its kind. file, line: where it stands, for `explain`. AccessError: an
        admin line in a .htaccess (httpd answers 500). ArgumentError: an empty name or value."""
        where = None if file is None else path_bytes(file)
        call(c.dir_config_set, self._handle, int(kind), *name_and_value(name, value), where, line, int(from_htaccess))

    def merge(self, inner: DirConfig) -> DirConfig:
        """A new one: this, with an inner container's lines on top. The inner value wins, unless the outer one is an admin line and the
        inner is not."""
        merged = DirConfig.__new__(DirConfig)
        merged._own(c.dir_config_merge(self._handle, inner._handle))
        return merged
