"""The enumerations of outlive: the numbers are those of outlive.h."""

from __future__ import annotations

from enum import IntEnum, IntFlag

__all__ = ["Access", "Connection", "Ending", "Fate", "IniKind", "IniMode", "Kind", "Rendered", "Severity", "Stage", "StopKind"]


class Rendered(IntEnum):
    """The formats of an engine's or a scoreboard's state as text."""

    METRICS = 0
    JSON = 1
    PAGE = 2
    TABLE = 3


class Ending(IntEnum):
    """Why a request ends. The first cause wins."""

    NONE = 0
    COMPLETED = 1
    FINISHED = 2
    ABORTED = 3
    TIME_LIMIT = 4
    FORCED = 5
    SHUTDOWN = 6
    HOST_ERROR = 7
    CANCELLED = 8
    HANDED_BACK = 9

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class StopKind(IntEnum):
    """The kinds of a stop queue's entries: a stop is due, the forced stage has come, or the engine has drained."""

    DUE = 0
    FORCED = 1
    DRAINED = 2


class Connection(IntFlag):
    """PHP's connection_status(): bits."""

    NORMAL = 0
    ABORTED = 1
    TIMEOUT = 2


class Stage(IntEnum):
    """The stage that a request is in."""

    INPUT = 0
    RUNNING = 1
    SHUTDOWN = 2
    FINAL_FLUSH = 3


class Access(IntFlag):
    """Who may change a directive: a running program (USER), files such as .htaccess (PERDIR), admin layers (SYSTEM)."""

    NONE = 0
    USER = 1
    PERDIR = 2
    SYSTEM = 4
    ALL = 7


class Fate(IntEnum):
    """Whether a layer's value is in force."""

    IN_FORCE = 0
    OVERRIDDEN = 1
    REFUSED = 2


class Severity(IntEnum):
    """How grave a diagnostic is."""

    NOTE = 0
    WARNING = 1
    ERROR = 2


class IniMode(IntEnum):
    """How the values of an ini text are read."""

    NORMAL = 0
    RAW = 1
    TYPED = 2


class IniKind(IntEnum):
    """What a statement of an ini text is; BARE: a key without "=", which PHP ignores."""

    SECTION = 0
    ENTRY = 1
    ARRAY_ENTRY = 2
    BARE = 3


class Kind(IntEnum):
    """A line of a container: php_value, php_flag, php_admin_value, php_admin_flag."""

    VALUE = 0
    FLAG = 1
    ADMIN_VALUE = 2
    ADMIN_FLAG = 3
