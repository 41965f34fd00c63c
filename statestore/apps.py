"""The Django app, and the system checks of its settings."""

from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db.models.signals import post_migrate


class StatestoreConfig(AppConfig):
    """Scoped task state in a database, behind REST."""

    name = "statestore"
    verbose_name = "State store"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks that `manage.py check` and every start run."""
        checks.register(check_environment)
        versions = import_module("statestore.sql.versions")
        post_migrate.connect(versions.install_triggers, sender=self)
        import_module("statestore.services.logins")  # listens for log-ins; needs the models


def check_environment(**_: Any) -> list[checks.CheckMessage]:
    """Every environment variable that cannot be used, with what to set instead."""
    return [
        checks.Error(problem.message, id=problem.id) for problem in settings.STATESTORE_PROBLEMS
    ]
