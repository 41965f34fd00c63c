"""Deleting what has expired, by retention."""

import logging
import time
from datetime import UTC, datetime, timedelta

from django.db import transaction

from statestore.models import SweepRun
from statestore.origin import SERVER, origin
from statestore.protocol import PROGRESS_KEY
from statestore.queries import expired_count
from statestore.services.audit import Action, audit_record
from statestore.services.summaries import forget_progress
from statestore.sql import sweep as sql

logger = logging.getLogger(__name__)

SWEEP_BATCH = 1000
OVERDUE_COUNTED = 1_000_000  # a larger backlog is shown as this


def sweep_expired(*, seconds: float = 50.0, batch: int = SWEEP_BATCH) -> SweepRun:
    """Delete expired entries in small transactions, until none is left or the time is up.

    An entry that is renewed meanwhile is not deleted: every delete checks the expiry again. What
    somebody holds is left for the next run. A sweep by hand is in the audit.
    """
    started_at, clock = datetime.now(UTC), time.monotonic()
    deleted, all_gone = 0, False
    while time.monotonic() - clock < seconds:
        found, gone = _sweep_batch(batch)
        deleted, all_gone = deleted + gone, gone == found < batch
        if all_gone or not gone:
            break
    run = SweepRun.objects.create(
        started_at=started_at,
        seconds=time.monotonic() - clock,
        deleted=deleted,
        overdue=0 if all_gone else expired_count(at_most=OVERDUE_COUNTED),
    )
    SweepRun.objects.filter(started_at__lt=started_at - timedelta(days=7)).delete()
    if origin() is not SERVER:
        audit_record(action=Action.SWEPT, detail=f"{deleted} expired entries")
    if deleted:
        logger.info("the sweep deleted %s expired entries in %.2f s", deleted, run.seconds)
    return run


@transaction.atomic
def _sweep_batch(limit: int) -> tuple[int, int]:
    """Delete one batch; how many had expired, and how many of them are gone.

    A task instance that loses its progress loses its status with it. Who writes both holds the task
    instance first; the sweep waits for nobody, and leaves what is held for its next run.
    """
    now = datetime.now(UTC)
    found = sql.expired.rows(now=now, hour=int(now.timestamp() // 3600), limit=limit)
    reporting = {owner for _, owner, key in found if key == PROGRESS_KEY}
    held = {row[0] for row in sql.hold_free.rows(rows=[{"id": owner} for owner in reporting])}
    free = [row for row, owner, key in found if key != PROGRESS_KEY or owner in held]
    deleted = sql.delete.rows(rows=[{"id": row} for row in free], now=now)
    forget_progress(deleted)
    return len(found), len(deleted)
