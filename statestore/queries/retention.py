"""What has expired, and what the sweep has done about it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from statestore.access import Principal
from statestore.models import Entry, SweepRun
from statestore.protocol import TaskScope
from statestore.queries.figures import Amount
from statestore.queries.patterns import reached
from statestore.sql import sweep

SWEEPS_MISSED = 3  # before the sweep counts as late
OVERDUE_COUNTED = 100_000  # a larger backlog is shown as this: to count a million takes seconds


def expired_count(*, at_most: int) -> int:
    """How many entries have expired and wait for the sweep."""
    now = datetime.now(UTC)
    hour = int(now.timestamp() // 3600)
    ((count,),) = sweep.count.rows(now=now, hour=hour, limit=at_most)
    return int(count)


@dataclass(frozen=True, slots=True)
class ExpiredEntry:
    """An entry that the next sweep deletes."""

    scope: TaskScope
    key: str
    expires_at: datetime


def expired_oldest(principal: Principal | None = None, *, limit: int) -> list[ExpiredEntry]:
    """The first entries that the next sweep deletes, of those that the principal may see (None: all)."""
    now = datetime.now(UTC)
    rows = Entry.objects.filter(
        Q() if principal is None else reached(principal, prefix="task_instance__"),
        expires_hour__lte=int(now.timestamp() // 3600),
        expires_at__lte=now,
    ).select_related("task_instance")
    return [
        ExpiredEntry(row.task_instance.scope, row.key, row.expires_at)
        for row in rows.order_by("expires_hour")[:limit]
        if row.expires_at
    ]


@dataclass(frozen=True, slots=True)
class Sweep:
    """One run of the sweep."""

    started_at: datetime
    seconds: float
    deleted: int
    left: Amount
    by_hand: bool


def left_over(run: SweepRun) -> Amount:
    """How many expired entries a sweep has left, as far as that was counted."""
    return Amount(run.overdue, more=run.overdue >= OVERDUE_COUNTED)


def last_sweeps(limit: int) -> list[Sweep]:
    """The newest runs of the sweep, newest first."""
    rows = SweepRun.objects.order_by("-started_at")[:limit]
    return [
        Sweep(row.started_at, row.seconds, row.deleted, left_over(row), row.by_hand) for row in rows
    ]


def last_sweep_of_beat() -> SweepRun | None:
    """The newest run of the sweep that nobody asked for: those by hand tell nothing of the next one."""
    return SweepRun.objects.filter(by_hand=False).order_by("-started_at").first()


def late_at(last: SweepRun) -> datetime:
    """From when on the sweep after this one is late."""
    every = timedelta(seconds=settings.STATESTORE_SWEEP_SECONDS)
    return last.started_at + SWEEPS_MISSED * every


def readiness() -> dict[str, Any]:
    """That the database can be used, and when beat last swept.

    Raises:
        DatabaseError: it cannot, or its tables are not there.
    """
    last = last_sweep_of_beat()
    if last is None:
        return {"status": "ready", "sweep": "never", "last_sweep_seconds_ago": None}
    now = datetime.now(UTC)
    seconds = (now - last.started_at).total_seconds()
    sweep_is = "late" if now > late_at(last) else "ok"
    return {"status": "ready", "sweep": sweep_is, "last_sweep_seconds_ago": round(seconds)}
