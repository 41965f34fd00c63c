"""Live's counts and figures, and which task instances a filter asks for."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import IsNull

from statestore.access import Principal
from statestore.models import Entry as EntryRow
from statestore.models import TaskInstance
from statestore.queries.counting import COUNTED, counts
from statestore.queries.figures import (
    StoreFigures,
    sees_everything,
    store_counted,
    store_figures,
)
from statestore.queries.keyset import begins
from statestore.queries.patterns import reached
from statestore.queries.states import TaskState, in_tab
from statestore.queries.tasks import TaskSummary, summaries, unexpired

_LOOKED_AT: Final = 2_000  # rows that a condition without an index may look at for one page
_LOOKED_AT_KEYS: Final = 600  # the same, where it must look for a key of each row
_COUNTED: Final = (TaskState.RUNNING, TaskState.STALLED, TaskState.FAILED, TaskState.DONE)


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which task instances: beginnings of ids, a key they keep, words anywhere in their ids."""

    state: TaskState | None = None
    dag: str = ""
    run: str = ""
    task: str = ""
    key: str = ""
    words: tuple[str, ...] = ()
    of_run: tuple[str, str] | None = None
    """Exactly this dag and run."""


@dataclass(frozen=True, slots=True)
class StateCounts:
    """How many task instances are in each state."""

    running: int = 0
    stalled: int = 0
    failed: int = 0
    done: int = 0
    none: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.running + self.stalled + self.failed + self.done + self.none

    @property
    def state(self) -> TaskState:
        """The state of them together: the worst that any has."""
        for state in (TaskState.FAILED, TaskState.STALLED, TaskState.RUNNING):
            if getattr(self, state.value):
                return state
        return TaskState.DONE if self.done else TaskState.NONE


def task_instance_counts(principal: Principal, *, at_most: int = COUNTED) -> StateCounts:
    """How many that the principal reaches are in each state; done and failed ones of 24 hours."""
    return StateCounts(*counts(*_tabs(principal), at_most=at_most))


def live_figures(principal: Principal) -> tuple[StateCounts, StoreFigures | None]:
    """The counts of Live, in one query, and what it shows of the store to who sees all of it."""
    if not sees_everything(principal):
        return task_instance_counts(principal), None
    figures = counts(*_tabs(principal), *store_counted())
    return StateCounts(*figures[: len(_COUNTED)]), store_figures(*figures[len(_COUNTED) :])


def _tabs(principal: Principal) -> list[QuerySet[TaskInstance]]:
    found, now = TaskInstance.objects.filter(reached(principal)), datetime.now(UTC)
    return [found.filter(in_tab(state, now)).order_by("-active_at") for state in _COUNTED]


def newest_task(principal: Principal) -> TaskSummary | None:
    """The task instance that was written to last."""
    rows = TaskInstance.objects.filter(reached(principal)).order_by("-active_at", "-id")[:1]
    return next(iter(summaries(list(rows))), None)


def newest_names(principal: Principal, *, limit: int) -> set[tuple[str, str, str]]:
    """The dags, runs and tasks of the task instances that were written to last."""
    rows = TaskInstance.objects.filter(reached(principal)).order_by("-active_at", "-id")
    return set(rows.values_list("dag_id", "run_id", "task_id")[:limit])


def matching(where: TaskFilter, principal: Principal) -> tuple[QuerySet[TaskInstance], Q, int]:
    """What an index finds of a filter, in no order; what must be looked at row by row, and at how
    many rows for one page (0: any number)."""
    found = TaskInstance.objects.filter(reached(principal), indexed_part(where))
    return found, *slow_part(where, datetime.now(UTC))


def indexed_part(where: TaskFilter) -> Q:
    """What an index answers."""
    condition = begins("dag_id", where.dag) if where.dag else Q()
    if where.of_run is not None:
        condition &= Q(dag_id=where.of_run[0], run_id=where.of_run[1])
    return condition


def slow_part(where: TaskFilter, now: datetime) -> tuple[Q, int]:
    """What must be looked at row by row, and how many rows of a page may be (0: any number)."""
    condition = Q()
    for column, text in (("run_id", where.run), ("task_id", where.task)):
        if text:
            condition &= begins(column, text)
    for word in where.words:
        names = ("dag_id", "run_id", "task_id")
        condition &= Q(*((f"{name}__icontains", word) for name in names), _connector=Q.OR)
    if where.key:
        kept = EntryRow.objects.filter(
            unexpired(now), begins("key", where.key), task_instance=OuterRef("pk")
        )
        # A value instead of EXISTS: PostgreSQL would turn that into a join over every entry.
        condition &= Q(IsNull(Subquery(kept.values("pk")[:1]), False))
        return condition, _LOOKED_AT_KEYS
    return condition, _LOOKED_AT if condition else 0
