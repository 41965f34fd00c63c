"""What Live and Task show, and a cursor that stays the same while nothing on them has changed."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

from django.http import QueryDict

from dashboard.activity import Event, activity_of
from dashboard.filters import filter_of, key_of, order_of, position_of
from dashboard.jobs import Job, jobs_of
from dashboard.jsonview import JsonView, chip_text, json_view
from dashboard.meter import meter
from dashboard.pace import DAY, WINDOW, Chart, Pace, began_of, chart_of, pace_of, pace_of_indices
from dashboard.progress import Progress, progress_of
from statestore import queries
from statestore.access import Principal
from statestore.progress import sample_of
from statestore.protocol import PROGRESS_KEY
from statestore.queries import (
    Entry,
    LiveRow,
    Sample,
    Section,
    StateCounts,
    StoreFigures,
    TaskDetail,
    TaskFilter,
    TaskOrder,
    TaskState,
    TaskSummary,
)

ROWS: Final = 50
_MOVING: Final = {TaskState.RUNNING, TaskState.STALLED}  # what has a pace


@dataclass(frozen=True, slots=True)
class Chip:
    """A key beside the progress, with the beginning of its value."""

    key: str
    value: str
    hidden: bool  # something in it looks like a secret


@dataclass(frozen=True, slots=True)
class Row:
    """A row of Live: a task instance with its progress, or a mapped task."""

    task: TaskSummary
    keys: list[Chip]
    progress: Progress | None
    pace: Pace
    mapped: StateCounts | None = None


@dataclass(frozen=True, slots=True)
class TaskTable:
    """A page of rows, in the order that was asked for."""

    urgent: list[Row]
    running: list[Row]
    rows: list[Row]
    order: TaskOrder
    position: str
    next_after: str
    looked_at: int

    @property
    def size(self) -> int:
        """How many rows there are on the page."""
        return len(self.urgent) + len(self.running) + len(self.rows)


@dataclass(frozen=True, slots=True)
class LivePage:
    """One page of Live."""

    cursor: str
    where: TaskFilter
    counts: StateCounts
    store: StoreFigures | None
    """None to who sees a part of it."""
    writes: int | None
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
    """When the newest attempt began, as far as its samples tell."""
    entries: list[TaskEntry]
    key: str
    """With what the keys begin that are shown."""
    jobs: list[Job]
    """Its external jobs."""
    activity: list[Event]


def read_live(params: QueryDict, principal: Principal) -> LivePage:
    """The page of Live that a query string asks for, with what the principal reaches."""
    where = filter_of(params)
    counts, store = queries.live_figures(principal)
    writes = meter.per_minute() if store else None
    table = read_table(where, params, principal)
    idle = not (counts.running or counts.stalled)
    last = queries.newest_task(principal) if idle else None
    return LivePage(
        cursor_of(counts, store, writes, table, last),
        where, counts, store, writes, table, last,
    )  # fmt: skip


def read_table(where: TaskFilter, params: QueryDict, principal: Principal) -> TaskTable:
    """A table of tasks, sorted and paged as the query string asks."""
    order, position = order_of(params), position_of(params)
    found = queries.live_rows(
        where=where, principal=principal, order=order, limit=ROWS, position=position
    )
    tasks = [row.task for row in found.rows if row.mapped is None]
    samples = _samples(tasks, WINDOW)
    hidden = _hidden([row.task for row in found.rows])
    rows: dict[Section, list[Row]] = {section: [] for section in Section}
    for row in found.rows:
        section = row.section if order is TaskOrder.ATTENTION else Section.OTHERS
        rows[section].append(_row(row, samples, hidden))
    return TaskTable(
        urgent=rows[Section.URGENT],
        running=rows[Section.RUNNING],
        rows=rows[Section.OTHERS],
        order=order,
        position=position,
        next_after=found.next_after,
        looked_at=found.looked_at,
    )


def _hidden(tasks: list[TaskSummary]) -> set[tuple[int, str]]:
    """The keys of these tasks that look like a secret, before a scan has come to them."""
    values = [(task.id, PROGRESS_KEY, task.progress) for task in tasks if task.progress]
    values += [
        (task.id, key, value)
        for task in tasks
        for key, value in zip(task.other_keys, task.other_values, strict=False)  # or there are none
        if queries.is_whole(value)
    ]
    return queries.hidden_at_sight(values)


def _row(row: LiveRow, samples: dict[int, list[Sample]], hidden: set[tuple[int, str]]) -> Row:
    task = _without_secrets(row.task, hidden)
    progress = progress_of(task.progress)
    if row.mapped is not None:
        left = row.mapped.running + row.mapped.stalled + row.mapped.none
        pace = pace_of_indices(row.finished, left=left)
        return Row(task, [], progress, pace, row.mapped)
    pace = _pace(task, progress, samples.get(task.id, []))
    return Row(task, _chips(task, hidden), progress, pace)


def _chips(task: TaskSummary, hidden: set[tuple[int, str]]) -> list[Chip]:
    """The keys beside the progress."""
    chips = []
    for key, value in zip(task.other_keys, task.other_values, strict=True):
        secret = value == queries.HIDDEN or (task.id, key) in hidden
        shown = "" if secret or not queries.is_whole(value) else chip_text(value)
        chips.append(Chip(key, shown, secret))
    return chips


def _samples(tasks: list[TaskSummary], since: timedelta) -> dict[int, list[Sample]]:
    ids = [task.id for task in tasks if task.state in _MOVING]
    return queries.samples_of(ids, since=datetime.now(UTC) - since) if ids else {}


def _pace(task: TaskSummary, progress: Progress | None, samples: list[Sample]) -> Pace:
    """What has ended has no pace."""
    running = task.state in _MOVING
    unit = "" if progress is None else progress.unit
    stalled = task.state is TaskState.STALLED
    return pace_of(
        samples if running else [], unit=unit, last_write=task.last_write, stalled=stalled
    )


def _up_to_now(samples: list[Sample], task: TaskSummary, entries: list[Entry]) -> list[Sample]:
    """The samples, and after them what is reported now: there is one every 10 seconds, not of the end."""
    for entry in entries:
        present = sample_of(json.loads(entry.value)) if entry.key == PROGRESS_KEY else None
        if present and samples and entry.updated_at > samples[-1].at:
            attempt = task.attempt if entry.attempt is None else entry.attempt
            return [*samples, Sample(entry.updated_at, attempt, *present)]
    return samples


def _without_secrets(task: TaskSummary, hidden: set[tuple[int, str]]) -> TaskSummary:
    secret = task.hidden or (task.id, PROGRESS_KEY) in hidden
    return replace(task, progress=queries.HIDDEN) if secret else task


def read_task(params: QueryDict, principal: Principal, task_instance_id: int) -> TaskPage:
    """The page of one task instance; `?after_key=` begins further down its keys,
    `?key=` leaves those whose keys begin so.

    Raises:
        NotFoundError: there is none with this number that the principal reaches.
    """
    after_key, key = params.get("after_key", "").replace("\0", ""), key_of(params)
    detail = queries.task_detail(task_instance_id, principal, after_key=after_key, key=key)
    task, entries = detail.summary, detail.entries
    task = _without_secrets(task, _hidden([task]))
    detail = replace(detail, summary=task)
    samples = queries.samples_of([task.id], since=datetime.now(UTC) - DAY).get(task.id, [])
    progress = progress_of(task.progress)
    pace = _pace(task, progress, samples)
    activity = activity_of(detail, progress)
    return TaskPage(
        cursor=cursor_of(detail, pace, activity),
        detail=detail,
        progress=progress,
        pace=pace,
        chart=chart_of(_up_to_now(samples, task, entries), pace),
        started=began_of(samples, task.attempt)
        or (None if task.attempt > 1 else detail.created_at),
        entries=task_entries(entries),
        key=key,
        jobs=jobs_of(entries, task.attempt),
        activity=activity,
    )


def task_entries(entries: list[Entry]) -> list[TaskEntry]:
    """The entries with their values as they are shown."""
    return [TaskEntry(entry, json_view(entry.value)) for entry in entries]


def cursor_of(*shown: object) -> str:
    """A name for this state of what is shown."""
    return blake2b(repr(shown).encode(), digest_size=12).hexdigest()
