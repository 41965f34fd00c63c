"""Deleting what has expired, by retention."""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from statestore.models import SweepRun
from statestore.origin import SERVER, origin
from statestore.protocol import PROGRESS_KEY
from statestore.queries import expired_count
from statestore.services.audit import Action, audit_record
from statestore.services.summaries import forget_progress
from statestore.sql import sweep as sql

logger = logging.getLogger(__name__)

SWEEP_BATCH = 2000
BATCHES_AT_ONCE = 20
"""Of what has expired, so much is looked up at once: the index begins with all that was deleted just
before, and to go past that for each batch took most of the time of a large backlog."""

OVERDUE_COUNTED = 1_000_000  # a larger backlog is shown as this

Expired = tuple[Any, ...]
"""An entry: its id, its task instance's, and its key."""


def sweep_expired(*, seconds: float = 50.0, batch: int = SWEEP_BATCH) -> SweepRun:
    """Delete expired entries in small transactions, until none is left or the time is up.

    An entry that is renewed meanwhile is not deleted: every delete checks the expiry again. What
    somebody holds is left for the next run. A sweep by hand is in the audit.
    """
    started_at, clock = datetime.now(UTC), time.monotonic()
    deleted, more = 0, True
    while more and time.monotonic() - clock < seconds:
        found, gone = _expired(BATCHES_AT_ONCE * batch), 0
        for start in range(0, len(found), batch):
            if not start or time.monotonic() - clock < seconds:  # one in any case, or it never ends
                gone += _sweep_batch(found[start : start + batch])
        deleted += gone
        more = gone > 0 and len(found) == BATCHES_AT_ONCE * batch
    run = SweepRun.objects.create(
        started_at=started_at,
        seconds=time.monotonic() - clock,
        deleted=deleted,
        overdue=expired_count(at_most=OVERDUE_COUNTED),
    )
    SweepRun.objects.filter(started_at__lt=started_at - timedelta(days=7)).delete()
    if origin() is not SERVER:
        audit_record(action=Action.SWEPT, detail=f"{deleted} expired entries")
    if deleted:
        logger.info("the sweep deleted %s expired entries in %.2f s", deleted, run.seconds)
    return run


def _expired(limit: int) -> list[Expired]:
    now = datetime.now(UTC)
    return sql.expired.rows(now=now, hour=int(now.timestamp() // 3600), limit=limit)


@transaction.atomic
def _sweep_batch(found: Sequence[Expired]) -> int:
    """Delete those of them that are still expired; how many.

    A task instance that loses its progress loses its status with it. Who writes both holds the task
    instance first; the sweep waits for nobody, and leaves what is held for its next run.
    """
    reporting = [owner for _, owner, key in found if key == PROGRESS_KEY]
    held = {row[0] for row in sql.hold_free.rows(rows={"id": reporting})} if reporting else set()
    free = [row for row, owner, key in found if key != PROGRESS_KEY or owner in held]
    deleted = sql.delete.rows(rows={"id": free}, now=datetime.now(UTC))
    forget_progress(deleted)
    return len(deleted)
