"""settings.OUTLIVE, as the middleware's keywords."""

from __future__ import annotations

import difflib
from typing import Any, Dict, List

from .._middleware import AsgiOptions, Options
from ..errors import ArgumentError

SETTING = "OUTLIVE"
# What the WSGI middleware takes of it.
WSGI = ("config", *Options.__annotations__)


def keywords() -> List[str]:
    """What may stand in settings.OUTLIVE."""
    return ["config", *AsgiOptions.__annotations__]


def unknown(given: Dict[str, Any]) -> List[str]:
    """What is wrong with the keywords of settings.OUTLIVE."""
    known, wrong = keywords(), []
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            wrong.append(f"{SETTING} has no {name!r}: " + (f"did you mean {near[0]!r}?" if near else "it has " + ", ".join(known)))
    return wrong


def options(is_async: bool = False) -> Dict[str, Any]:
    """settings.OUTLIVE for one kind of middleware. ArgumentError: it is wrong."""
    from django.conf import settings

    given = getattr(settings, SETTING, {})
    if not isinstance(given, dict):
        raise ArgumentError(-1, f"settings.{SETTING} has to be a dictionary, not {given!r}")
    for wrong in unknown(given):
        raise ArgumentError(-1, "settings." + wrong)
    return {name: value for name, value in given.items() if is_async or name in WSGI}
