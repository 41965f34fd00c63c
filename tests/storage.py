"""Short words for what tests of storage do again and again."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from statestore.access import Grant, Principal, Right
from statestore.models import Entry
from statestore.protocol import TaskScope
from statestore.queries import FindingFilter, finding_page
from statestore.services import ALWAYS, Expiry, Precondition, Writer, entry_set, secret_dismiss

ME = Writer("tests")


def put(
    scope: TaskScope,
    key: str,
    text: str,
    *,
    writer: Writer = ME,
    expiry: Expiry = None,
    precondition: Precondition = ALWAYS,
) -> int:
    """Write JSON text; the entry's version."""
    version = entry_set(
        scope=scope,
        key=key,
        value=text,
        decoded=json.loads(text),
        writer=writer,
        expiry=expiry,
        precondition=precondition,
    )
    assert version is not None
    return version


def dismiss(scope: TaskScope, key: str, *, writer: Writer = ME) -> None:
    """Say that what is listed now under a key is no secret."""
    everywhere = Principal("tests", (Grant(frozenset(Right)),))
    page = finding_page(where=FindingFilter(key=key), principal=everywhere)
    (found,) = [one for one in page.findings if (one.scope, one.key) == (scope, key)]
    secret_dismiss(scope=scope, key=key, version=found.version, seen=found.seen, writer=writer)


def row_of(scope: TaskScope, key: str) -> Any:
    """The entry's row, whether it has expired or not."""
    return Entry.objects.filter(task_instance__scope_digest=scope.digest, key=key)


def expire(scope: TaskScope, key: str, *, ago: timedelta = timedelta(seconds=1)) -> None:
    """Let an entry's time be over."""
    end = datetime.now(UTC) - ago
    changed = row_of(scope, key).update(expires_at=end, expires_hour=int(end.timestamp() // 3600))
    assert changed == 1
