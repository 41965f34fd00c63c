"""Task instances as people look at them: what each last reported, and when."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from statestore.access import Principal
from statestore.errors import NotFoundError
from statestore.models import Entry as EntryRow
from statestore.models import TaskInstance
from statestore.protocol import MAP_INDEX_NONE, SUBMISSION_SUFFIX, TaskScope
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
    newest: list[Entry]
    """The few that were written last, newest first, whether they are among these or not."""
    submissions: list[Entry]
    """The records of its external jobs, whether they are among these or not; of very many the first."""
    entry_ids: dict[str, int]
    """The numbers of all of these, by key."""
    suspects: list[Suspect]
    """Those whose values are hidden for it."""
    siblings: Siblings | None
    """None where the task is not mapped."""
    next_key: str
    """The page of entries that follows begins after this key; empty: there is none."""


KEYS_SHOWN = 100
NEWEST_SHOWN = 8


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
    (summary,) = summaries([row])
    wanted = EntryRow.objects.filter(unexpired(datetime.now(UTC)), task_instance=row)
    if summary.key_count > KEYS_SHOWN:
        wanted = wanted.filter(_shown_of(wanted, after_key, key))
    found = _with_findings(wanted.order_by("key"))
    entries = _snapshots(found, row.pk)
    page = [e for e in entries if e.key > after_key and e.key.startswith(key)][: KEYS_SHOWN + 1]
    return TaskDetail(
        summary,
        row.created_at,
        page[:KEYS_SHOWN],
        sorted(entries, key=lambda e: e.updated_at, reverse=True)[:NEWEST_SHOWN],
        [e for e in entries if e.key.endswith(SUBMISSION_SUFFIX)],
        {e.key: e.pk for e in found},
        [Suspect(e.key, e.rule, e.found_at) for e in found if e.rule],
        _siblings(row),
        page[KEYS_SHOWN - 1].key if len(page) > KEYS_SHOWN else "",
    )


def _shown_of(alive: QuerySet[EntryRow], after_key: str, key: str) -> Q:
    """Of very many entries those of one page, those written last, and the records of jobs."""
    page = alive.filter(begins("key", key) if key else Q(), key__gt=after_key).order_by("key")
    newest = alive.order_by("-updated_at")
    submissions = alive.filter(key__endswith=SUBMISSION_SUFFIX).order_by("key")
    return (
        Q(pk__in=page.values("pk")[: KEYS_SHOWN + 1])
        | Q(pk__in=newest.values("pk")[:NEWEST_SHOWN])
        | Q(pk__in=submissions.values("pk")[:KEYS_SHOWN])
    )


def _with_findings(entries: QuerySet[EntryRow]) -> QuerySet[Any]:
    """With what was first found in each, and when."""
    owner = OuterRef("pk"), OuterRef("task_instance_id")
    return entries.annotate(
        rule=first_finding(*owner, "rule"), found_at=first_finding(*owner, "found_at")
    )


def _snapshots(rows: Iterable[Any], owner_id: int) -> list[Entry]:
    """The entries, without the values that are hidden."""
    found = [
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
    hidden = hidden_at_sight((owner_id, entry.key, entry.value) for entry in found)
    return [masked(entry, owner_id, hidden) for entry in found]


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
