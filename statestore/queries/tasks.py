"""Task instances as people look at them: what each last reported, and when."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery

from statestore.access import Principal
from statestore.errors import NotFoundError
from statestore.models import Entry as EntryRow
from statestore.models import TaskInstance
from statestore.protocol import MAP_INDEX_NONE, TaskScope
from statestore.queries.entries import Entry
from statestore.queries.keyset import begins
from statestore.queries.patterns import reached
from statestore.queries.secrets import HIDDEN, Suspect, first_finding, hidden_at_sight, masked
from statestore.queries.states import TaskState, silent_since, state_of
from statestore.sql import task_instances
from statestore.sql.statement import read_time


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """A task instance as a row of Live: what it is, what it last reported, and when."""

    id: int
    scope: TaskScope
    attempt: int
    state: TaskState
    progress: str | None  # JSON text of its progress entry
    hidden: bool  # something in that looks like a secret
    key_count: int
    other_keys: list[str]  # the first few that are not progress
    other_values: list[str]
    """The beginnings of their JSON texts, shown if `is_whole`; HIDDEN for possible secrets."""
    last_write: datetime | None
    sampled_at: datetime | None
    """When a sample of the progress was last taken."""


@dataclass(frozen=True, slots=True)
class Siblings:
    """Where a map index stands among those of its task."""

    place: int
    """From 1."""
    total: int
    previous_id: int | None
    next_id: int | None


@dataclass(frozen=True, slots=True)
class TaskDetail:
    """A task instance with its entries, by key."""

    summary: TaskSummary
    created_at: datetime
    entries: list[Entry]
    """Without what looks like a secret."""
    entry_ids: dict[str, int]
    """Their numbers, by key."""
    suspects: list[Suspect]
    """Those whose values are hidden for it."""
    siblings: Siblings | None
    """None where the task is not mapped."""
    next_key: str
    """The page of entries that follows begins after this key; empty: there is none."""


KEYS_SHOWN = 100


def task_keys(task_instance_id: int) -> list[str]:
    """All its keys."""
    rows = EntryRow.objects.filter(unexpired(datetime.now(UTC)), task_instance_id=task_instance_id)
    return list(rows.order_by("key").values_list("key", flat=True))


def task_detail(
    task_instance_id: int, principal: Principal, *, after_key: str = "", key: str = ""
) -> TaskDetail:
    """One task instance, by the number in its page's URL, with its first entries after a key, or of
    those whose keys begin so.

    Raises:
        NotFoundError: there is none with this number that the principal reaches.
    """
    row = _reached_row(task_instance_id, principal)
    entries: Any = EntryRow.objects.filter(
        unexpired(datetime.now(UTC)),
        begins("key", key) if key else Q(),
        task_instance=row,
        key__gt=after_key,
    )
    owner = OuterRef("pk"), OuterRef("task_instance_id")
    rows = entries.annotate(
        rule=first_finding(*owner, "rule"), found_at=first_finding(*owner, "found_at")
    ).order_by("key")[: KEYS_SHOWN + 1]
    snapshots = [
        Entry(
            e.key,
            HIDDEN if e.rule else e.value,
            e.version,
            e.created_at,
            e.updated_at,
            e.expires_at,
            e.writer,
            e.writer_task,
            e.attempt,
        )
        for e in rows
    ]
    hidden = hidden_at_sight((row.pk, entry.key, entry.value) for entry in snapshots)
    snapshots = [masked(entry, row.pk, hidden) for entry in snapshots]
    suspects = [Suspect(e.key, e.rule, e.found_at) for e in rows if e.rule]
    ids = {e.key: e.pk for e in rows}
    (summary,) = summaries([row])
    next_key = snapshots[KEYS_SHOWN - 1].key if len(snapshots) > KEYS_SHOWN else ""
    return TaskDetail(
        summary, row.created_at, snapshots[:KEYS_SHOWN], ids, suspects, _siblings(row), next_key
    )


def task_marks(ids: list[int]) -> dict[int, object]:
    """For each of these task instances a value that changes whenever what their pages show does."""
    now = datetime.now(UTC)
    rows = task_instances.marks.rows(rows={"id": ids}, now=now, silent_since=silent_since(now))
    return {pk: mark for pk, *mark in rows}


def task_scope(task_instance_id: int, principal: Principal) -> TaskScope:
    """The ids of the task instance with this number.

    Raises:
        NotFoundError: there is none with this number that the principal reaches.
    """
    return _reached_row(task_instance_id, principal).scope


def _reached_row(task_instance_id: int, principal: Principal) -> TaskInstance:
    row = TaskInstance.objects.filter(reached(principal), pk=task_instance_id).first()
    if row is None:
        raise NotFoundError("This task instance is not there: it never was, or it was deleted.")
    return row


def _siblings(row: TaskInstance) -> Siblings | None:
    if row.map_index == MAP_INDEX_NONE:
        return None
    others = TaskInstance.objects.filter(
        dag_id=row.dag_id, run_id=row.run_id, task_id=row.task_id, map_index__gte=0
    )
    smaller = others.filter(map_index__lt=row.map_index)
    larger = others.filter(map_index__gt=row.map_index)
    together: Any = (of.order_by().values("task_id") for of in (others, smaller))
    total, before = (of.annotate(count=Count("pk")).values("count") for of in together)
    found = TaskInstance.objects.filter(pk=row.pk).values_list(
        Subquery(total),
        Subquery(before),
        Subquery(smaller.order_by("-map_index").values("pk")[:1]),
        Subquery(larger.order_by("map_index").values("pk")[:1]),
    )
    for count, place, previous_id, next_id in found:
        return Siblings((place or 0) + 1, count, previous_id, next_id)
    return None


def unexpired(now: datetime) -> Q:
    """Entries that exist for readers."""
    return Q(expires_at__isnull=True) | Q(expires_at__gt=now)


OTHER_KEYS_SHOWN = 3
VALUE_SHOWN = 200  # characters: of a longer value nothing is shown, for it has not been looked at


def is_whole(text: str) -> bool:
    """Whether one of a list's values is there to its end."""
    return len(text) < VALUE_SHOWN


def summaries(rows: list[TaskInstance]) -> list[TaskSummary]:
    """What Live and the search show of task instances, in one query."""
    if not rows:
        return []
    now = datetime.now(UTC)
    listed = task_instances.listed.rows(
        rows={"id": [row.pk for row in rows]},
        now=now,
        hidden=HIDDEN,
        length=VALUE_SHOWN,
        others=OTHER_KEYS_SHOWN,
    )
    figures = {pk: found for pk, *found in listed}
    return [_summary(row, figures[row.pk], now) for row in rows]


def _summary(row: TaskInstance, figures: list[Any], now: datetime) -> TaskSummary:
    count, last_write, progress, sampled_at, hidden, others = figures
    keys = json.loads(others or "[]")
    return TaskSummary(
        id=row.pk,
        scope=row.scope,
        attempt=row.attempt,
        state=state_of(row, progress, now),
        progress=progress,
        hidden=bool(hidden),
        key_count=count,
        other_keys=[key for key, _ in keys],
        other_values=[value for _, value in keys],
        last_write=read_time(last_write),
        sampled_at=read_time(sampled_at),
    )
