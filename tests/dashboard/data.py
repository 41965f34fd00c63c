"""Task instances and keys for tests of pages."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from statestore import services
from statestore.models import Entry, TaskInstance
from statestore.protocol import Scope, TaskScope
from statestore.services import Expiry, Writer

SCOPE = TaskScope("sales", "run-1", "ingest")
EVIL = '"><script>alert(1)</script>'


def put(
    key: str,
    value: Any,
    scope: Scope = SCOPE,
    expiry: Expiry = None,
    attempt: int | None = None,
) -> None:
    """Write a key as a worker does."""
    services.entry_set(
        scope=scope,
        key=key,
        value=json.dumps(value),
        decoded=value,
        writer=Writer("token worker", attempt),
        expiry=expiry,
    )


def id_of(scope: TaskScope = SCOPE) -> int:
    """The number in the URL of a task instance's page."""
    return TaskInstance.objects.get(scope_digest=scope.digest).pk


def silence(scope: TaskScope, minutes: int) -> None:
    """Let the last write of a task instance be so long ago."""
    then = datetime.now(UTC) - timedelta(minutes=minutes)
    Entry.objects.filter(task_instance=id_of(scope)).update(updated_at=then)
    TaskInstance.objects.filter(pk=id_of(scope)).update(active_at=then)
