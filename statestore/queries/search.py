"""The search for task instances, newest first, in keyset pages."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Q

from statestore.access import Principal
from statestore.models import TaskInstance
from statestore.protocol import InvalidInput
from statestore.queries.counting import nth_values
from statestore.queries.entries import PAGE_MAX
from statestore.queries.keyset import after, until, values_of
from statestore.queries.patterns import reached
from statestore.queries.states import TaskState, in_state
from statestore.queries.tasks import TaskSummary, summaries

WORDS_MAX = 10
LOOKED_AT = 1_000  # of 1,500, a page over ten million entries took 1.35 times as long as over few
_NEWEST = ("-active_at", "-id")


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

    The order is that of `active_at`, which may be ACTIVE_AT_LAG older than the last write. No index
    finds words anywhere in ids, so a page looks at LOOKED_AT task instances for them: it may have fewer
    rows than `limit`, or none, and yet a cursor to go on with.

    Raises:
        InvalidInput: the cursor is none of this search.
    """
    limit, now = min(limit, PAGE_MAX), datetime.now(UTC)
    found = TaskInstance.objects.filter(_wanted(wanted, now), reached(principal)).order_by(*_NEWEST)
    if cursor is not None:
        found = found.filter(after(_NEWEST, _read_cursor(cursor)))
    beyond = None
    if wanted.words:
        (beyond,) = nth_values(_NEWEST, [found], LOOKED_AT)
        found = found.filter(Q() if beyond is None else until(_NEWEST, beyond), *_words(wanted))
    rows = list(found[: limit + 1])
    end = values_of(_NEWEST, rows[limit - 1]) if len(rows) > limit else beyond
    return TaskSearch(summaries(rows[:limit]), None if end is None else _cursor(*end))


def _wanted(wanted: TaskQuery, now: datetime) -> Q:
    ids = {"dag_id": wanted.dag_id, "run_id": wanted.run_id, "task_id": wanted.task_id}
    condition = Q(**{name: text for name, text in ids.items() if text is not None})
    return condition if wanted.state is None else condition & in_state(wanted.state, now)


def _words(wanted: TaskQuery) -> Iterator[Q]:
    """Each word stands in one of the ids."""
    for word in wanted.words:
        places = (f"{name}__icontains" for name in ("dag_id", "run_id", "task_id"))
        yield Q(*((place, word) for place in places), _connector=Q.OR)


def _cursor(active_at: datetime, pk: int) -> str:
    text = f"{active_at.astimezone(UTC).isoformat()} {pk}"
    return base64.urlsafe_b64encode(text.encode()).decode()


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
