"""The strips of a run's page: the map indices of its mapped tasks, each as a cell."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import Case, CharField, Count, F, Q, QuerySet, Value, When, Window
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
    rows = TaskInstance.objects.filter(dag_id=run.dag_id, run_id=run.run_id, map_index__gte=0)
    if task_id:
        rows = rows.filter(task_id=task_id)
    now, drawable, totals = datetime.now(UTC), rows, {}
    if run.counts.total > OF_A_TASK:
        failed = rows.filter(in_state(TaskState.FAILED, now) | in_state(TaskState.STALLED, now))
        drawable = rows.filter(Q(pk__in=_first_of_each(failed)) | Q(pk__in=_first_of_each(rows)))
        totals = dict(rows.order_by().values_list("task_id").annotate(Count("pk")))
    by_task = {
        task: sorted(cells, key=lambda cell: cell.state not in _TROUBLE)[:OF_A_TASK]
        for task, cells in _cells(drawable, now).items()
    }
    # By place, so that a task with many indices leaves the others theirs.
    places = sorted((place, task) for task in by_task for place in range(len(by_task[task])))
    rooms = Counter(task for _, task in places[:OF_A_RUN])
    return [
        Strip(
            task,
            sorted(by_task[task][:room], key=lambda cell: cell.map_index),
            max(totals.get(task, 0), len(by_task[task])),
        )
        for task, room in sorted(rooms.items())
    ]


def _first_of_each(rows: QuerySet[TaskInstance]) -> QuerySet[TaskInstance, Any]:
    """The first ones of each task by index, as many as may be drawn."""
    placed = rows.annotate(place=Window(RowNumber(), F("task_id"), order_by="map_index"))
    first = placed.filter(place__lte=OF_A_TASK).order_by("place", "task_id")
    return first.values("pk")[:OF_A_RUN]


def _cells(rows: QuerySet[TaskInstance], now: datetime) -> dict[str, list[MapIndex]]:
    """The map indices of each task in their order. The state, of which each of its conditions is dear,
    is asked for of these alone, not of all the rows of a run."""
    states = (When(in_state(state, now), then=Value(state.value)) for state in TaskState)
    found: Any = rows.annotate(state=Case(*states, output_field=CharField()))
    cells: dict[str, list[MapIndex]] = {}
    names = ("pk", "task_id", "map_index", "state")
    for pk, task, index, state in found.order_by("map_index").values_list(*names):
        cells.setdefault(task, []).append(MapIndex(pk, index, TaskState(state)))
    return cells
