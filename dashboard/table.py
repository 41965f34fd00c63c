"""The table of tasks on Live and Run. What has not changed since the last reading is not made again."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from django.http import QueryDict

from dashboard.filters import order_of, position_of
from dashboard.jsonview import chip_text
from dashboard.kept import Kept
from dashboard.pace import WINDOW, Pace, pace_of, pace_of_indices
from dashboard.progress import Progress, progress_of
from statestore import queries
from statestore.access import Principal
from statestore.bounded import make_room
from statestore.protocol import MAP_INDEX_NONE, PROGRESS_KEY
from statestore.queries import (
    LiveRow,
    Sample,
    Section,
    StateCounts,
    TaskFilter,
    TaskOrder,
    TaskState,
    TaskSummary,
)

ROWS: Final = 50
MOVES: Final = 5  # seconds after which a pace is looked at again, though nothing was written
MOVING: Final = {TaskState.RUNNING, TaskState.STALLED}  # what has a pace
KEPT: Final = 1_000  # rows: those of twenty pages


@dataclass(frozen=True, slots=True)
class Chip:
    """A key beside the progress, with the beginning of its value."""

    key: str
    value: str
    hidden: bool  # something in it looks like a secret


@dataclass(frozen=True, slots=True)
class Row:
    """A row of Live: a task instance with its progress, or a mapped task."""

    id: str
    """Its name on the page; a mapped task keeps it, whichever of its indices comes first."""
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


def read_table(
    where: TaskFilter, params: QueryDict, principal: Principal, *, swept: bool = False
) -> TaskTable:
    """A table of tasks, sorted and paged as the query string asks; `swept` is what `is_swept` says."""
    order, position = order_of(params), position_of(params)
    found = queries.live_rows(
        where=where, principal=principal, order=order, limit=ROWS, position=position, swept=swept
    )
    now = datetime.now(UTC)
    samples = _samples([row.task for row in found.rows if row.mapped is None], now)
    hidden = hidden_keys([row.task for row in found.rows])
    rows: dict[Section, list[Row]] = {section: [] for section in Section}
    for row in found.rows:
        section = row.section if order is TaskOrder.ATTENTION else Section.OTHERS
        shown = _row(row, samples.get(row.task.id, []), hidden, now, apart=where.apart)
        rows[section].append(shown)
    return TaskTable(
        urgent=rows[Section.URGENT],
        running=rows[Section.RUNNING],
        rows=rows[Section.OTHERS],
        order=order,
        position=position,
        next_after=found.next_after,
        looked_at=found.looked_at,
    )


_paces = Kept[Pace](KEPT)
_sampled: dict[int, list[Sample]] = {}


def hidden_keys(tasks: list[TaskSummary]) -> set[tuple[int, str]]:
    """The keys of these tasks that look like a secret, before a scan has come to them."""
    values = [(task.id, PROGRESS_KEY, task.progress) for task in tasks if task.progress]
    values += [
        (task.id, key, value)
        for task in tasks
        for key, value in zip(task.other_keys, task.other_values, strict=True)
        if queries.is_whole(value)
    ]
    return queries.hidden_at_sight(values)


def _row(
    found: LiveRow,
    samples: list[Sample],
    hidden: set[tuple[int, str]],
    now: datetime,
    *,
    apart: bool = False,
) -> Row:
    task = without_secrets(found.task, hidden)
    row_id = _row_id(task, apart=apart)
    progress = progress_of(task.progress)
    if found.mapped is not None:
        left = found.mapped.running + found.mapped.stalled + found.mapped.none
        return Row(
            row_id, task, [], progress, pace_of_indices(found.finished, left=left), found.mapped
        )
    moments = [moment and moment.timestamp() // MOVES for moment in (now, task.last_write)]
    pace = _paces.get(
        task.id,
        (samples, progress and progress.unit, task.state, moments),
        lambda: task_pace(task, progress, samples, now),
    )
    return Row(row_id, task, _chips(task, hidden), progress, pace)


def _row_id(task: TaskSummary, *, apart: bool) -> str:
    if task.scope.map_index == MAP_INDEX_NONE or apart:
        return str(task.id)
    return task.scope.at(MAP_INDEX_NONE).digest.hex()


def _chips(task: TaskSummary, hidden: set[tuple[int, str]]) -> list[Chip]:
    """The keys beside the progress."""
    chips = []
    for key, value in zip(task.other_keys, task.other_values, strict=True):
        secret = value == queries.HIDDEN or (task.id, key) in hidden
        shown = "" if secret or not queries.is_whole(value) else chip_text(value)
        chips.append(Chip(key, shown, secret))
    return chips


def _samples(tasks: list[TaskSummary], now: datetime) -> dict[int, list[Sample]]:
    """Those of the tasks that have a pace; read where one was taken since the last reading."""
    moving = {task.id: task.sampled_at for task in tasks if task.state in MOVING}
    found = {pk: _sampled.get(pk, []) for pk in moving}
    changed = [pk for pk, at in moving.items() if at and (not found[pk] or found[pk][-1].at != at)]
    if changed:
        read = queries.samples_of(changed, since=now - WINDOW)
        found |= {pk: read.get(pk, []) for pk in changed}
    make_room(_sampled, KEPT)
    for pk, those in found.items():
        _sampled.pop(pk, None)  # what somebody looks at is the last to go
        _sampled[pk] = those
    return found


def task_pace(
    task: TaskSummary, progress: Progress | None, samples: list[Sample], now: datetime
) -> Pace:
    """What has ended has no pace."""
    return pace_of(
        samples if task.state in MOVING else [],
        unit="" if progress is None else progress.unit,
        last_write=task.last_write,
        stalled=task.state is TaskState.STALLED,
        now=now,
    )


def without_secrets(task: TaskSummary, hidden: set[tuple[int, str]]) -> TaskSummary:
    """The task, without its progress where something in that looks like a secret."""
    secret = task.hidden or (task.id, PROGRESS_KEY) in hidden
    return replace(task, progress=queries.HIDDEN) if secret else task
