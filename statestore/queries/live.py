"""Live's counts and figures."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db.models import QuerySet

from statestore.access import Principal
from statestore.models import TaskInstance
from statestore.queries.counting import COUNTED, counts
from statestore.queries.figures import (
    StoreFigures,
    sees_everything,
    store_counted,
    store_figures,
)
from statestore.queries.patterns import reached
from statestore.queries.states import TaskState, in_tab
from statestore.queries.tasks import TaskSummary, summaries

_COUNTED: Final = (TaskState.RUNNING, TaskState.STALLED, TaskState.FAILED, TaskState.DONE)


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
    """How many that the principal reaches are in each state, as Live counts them."""
    return StateCounts(*counts(*_tabs(principal), at_most=at_most))


def live_figures(
    principal: Principal, *, swept: bool = False
) -> tuple[StateCounts, StoreFigures | None]:
    """The counts of Live, in one query, and what it shows of the store to who sees all of it; `swept` is
    what `is_swept` says. For patterns of dags PostgreSQL would then take a plan that is twice as slow."""
    if not sees_everything(principal):
        return task_instance_counts(principal), None
    figures = counts(*_tabs(principal, swept=swept), *store_counted())
    return StateCounts(*figures[: len(_COUNTED)]), store_figures(*figures[len(_COUNTED) :])


def _tabs(principal: Principal, *, swept: bool = False) -> list[QuerySet[TaskInstance]]:
    found, now = TaskInstance.objects.filter(reached(principal)), datetime.now(UTC)
    tabs = [in_tab(state, now, swept=swept) for state in _COUNTED]
    return [found.filter(tab).order_by("-active_at") for tab in tabs]


def newest_task(principal: Principal) -> TaskSummary | None:
    """The task instance that was written to last."""
    rows = TaskInstance.objects.filter(reached(principal)).order_by("-active_at", "-id")[:1]
    return next(iter(summaries(list(rows))), None)


def newest_names(principal: Principal, *, limit: int) -> set[tuple[str, str, str]]:
    """The dags, runs and tasks of the task instances that were written to last."""
    rows = TaskInstance.objects.filter(reached(principal)).order_by("-active_at", "-id")
    return set(rows.values_list("dag_id", "run_id", "task_id")[:limit])
