"""Going back to an old value, and forgetting what is too old."""

from datetime import UTC, datetime, timedelta

from django.db import transaction

from statestore.errors import NotFoundError
from statestore.jsontext import decode
from statestore.models import Entry, EntryVersion
from statestore.protocol import TaskScope
from statestore.services.audit import Action, audit_record
from statestore.services.entries import Writer, entry_patch
from statestore.sql.samples import delete_batch
from statestore.sql.versions import forget_gone

SAMPLES_KEPT = timedelta(days=1)
SWEEP_BATCH = 5000


@transaction.atomic
def entry_restore(*, scope: TaskScope, key: str, version: int, writer: Writer) -> int:
    """Write an old value of a key again, and keep the expiry; the new version. It is in the audit.

    Raises:
        NotFoundError: the key is gone, or so many changes came since that the version is.
    """
    row = next(iter(Entry.objects.filter(task_instance__scope_digest=scope.digest, key=key)), None)
    found = row and EntryVersion.objects.filter(
        entry_id=row.pk, version=version, at__gte=row.created_at
    )
    old = found and found.first()
    if not old:
        raise NotFoundError(f"Version {version} of {key!r} is not kept any longer.")
    new = entry_patch(
        scope=scope, key=key, value=old.value, decoded=decode(old.value), writer=writer
    )
    audit_record(
        action=Action.RESTORED,
        who=writer.name,
        scope=scope,
        key=key,
        detail=f"version {version}, as version {new}",
        reason=writer.reason,
    )
    return new


def sweep_samples() -> int:
    """Delete, in small transactions, samples that are older than a day; how many."""
    end, deleted, full = datetime.now(UTC) - SAMPLES_KEPT, 0, True
    while full:
        count = delete_batch.count(end=end, limit=SWEEP_BATCH)
        deleted, full = deleted + count, count == SWEEP_BATCH
    return deleted


def sweep_versions() -> int:
    """Delete versions of entries that are gone, which their deletion missed; how many."""
    return sum(statement.count() for statement in forget_gone)
