"""SQL statements with :names, as each driver wants them."""

from __future__ import annotations

import re
import sys
from typing import Any, Dict, List, Mapping, Sequence, Tuple, Union

from .errors import ArgumentError

Values = Union[Sequence[Any], Dict[str, Any]]

# What a colon inside of is no parameter: text, quoted names, comments, PostgreSQL's casts and dollar quotes.
_PARTS = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|::|(?<![\w:]):([a-z_]+)|%""", re.S
)


class Statement:
    """One statement, and the names that it takes."""

    def __init__(self, text: str, known: Sequence[str], where: str) -> None:
        """known: the names that there are. ArgumentError: another one."""
        self.text = text
        self.names = tuple(dict.fromkeys(match[2] for match in _PARTS.finditer(text) if match[2]))
        for name in self.names:
            if name not in known:
                raise ArgumentError(-1, f"{where}: there is no :{name}; there are " + ", ".join(":" + each for each in known))
        self._made: Dict[str, Tuple[str, List[str]]] = {}

    def for_driver(self, style: str, given: Mapping[str, Any]) -> Tuple[str, Values]:
        """style: as PEP 249's paramstyle, or "dollar". The text, and the values in the shape that belongs to it."""
        made = self._made.get(style)
        if made is None:
            made = self._made[style] = self._make(style)
        text, order = made
        if style in ("named", "pyformat"):
            return text, {name: given[name] for name in self.names}
        return text, [given[name] for name in order]

    def _make(self, style: str) -> Tuple[str, List[str]]:
        order: List[str] = []

        def one(match: re.Match[str]) -> str:
            name = match[2]
            if not name:
                return match[0].replace("%", "%%") if style in ("pyformat", "format") else match[0]
            if style in ("dollar", "numeric"):  # the same number each time
                if name not in order:
                    order.append(name)
                return ("$%d" if style == "dollar" else ":%d") % (order.index(name) + 1)
            order.append(name)
            return {"named": ":" + name, "pyformat": "%(" + name + ")s", "format": "%s"}.get(style, "?")

        return _PARTS.sub(one, self.text), order


def style_of(connection: Any) -> str:
    """How the driver of this connection wants values: its module's `paramstyle`; asyncpg has none, and wants $1."""
    parts = type(connection).__module__.split(".")
    for end in range(len(parts), 0, -1):
        style = getattr(sys.modules.get(".".join(parts[:end])), "paramstyle", None)
        if isinstance(style, str):
            return style
    return "dollar" if hasattr(connection, "fetchrow") else "qmark"


def is_duplicate(why: BaseException) -> bool:
    """Whether a unique key refused a statement."""
    if getattr(why, "sqlstate", None) == "23505":
        return True
    return getattr(why, "sqlstate", None) is None and any(kind.__name__ == "IntegrityError" for kind in type(why).__mro__)
