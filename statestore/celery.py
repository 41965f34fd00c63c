"""The Celery app: the worker that sweeps, and beat that tells it when."""

import os
from pathlib import Path

from celery import Celery
from django.conf import settings

from statestore.broker import use_whole_files

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "statestore.settings")

use_whole_files()
app = Celery("statestore")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["statestore"])

# The embedded broker keeps messages in folders, and expects them to be there.
for _folder in getattr(settings, "CELERY_BROKER_TRANSPORT_OPTIONS", {}).values():
    Path(_folder).mkdir(parents=True, exist_ok=True)
