"""What `manage.py check` says of settings.OUTLIVE."""

from __future__ import annotations

from typing import Any, List

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from ..errors import Error as OutliveError
from .options import SETTING, options, unknown

CLASS = "outlive.django.OutliveMiddleware"


def check_settings(app_configs: Any = None, **kwargs: Any) -> List[CheckMessage]:
    """E001: no such word. E002: a value that is refused. W001: OUTLIVE without the class in MIDDLEWARE. W002: it is not the first."""
    given = getattr(settings, SETTING, {})
    found: List[CheckMessage] = []
    if isinstance(given, dict) and unknown(given):
        found += [Error(text, id="outlive.E001") for text in unknown(given)]
    else:
        found += _refused()
    middleware = list(settings.MIDDLEWARE)
    if CLASS not in middleware:
        hint = f"Put {CLASS!r} first into MIDDLEWARE, or use outlive.django.get_wsgi_application or get_asgi_application."
        if hasattr(settings, SETTING):
            found.append(Warning(f"{SETTING} is set, but {CLASS} is not in MIDDLEWARE", hint=hint, id="outlive.W001"))
    elif middleware[0] != CLASS:
        hint = f"Move it above {middleware[0]!r}: what stands above it does not run under its protection."
        found.append(Warning(f"{CLASS} is not the first in MIDDLEWARE", hint=hint, id="outlive.W002"))
    return found


def _refused() -> List[CheckMessage]:
    from ..asgi import OutliveMiddleware

    try:
        OutliveMiddleware(_nothing, **options(is_async=True))
    except (OutliveError, TypeError, ValueError) as why:
        return [Error(f"{SETTING}: {why}", id="outlive.E002")]
    return []


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """Stands where the application would."""
