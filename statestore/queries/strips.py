"""The strips of a run's page: the map indices of its mapped tasks, each as a cell."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import Case, CharField, Count, F, Value, When, Window
from django.db.models.functions import RowNumber

from statestore.models import TaskInstance
from statestore.queries.runs import RunSummary
from statestore.queries.states import TaskState, in_state

OF_A_TASK: Final = 500  # map indices that are drawn
OF_A_RUN: Final = 2_000  # of all its tasks, which share it
_TROUBLE: Final = (TaskState.FAILED, TaskState.STALLED)


@dataclass(frozen=True, slots=True)
class MapIndex:
    """One index of a mapped task."""

    id: int
    map_index: int
    state: TaskState


@dataclass(frozen=True, slots=True)
class Strip:
    """The map indices of a task in their order: of very many, the failed and stalled ones first."""

    task_id: str
    cells: list[MapIndex]
    total: int
    """How many map indices the task has."""


def run_strips(run: RunSummary, *, task_id: str = "") -> list[Strip]:
    """The strips of a run's mapped tasks, or of one of them."""
    now, each = datetime.now(UTC), F("task_id")
    rows = TaskInstance.objects.filter(dag_id=run.dag_id, run_id=run.run_id, map_index__gte=0)
    if task_id:
        rows = rows.filter(task_id=task_id)
    states = (When(in_state(state, now), then=Value(state.value)) for state in TaskState)
    calm = Case(*(When(in_state(state, now), then=0) for state in _TROUBLE), default=1)
    placed = rows.annotate(
        state=Case(*states, output_field=CharField()),
        place=Window(RowNumber(), each, order_by=[calm, F("map_index")]),
        total=Window(Count("pk"), each),
    )
    # By place, so that a task with many indices leaves the others theirs.
    first: Any = placed.filter(place__lte=OF_A_TASK).order_by("place", "task_id")[:OF_A_RUN]
    cells: dict[str, list[MapIndex]] = {}
    totals: dict[str, int] = {}
    for pk, task, index, state, total in first.values_list(
        "pk", "task_id", "map_index", "state", "total"
    ):
        cells.setdefault(task, []).append(MapIndex(pk, index, TaskState(state)))
        totals[task] = total
    return [
        Strip(task, sorted(cells[task], key=lambda cell: cell.map_index), totals[task])
        for task in sorted(cells)
    ]
