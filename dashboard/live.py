"""What Live and Task show, and a cursor that stays the same while nothing on them has changed."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.http import QueryDict

from dashboard.activity import Event, activity_of
from dashboard.filters import after_key_of, filter_of, key_of
from dashboard.jobs import Job, jobs_of
from dashboard.jsonview import JsonView, json_view
from dashboard.meter import meter
from dashboard.pace import DAY, Chart, Pace, began_of, chart_of
from dashboard.progress import Progress, progress_of
from dashboard.table import TaskTable, hidden_keys, read_table, task_pace, without_secrets
from dashboard.watch import cursor_of
from statestore import queries
from statestore.access import Principal
from statestore.progress import sample_of
from statestore.protocol import PROGRESS_KEY
from statestore.queries import (
    Amount,
    Entry,
    Sample,
    StateCounts,
    StoreFigures,
    TaskDetail,
    TaskFilter,
    TaskSummary,
)


@dataclass(frozen=True, slots=True)
class LivePage:
    """One page of Live."""

    cursor: str
    where: TaskFilter
    counts: StateCounts
    store: StoreFigures | None
    """None to who sees a part of it."""
    writes: Amount | None
    spark: str
    """The writes of the last minute, as points of a polyline."""
    table: TaskTable
    last: TaskSummary | None
    """Whoever wrote last, where nothing is running."""


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """A key with its value as it is shown."""

    entry: Entry
    view: JsonView

    @property
    def hidden(self) -> bool:
        """Whether the value is hidden, because something in it looks like a secret."""
        return self.entry.value == queries.HIDDEN


@dataclass(frozen=True, slots=True)
class TaskPage:
    """The page of one task instance."""

    cursor: str
    detail: TaskDetail
    progress: Progress | None
    pace: Pace
    chart: Chart | None
    started: datetime | None
    """When the newest attempt began; None: nothing tells."""
    entries: list[TaskEntry]
    key: str
    """With what the keys begin that are shown."""
    jobs: list[Job]
    """Its external jobs."""
    activity: list[Event]

    @property
    def last_key(self) -> str:
        """The key that was written last; empty: there are none."""
        return next((entry.key for entry in self.detail.newest), "")


def read_live(params: QueryDict, principal: Principal) -> LivePage:
    """The page of Live that a query string asks for, with what the principal reaches."""
    where, swept = filter_of(params), queries.is_swept(datetime.now(UTC))
    counts, store = queries.live_figures(principal, swept=swept)
    writes = meter.per_minute() if store else None
    table = read_table(where, params, principal, swept=swept)
    idle = not (counts.running or counts.stalled)
    last = queries.newest_task(principal) if idle else None
    return LivePage(
        cursor_of(counts, store, writes, table, last),
        where, counts, store, writes, meter.spark() if writes and writes.number else "", table, last,
    )  # fmt: skip


def _up_to_now(samples: list[Sample], task: TaskSummary, entries: list[Entry]) -> list[Sample]:
    """The samples, and after them what is reported now: there is one every 10 seconds, not of the end."""
    for entry in entries:
        present = sample_of(json.loads(entry.value)) if entry.key == PROGRESS_KEY else None
        if present and samples and entry.updated_at > samples[-1].at:
            attempt = task.attempt if entry.attempt is None else entry.attempt
            return [*samples, Sample(entry.updated_at, attempt, *present)]
    return samples


def read_task(params: QueryDict, principal: Principal, task_instance_id: int) -> TaskPage:
    """The page of one task instance; `?after_key=` begins further down its keys,
    `?key=` leaves those whose keys begin so.

    Raises:
        NotFoundError: there is none with this number that the principal reaches.
    """
    after_key, key = after_key_of(params), key_of(params)
    detail = queries.task_detail(task_instance_id, principal, after_key=after_key, key=key)
    task, entries = detail.summary, detail.entries
    task = without_secrets(task, hidden_keys([task]))
    detail = replace(detail, summary=task)
    now = datetime.now(UTC)
    samples = queries.samples_of([task.id], since=now - DAY).get(task.id, [])
    progress = progress_of(task.progress)
    pace = task_pace(task, progress, samples, now)
    activity = activity_of(detail, progress)
    return TaskPage(
        cursor=cursor_of(detail, pace, activity),
        detail=detail,
        progress=progress,
        pace=pace,
        chart=chart_of(_up_to_now(samples, task, [*entries, *detail.newest]), pace),
        started=began_of(samples, task.attempt, detail.created_at, now),
        entries=task_entries(entries),
        key=key,
        jobs=jobs_of(detail.submissions, task.attempt),
        activity=activity,
    )


def task_entries(entries: list[Entry]) -> list[TaskEntry]:
    """The entries with their values as they are shown."""
    return [TaskEntry(entry, json_view(entry.value)) for entry in entries]
