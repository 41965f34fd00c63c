"""What Live and Task show, and whether it has changed: one reading serves all who look on."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, TypeVar

from django.http import QueryDict

from dashboard.filters import filter_of, page_of
from dashboard.jsonview import JsonView, json_view
from dashboard.progress import Progress, progress_of
from statestore import queries
from statestore.access import Principal, Right
from statestore.queries import Entry, TaskDetail, TaskFilter, TaskState, TaskSummary

ROWS: Final = 50
URGENT: Final = timedelta(hours=24)
FRESH_SECONDS: Final = 0.5  # a reading is shared for so long by everyone who asks for the same

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """A task instance with its progress."""

    task: TaskSummary
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class LivePage:
    """One page of Live."""

    cursor: str  # stays the same while nothing on the page has changed
    where: TaskFilter
    counts: dict[str, int]
    urgent: list[Row]
    rows: list[Row]
    total: int
    page: int
    pages: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """A key with its value as it is shown."""

    entry: Entry
    view: JsonView


@dataclass(frozen=True, slots=True)
class TaskPage:
    """The page of one task instance."""

    cursor: str
    detail: TaskDetail
    progress: Progress | None
    entries: list[TaskEntry]


def live_page(params: QueryDict, principal: Principal) -> LivePage:
    """The page of Live that a query string asks for, with what the principal reaches."""
    where, page = filter_of(params), page_of(params)
    shared_by = principal.dag_patterns(Right.VIEW)
    return _recent((where, page, shared_by), lambda: _read_live(where, page, principal))


def task_page(task_instance_id: int, principal: Principal) -> TaskPage:
    """The page of one task instance.

    Raises:
        NotFoundError: there is none with this number that the principal reaches.
    """
    shared_by = principal.dag_patterns(Right.VIEW)
    return _recent((task_instance_id, shared_by), lambda: _read_task(task_instance_id, principal))


def _read_live(where: TaskFilter, page: int, principal: Principal) -> LivePage:
    counts = queries.task_instance_counts(principal)
    found = queries.task_page(
        where=where, principal=principal, limit=ROWS, offset=(page - 1) * ROWS
    )
    rows = [Row(task, progress_of(task.progress)) for task in found.rows]
    urgent = [row for row in rows if _is_urgent(row.task)]
    first = (page - 1) * ROWS + 1
    return LivePage(
        cursor=_cursor(counts, found),
        where=where,
        counts={state.value: count for state, count in counts.items()},
        urgent=urgent,
        rows=[row for row in rows if not _is_urgent(row.task)],
        total=found.total,
        page=page,
        pages=max(1, -(-found.total // ROWS)),
        first=first,
        last=first + len(rows) - 1,
    )


def _is_urgent(task: TaskSummary) -> bool:
    """The same tasks that the query puts first."""
    if task.state is TaskState.FAILED:
        return task.last_write is not None and datetime.now(UTC) - task.last_write < URGENT
    return task.state is TaskState.STALLED


def _read_task(task_instance_id: int, principal: Principal) -> TaskPage:
    detail = queries.task_detail(task_instance_id, principal)
    return TaskPage(
        cursor=_cursor(detail),
        detail=detail,
        progress=progress_of(detail.summary.progress),
        entries=[TaskEntry(entry, json_view(entry.value)) for entry in detail.entries],
    )


def _cursor(*shown: object) -> str:
    return blake2b(repr(shown).encode(), digest_size=12).hexdigest()


# --- readings that are shared ---

_readings: dict[Hashable, tuple[float, Any]] = {}
_READINGS_MAX = 200


def _recent(key: Hashable, read: Callable[[], T]) -> T:
    now = time.monotonic()
    known = _readings.get(key)
    if known is None or known[0] < now:
        if len(_readings) >= _READINGS_MAX:
            _readings.clear()
        known = (now + FRESH_SECONDS, read())
        _readings[key] = known
    reading: T = known[1]
    return reading


def forget_readings() -> None:
    """Read everything again at its next use."""
    _readings.clear()
