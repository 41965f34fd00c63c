"""Deleting what has expired, by retention."""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from statestore.models import SweepRun
from statestore.origin import SERVER, origin
from statestore.queries import OVERDUE_COUNTED, expired_count
from statestore.services.audit import Action, audit_record
from statestore.services.summaries import forget_progress
from statestore.sql import sweep as sql

logger = logging.getLogger(__name__)

SWEEP_BATCH = 2000
PROGRESS_BATCH = 500  # at most: the sweep holds their task instances
BATCHES_AT_ONCE = 20
"""Of progress that has expired, so much is looked up at once: the index begins with all that was deleted
just before, and to go past that for each batch took most of the time of a large backlog."""

FIRST_HOUR = -(2**31)


def sweep_expired(*, seconds: float = 50.0, batch: int = SWEEP_BATCH) -> SweepRun:
    """Delete expired entries in small transactions, until none is left or the time is up.

    An entry that is renewed meanwhile is not deleted: every delete checks the expiry again. What
    somebody holds is left for the next run. A sweep by hand is in the audit.
    """
    started_at, clock, by_hand = datetime.now(UTC), time.monotonic(), origin() is not SERVER
    deleted, kinds = 0, [_sweep_progress(min(batch, PROGRESS_BATCH)), _sweep_others(batch)]
    while kinds and time.monotonic() - clock < seconds:
        count = next(kinds[0], None)
        if count is None:
            del kinds[0]
        else:
            deleted += count
            kinds.append(kinds.pop(0))  # each in turn, so that none waits for the other's backlog
    run = SweepRun.objects.create(
        started_at=started_at,
        seconds=time.monotonic() - clock,
        deleted=deleted,
        overdue=expired_count(at_most=OVERDUE_COUNTED),
        by_hand=by_hand,
    )
    old = SweepRun.objects.filter(started_at__lt=started_at - timedelta(days=7))
    if by_hand:
        old = old.filter(by_hand=True)  # beat's last one tells since when it has been away
    old.delete()
    if by_hand:
        audit_record(action=Action.SWEPT, detail=f"{deleted} expired entries")
    if deleted:
        logger.info("the sweep deleted %s expired entries in %.2f s", deleted, run.seconds)
    return run


def _sweep_progress(batch: int) -> Iterator[int]:
    """Delete progress, with the status of its task instance: how many for each batch."""
    while found := sql.expired_progress.rows(limit=BATCHES_AT_ONCE * batch, **_now()):
        gone = 0
        for start in range(0, len(found), batch):
            count = _delete_progress(found[start : start + batch])
            gone += count
            yield count
        if not gone:
            return


@transaction.atomic
def _delete_progress(found: list[tuple[int, int]]) -> int:
    """Delete those of them that are still expired; how many.

    Who writes progress and status holds the task instance first; the sweep waits for nobody, and leaves
    what is held for its next run.
    """
    held = {row for (row,) in sql.hold_free.rows(rows={"id": [owner for _, owner in found]})}
    free = [entry for entry, owner in found if owner in held]
    deleted = sql.delete_progress.rows(rows={"id": free}, now=datetime.now(UTC))
    forget_progress(deleted)
    return len(deleted)


def _sweep_others(batch: int) -> Iterator[int]:
    """Delete what is no progress: how many for each batch, which is a statement of its own."""
    since = FIRST_HOUR
    while True:
        rows = sql.delete.rows(since=since, limit=batch, **_now())
        count = sum(row[0] for row in rows)
        if not count:
            return
        since = max(row[1] for row in rows)
        yield count


def _now() -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"now": now, "hour": int(now.timestamp() // 3600)}
