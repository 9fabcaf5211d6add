"""The application for INSTALLED_APPS: it brings the system checks."""

from django.apps import AppConfig
from django.core.checks import register

from .checks import check_settings


class OutliveConfig(AppConfig):  # type: ignore[misc]
    """outlive"""

    name = "outlive.django"
    label = "outlive"

    def ready(self) -> None:
        register(check_settings)
