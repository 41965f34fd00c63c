"""A store for what is measured in this process: SQLite, or on the server that DATABASE_URL names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import django


@contextmanager
def own_store() -> Iterator[None]:
    """Django set up with the settings of the tests, over a new database; dropped afterwards."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from django.test.utils import setup_databases, teardown_databases

    from dashboard.watch import watcher

    databases = setup_databases(verbosity=0, interactive=False)
    try:
        yield
    finally:
        watcher.stop()
        teardown_databases(databases, verbosity=0)
