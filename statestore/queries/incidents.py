"""What has happened that webhooks are told of, and are not told of yet.

A task instance has failed or stalled when its row and its entries say so: nothing is kept for it when
they are written. Only where the next attempt starts over a failure, that is kept (`FailedAttempt`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from statestore.models import Asset, SecretFinding, TaskInstance
from statestore.models import Entry as EntryRow
from statestore.protocol import PROGRESS_KEY, Status, TaskScope
from statestore.queries.retention import last_sweep_of_beat, late_at
from statestore.queries.states import ACTIVE_AT_LAG, TaskState, in_state
from statestore.queries.tasks import unexpired
from statestore.webhook_models import FailedAttempt, Incident
from statestore.webhooks.events import Event

FOUND_AT_ONCE: Final = 500  # of each event
NEVER_SILENT: Final = datetime(1970, 1, 1, tzinfo=UTC)
NO_ATTEMPT: Final = -1


@dataclass(frozen=True, slots=True)
class Mark:
    """What makes an incident this one: it is told once."""

    subject: int
    attempt: int = NO_ATTEMPT
    silent_since: datetime = NEVER_SILENT


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that webhooks are told of: ids and times, never a value."""

    event: Event
    at: datetime
    marks: list[Mark]
    page: str
    """The page that shows it, as a name of Django's URLs."""
    page_of: int | None = None
    """The task instance of the page."""
    scope: TaskScope | None = None
    asset: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def happenings(events: set[str], since: datetime, now: datetime) -> list[Happening]:
    """What has happened since, of these events, and is no incident yet; some of it where it is much."""
    return [found for event in _FINDERS if event in events for found in _FINDERS[event](since, now)]


def failures_that_are_over() -> QuerySet[Incident]:
    """Failures of no known attempt, whose tasks have gone on: the next one is another."""
    failed = TaskInstance.objects.filter(pk=OuterRef("subject"), status=Status.FAILED.value)
    return Incident.objects.filter(~Exists(failed), event=Event.FAILED, attempt=NO_ATTEMPT)


def _stalled(since: datetime, now: datetime) -> Iterator[Happening]:
    silence = timedelta(seconds=settings.STATESTORE_STALLED_SECONDS) + ACTIVE_AT_LAG
    told = _incidents(Event.STALLED, OuterRef("pk")).filter(silent_since=OuterRef("active_at"))
    rows = _tasks(now).filter(
        in_state(TaskState.STALLED, now), ~Exists(told), active_at__gte=since - silence
    )
    for row in rows.order_by("active_at")[:FOUND_AT_ONCE]:
        mark = Mark(row.pk, silent_since=row.active_at)
        attempt = row.reported_by
        yield _of_task(Event.STALLED, row, row.active_at + silence, mark, attempt)


def _failed(since: datetime, now: datetime) -> Iterator[Happening]:
    """Those that say so now, and those whose next attempt has started since."""
    told = _incidents(Event.FAILED, OuterRef("pk")).filter(
        attempt=Coalesce(OuterRef("reported_by"), NO_ATTEMPT)
    )
    rows = _tasks(now).filter(
        in_state(TaskState.FAILED, now),
        ~Exists(told),
        active_at__gte=since - ACTIVE_AT_LAG,
        reported_at__gte=since,
    )
    found = {}
    for row in rows.order_by("active_at")[:FOUND_AT_ONCE]:
        attempt = NO_ATTEMPT if row.reported_by is None else row.reported_by
        found[row.pk, attempt] = row, row.reported_at
    found |= _failed_before(since, now)
    for (pk, attempt), (row, at) in found.items():
        number = None if attempt == NO_ATTEMPT else attempt
        yield _of_task(Event.FAILED, row, at, Mark(pk, attempt=attempt), number)


def _failed_before(since: datetime, now: datetime) -> dict[tuple[int, int], tuple[Any, datetime]]:
    told = _incidents(Event.FAILED, OuterRef("task_instance_id"))
    kept = FailedAttempt.objects.filter(
        ~Exists(told.filter(attempt=OuterRef("attempt"))), at__gte=since
    )
    keys = {
        (one.task_instance_id, one.attempt): one.at for one in kept.order_by("at")[:FOUND_AT_ONCE]
    }
    rows = _tasks(now).in_bulk([pk for pk, _ in keys]) if keys else {}
    return {(pk, attempt): (rows[pk], at) for (pk, attempt), at in keys.items() if pk in rows}


def _tasks(now: datetime) -> QuerySet[Any]:
    """Task instances, with who reported their progress and when, and what they wrote last."""
    entries = EntryRow.objects.filter(unexpired(now), task_instance=OuterRef("pk"))
    progress, newest = entries.filter(key=PROGRESS_KEY), entries.order_by("-updated_at")
    return TaskInstance.objects.annotate(
        reported_by=Subquery(progress.values("attempt")[:1]),
        reported_at=Subquery(progress.values("updated_at")[:1]),
        last_key=Subquery(newest.values("key")[:1]),
        last_write=Subquery(newest.values("updated_at")[:1]),
    )


def _of_task(event: Event, row: Any, at: datetime, mark: Mark, attempt: int | None) -> Happening:
    failed = event is Event.FAILED
    data = {
        "attempt": attempt,
        "status": "failed" if failed else "stalled",
        "since": at if failed else row.last_write,
        "last_key": row.last_key,
        "last_write": row.last_write,
    }
    return Happening(event, at, [mark], "dashboard:task", row.pk, row.scope, data=data)


def _secrets(since: datetime, now: datetime) -> Iterator[Happening]:
    """One of each entry, whatever number of places in it."""
    told = _incidents(Event.SECRET, OuterRef("pk"))
    rows = SecretFinding.objects.filter(~Exists(told), dismissed_at=None, found_at__gte=since)
    entries: dict[tuple[bool, int], list[SecretFinding]] = {}
    for row in rows.order_by("pk")[:FOUND_AT_ONCE]:
        entries.setdefault((row.of_asset, row.entry_id), []).append(row)
    owners = {(of_asset, found[0].owner_id) for (of_asset, _), found in entries.items()}
    tasks = TaskInstance.objects.in_bulk([owner for of_asset, owner in owners if not of_asset])
    assets = Asset.objects.in_bulk([owner for of_asset, owner in owners if of_asset])
    for found in entries.values():
        first = found[0]
        data = {"key": first.key, "rules": sorted({row.rule for row in found})}
        marks = [Mark(row.pk) for row in found]
        at, page = min(row.found_at for row in found), "dashboard:secrets"
        if first.of_asset and first.owner_id in assets:
            name = assets[first.owner_id].name
            yield Happening(Event.SECRET, at, marks, page, asset=name, data=data)
        elif not first.of_asset and first.owner_id in tasks:
            scope = tasks[first.owner_id].scope
            yield Happening(Event.SECRET, at, marks, page, scope=scope, data=data)


def _sweep_late(since: datetime, now: datetime) -> Iterator[Happening]:
    last = last_sweep_of_beat()
    if last is None or not since <= late_at(last) < now:
        return
    if not _incidents(Event.SWEEP_LATE, last.pk).exists():
        data = {
            "since": late_at(last),
            "last_sweep": last.started_at,
            "sweep_every_seconds": settings.STATESTORE_SWEEP_SECONDS,
        }
        yield Happening(
            Event.SWEEP_LATE, late_at(last), [Mark(last.pk)], "dashboard:retention", data=data
        )


def _incidents(event: Event, subject: Any) -> QuerySet[Incident]:
    return Incident.objects.filter(event=event, subject=subject)


_FINDERS: Final = {
    Event.STALLED: _stalled,
    Event.FAILED: _failed,
    Event.SECRET: _secrets,
    Event.SWEEP_LATE: _sweep_late,
}
