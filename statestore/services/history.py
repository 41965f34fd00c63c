"""Values that people change, go back to or keep for longer; and forgetting what is too old."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, Subquery

from statestore.errors import NotFoundError
from statestore.jsontext import decode
from statestore.models import AssetEntry, AssetEntryVersion, Entry, EntryVersion, TaskInstance
from statestore.protocol import AssetScope, NeverExpire, Scope, TaskScope
from statestore.services.audit import Action, audit_record
from statestore.services.entries import Precondition, Writer, entry_patch
from statestore.services.holding import hold
from statestore.sql.samples import delete_batch
from statestore.sql.versions import of_gone

SAMPLES_KEPT = timedelta(days=1)
SWEEP_BATCH = 5000


@transaction.atomic
def entry_restore(*, scope: Scope, key: str, version: int, writer: Writer) -> int:
    """Write an old value of a key again, and keep the expiry; the new version. It is in the audit.

    Raises:
        NotFoundError: the key is gone, or so many changes came since that the version is.
    """
    hold(scope, writer.attempt)
    old = _old_value(scope, key, version)
    if old is None:
        raise NotFoundError(f"Version {version} of {key!r} is not kept any longer.")
    new = entry_patch(scope=scope, key=key, value=old, decoded=decode(old), writer=writer)
    audit_record(
        action=Action.RESTORED,
        who=writer.name,
        scope=scope,
        key=key,
        detail=f"version {version}, as version {new}",
        reason=writer.reason,
    )
    return new


@transaction.atomic
def entry_edit(
    *, scope: Scope, key: str, value: str, decoded: Any, version: int, writer: Writer
) -> int:
    """Change the value of a key by hand, as PATCH does, in the version that the person has seen; the
    new version. It is in the audit, without the value.

    Raises:
        NotFoundError: the key is gone.
        PreconditionFailedError: it was written meanwhile.
        InvalidInput: the value looks like a secret, and STATESTORE_REFUSE_SECRETS is set.
    """
    hold(scope, writer.attempt)
    new = entry_patch(
        scope=scope, key=key, value=value, decoded=decoded, writer=writer,
        precondition=Precondition(version=version),
    )  # fmt: skip
    audit_record(
        action=Action.EDITED,
        who=writer.name,
        scope=scope,
        key=key,
        detail=f"from version {version} to {new}",
        reason=writer.reason,
    )
    return new


def _old_value(scope: Scope, key: str, version: int) -> str | None:
    rows: Any = Entry.objects.filter(task_instance__in=_row_of(scope), key=key)
    kept: Any = EntryVersion
    if isinstance(scope, AssetScope):
        rows, kept = AssetEntry.objects.filter(asset=scope.asset_id, key=key), AssetEntryVersion
    row = next(iter(rows), None)
    if row is None:
        return None
    found = kept.objects.filter(entry_id=row.pk, version=version, at__gte=row.created_at)
    return next(iter(found.values_list("value", flat=True)), None)


def _row_of(scope: Scope) -> Any:
    digest = scope.digest if isinstance(scope, TaskScope) else b""
    return TaskInstance.objects.filter(scope_digest=digest).values("pk")


@transaction.atomic
def entry_extend(
    *, scope: TaskScope, key: str, retention: timedelta | NeverExpire, writer: Writer
) -> datetime | None:
    """Keep a key for so long from now, if it would go before; when it goes now (None: never). It is in
    the audit. The value and its version stay; the next write sets the expiry anew, as ever.

    Raises:
        NotFoundError: the key is gone.
    """
    now = datetime.now(UTC)
    until = None if isinstance(retention, NeverExpire) else now + retention
    # By the row's own columns: what another writer renews meanwhile is judged anew.
    owner = Subquery(_row_of(scope))
    rows = Entry.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), key=key)
    rows = rows.filter(task_instance_id=owner)
    sooner = rows.exclude(expires_at=None) if until is None else rows.filter(expires_at__lt=until)
    hour = None if until is None else int(until.timestamp() // 3600)
    if sooner.update(expires_at=until, expires_hour=hour):
        kept = "for ever" if until is None else f"until {until:%Y-%m-%d %H:%M}"
        audit_record(
            action=Action.EXTENDED,
            who=writer.name,
            scope=scope,
            key=key,
            detail=f"kept {kept}",
            reason=writer.reason,
        )
    for expires_at in rows.values_list("expires_at", flat=True):
        return expires_at
    raise NotFoundError(f"There is no key {key!r} in {scope}.")


def sweep_samples() -> int:
    """Delete, in small transactions, samples that are older than a day; how many."""
    end, deleted, full = datetime.now(UTC) - SAMPLES_KEPT, 0, True
    while full:
        count = delete_batch.count(end=end, limit=SWEEP_BATCH)
        deleted, full = deleted + count, count == SWEEP_BATCH
    return deleted


def sweep_versions(
    table: int = 0, after: int = 0, *, seconds: float = 20.0
) -> tuple[int, tuple[int, int] | None]:
    """Delete, in small transactions, versions of entries that are gone, which their deletion missed.

    It begins in one of the tables, after the entry of a number. How many, and if the time was up before the
    end, where to begin next.
    """
    deleted, end = 0, time.monotonic() + seconds
    while table < len(of_gone):
        last = of_gone[table].last.rows(after=after, limit=SWEEP_BATCH)[0][0]
        if last is None:
            table, after = table + 1, 0
            continue
        deleted += of_gone[table].forget.count(after=after, last=last)
        after = last
        if time.monotonic() >= end:
            return deleted, (table, after)
    return deleted, None
