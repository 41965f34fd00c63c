"""The Django app, and the system checks of its settings."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db import connection
from django.db.models.signals import post_migrate

from statestore.protocol import LOCK_SECONDS


class StatestoreConfig(AppConfig):
    """Scoped task state in a database, behind REST."""

    name = "statestore"
    verbose_name = "State store"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks that `manage.py check` and every start run."""
        checks.register(check_environment)
        checks.register(check_pooler, checks.Tags.database)
        versions = import_module("statestore.sql.versions")
        post_migrate.connect(versions.install_triggers, sender=self)
        import_module("statestore.services.logins")  # listens for log-ins; needs the models


def check_environment(**_: Any) -> list[checks.CheckMessage]:
    """Every environment variable that cannot be used, with what to set instead."""
    return [
        checks.Error(problem.message, id=problem.id) for problem in settings.STATESTORE_PROBLEMS
    ]


def check_pooler(*, databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """A pooler passes no options on: what the server sets for its connections, the database must."""
    if not (databases and settings.STATESTORE_PGBOUNCER and connection.vendor == "postgresql"):
        return []
    if import_module("statestore.sql.store").lock_timeout() != "0":
        return []
    return [
        checks.Warning(
            "The database lets a write wait for a lock for ever, behind STATESTORE_PGBOUNCER: it could be"
            " carried out after its sender has given it up. Set"
            f" ALTER ROLE statestore SET lock_timeout = '{LOCK_SECONDS}s', with the name of your role.",
            id="statestore.W001",
        )
    ]
