"""Which task instances a filter asks for, and how they are found."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import IsNull

from statestore.access import Principal
from statestore.models import Entry as EntryRow
from statestore.models import TaskInstance
from statestore.queries.counting import few_of
from statestore.queries.keyset import names
from statestore.queries.patterns import reached
from statestore.queries.states import TaskState
from statestore.queries.tasks import unexpired

_LOOKED_AT: Final = 600  # rows that a condition without an index may look at for one page


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which task instances: beginnings of ids, a key they keep, words anywhere in their ids."""

    state: TaskState | None = None
    dag: str = ""
    run: str = ""
    task: str = ""
    key: str = ""
    words: tuple[str, ...] = ()
    whole: frozenset[str] = frozenset()
    """Those of dag, run, task and key that are whole names, and not beginnings."""
    of_run: tuple[str, str] | None = None
    """Exactly this dag and run."""
    apart: bool = False
    """Whether each map index is a row, instead of its task."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Where to look for what a filter asks for."""

    rows: QuerySet[TaskInstance]
    """What an index finds, in no order."""
    slow: Q
    """What must be looked at row by row."""
    window: int
    """At how many rows for one page; 0: at any number."""
    few: bool
    """Whether the rows are few enough to be sorted as a whole."""


def matching(where: TaskFilter, principal: Principal) -> Matching:
    """Where to look, among what the principal reaches."""
    rows, slow = TaskInstance.objects.filter(reached(principal)), _slow_part(where)
    if where.dag:
        rows = rows.filter(_says(where, "dag", "dag_id"))
    if where.of_run is not None:
        rows = rows.filter(dag_id=where.of_run[0], run_id=where.of_run[1])
        return Matching(rows, slow, 0, few=True)
    numbers = _few(where)
    if numbers is not None:
        return Matching(rows.filter(pk__in=numbers), slow, 0, few=True)
    window = _LOOKED_AT if slow else 0
    return Matching(rows, slow, window, few=False)


def _few(where: TaskFilter) -> set[int] | None:
    """All that the index of a run, a task or a key finds, if that is few: else what matches may be far
    down among the newest."""
    places: tuple[tuple[str, str, Any, str], ...] = (
        ("run", "run_id", TaskInstance, "pk"),
        ("task", "task_id", TaskInstance, "pk"),
        ("key", "key", EntryRow, "task_instance_id"),
    )
    ranges = [
        (table.objects.filter(_says(where, field, column)), column, number)
        for field, column, table, number in places
        if getattr(where, field)
    ]
    return few_of(*ranges)


def _slow_part(where: TaskFilter) -> Q:
    condition = Q()
    for field, column in (("run", "run_id"), ("task", "task_id")):
        if getattr(where, field):
            condition &= _says(where, field, column)
    for word in where.words:
        names = ("dag_id", "run_id", "task_id")
        condition &= Q(*((f"{name}__icontains", word) for name in names), _connector=Q.OR)
    if where.key:
        kept = EntryRow.objects.filter(
            unexpired(datetime.now(UTC)), _says(where, "key", "key"), task_instance=OuterRef("pk")
        )
        # A value instead of EXISTS: PostgreSQL would turn that into a join over every entry.
        condition &= Q(IsNull(Subquery(kept.values("pk")[:1]), False))
    return condition


def _says(where: TaskFilter, field: str, column: str) -> Q:
    return names(column, getattr(where, field), whole=field in where.whole)
