"""The search for task instances, newest first, in keyset pages."""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Q

from statestore.access import Principal
from statestore.models import TaskInstance
from statestore.protocol import InvalidInput
from statestore.queries.entries import PAGE_MAX
from statestore.queries.patterns import reached
from statestore.queries.states import TaskState, in_state
from statestore.queries.tasks import TaskSummary, summaries

WORDS_MAX = 10


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """What a search asks for: whole ids, a state, words anywhere in the ids."""

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    state: TaskState | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskSearch:
    """A page of what was found, and the cursor of the next one (None: there is none)."""

    rows: list[TaskSummary]
    next_cursor: str | None


def task_search(
    *, wanted: TaskQuery, principal: Principal, limit: int = 50, cursor: str | None = None
) -> TaskSearch:
    """The task instances that the principal reaches, by their last write, newest first.

    The order is that of `active_at`, which may be ACTIVE_AT_LAG older than the last write.

    Raises:
        InvalidInput: the cursor is none of this search.
    """
    limit, now = min(limit, PAGE_MAX), datetime.now(UTC)
    found = TaskInstance.objects.filter(_wanted(wanted, now), reached(principal))
    if cursor is not None:
        active_at, pk = _read_cursor(cursor)
        found = found.filter(Q(active_at__lt=active_at) | Q(active_at=active_at, pk__lt=pk))
    rows = list(found.order_by("-active_at", "-id")[: limit + 1])
    more = len(rows) > limit
    return TaskSearch(summaries(rows[:limit]), _cursor(rows[limit - 1]) if more else None)


def _wanted(wanted: TaskQuery, now: datetime) -> Q:
    ids = {"dag_id": wanted.dag_id, "run_id": wanted.run_id, "task_id": wanted.task_id}
    condition = Q(**{name: text for name, text in ids.items() if text is not None})
    for word in wanted.words:
        condition &= (
            Q(dag_id__icontains=word) | Q(run_id__icontains=word) | Q(task_id__icontains=word)
        )
    if wanted.state is not None:
        condition &= in_state(wanted.state, now)
    return condition


def _cursor(row: TaskInstance) -> str:
    return base64.urlsafe_b64encode(
        f"{row.active_at.astimezone(UTC).isoformat()} {row.pk}".encode()
    ).decode()


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
        parts = re.fullmatch(r"(\S+\+00:00) ([0-9]{1,18})", text)
        if parts is not None:
            return datetime.fromisoformat(parts[1]), int(parts[2])
    except ValueError:
        pass
    raise InvalidInput(
        ("query", "cursor"), "cursor must be a next_cursor of this search", "value_error"
    )
