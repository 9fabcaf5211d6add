"""Django: the policy in settings.OUTLIVE, a class for MIDDLEWARE, system checks.

    INSTALLED_APPS = [..., "outlive.django"]                       # manage.py check looks at OUTLIVE
    MIDDLEWARE = ["outlive.django.OutliveMiddleware", ...]
    OUTLIVE = {"disconnect": "auto", "time_limit": 30}
"""

from __future__ import annotations

from typing import Any

from .middleware import OutliveMiddleware
from .options import options

__all__ = ["OutliveMiddleware", "get_asgi_application", "get_wsgi_application"]


def get_wsgi_application() -> Any:
    """For wsgi.py, in place of Django's: the whole of Django under settings.OUTLIVE. The class in MIDDLEWARE is not needed then."""
    from django.core.wsgi import get_wsgi_application as get

    from ..wsgi import OutliveMiddleware as Guard

    application = get()
    return Guard(application, **options())


def get_asgi_application() -> Any:
    """For asgi.py, in place of Django's: the whole of Django under settings.OUTLIVE, and what is detached is waited for at the end."""
    from django.core.asgi import get_asgi_application as get

    from ..asgi import OutliveMiddleware as Guard

    application = get()
    return Guard(application, **options(is_async=True))
