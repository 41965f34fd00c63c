"""Deleting what has expired, by retention."""

import logging
import time
from datetime import UTC, datetime, timedelta

from statestore.models import SweepRun
from statestore.queries import expired_count
from statestore.services.entries import forget_progress
from statestore.sql.sweep import delete_batch

logger = logging.getLogger(__name__)

SWEEP_BATCH = 1000
OVERDUE_COUNTED = 1_000_000  # a larger backlog is shown as this


def sweep_expired(*, seconds: float = 50.0, batch: int = SWEEP_BATCH) -> SweepRun:
    """Delete expired entries in small transactions, until none is left or the time is up.

    An entry that is renewed meanwhile is not deleted: every delete checks the expiry again.
    """
    started_at, clock = datetime.now(UTC), time.monotonic()
    deleted, full = 0, True
    while full and time.monotonic() - clock < seconds:
        now = datetime.now(UTC)
        rows = delete_batch.rows(now=now, hour=int(now.timestamp() // 3600), limit=batch)
        forget_progress(rows)
        deleted, full = deleted + len(rows), len(rows) == batch
    run = SweepRun.objects.create(
        started_at=started_at,
        seconds=time.monotonic() - clock,
        deleted=deleted,
        overdue=expired_count(at_most=OVERDUE_COUNTED) if full else 0,
    )
    SweepRun.objects.filter(started_at__lt=started_at - timedelta(days=7)).delete()
    if deleted:
        logger.info("the sweep deleted %s expired entries in %.2f s", deleted, run.seconds)
    return run
