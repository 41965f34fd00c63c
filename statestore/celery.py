"""The Celery app: the worker that sweeps, and beat that tells it when."""

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import import_modules
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from statestore.broker import use_whole_files

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "statestore.settings")
# Celery would run all checks, for which every page is loaded, and forget what they find.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

use_whole_files()
app = Celery("statestore")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["statestore"])


@import_modules.connect(sender=app, weak=False)  # type: ignore[untyped-decorator]  # Celery has no types
def refuse_wrong_variables(**_: Any) -> None:
    """As a web server does.

    Raises:
        ImproperlyConfigured: an environment variable cannot be used.
    """
    if settings.STATESTORE_PROBLEMS:
        raise ImproperlyConfigured("\n".join(one.message for one in settings.STATESTORE_PROBLEMS))


# The embedded broker keeps messages in folders, and expects them to be there.
for _folder in getattr(settings, "CELERY_BROKER_TRANSPORT_OPTIONS", {}).values():
    Path(_folder).mkdir(parents=True, exist_ok=True)
