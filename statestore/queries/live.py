"""Task instances as Live lists them: those in trouble first, a mapped task as one row, in keyset pages."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import Case, Count, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.lookups import IsNull

from statestore.access import Principal
from statestore.models import Entry as EntryRow
from statestore.models import TaskInstance
from statestore.protocol import MAP_INDEX_NONE
from statestore.queries.counting import COUNTED, counts
from statestore.queries.figures import (
    StoreFigures,
    sees_everything,
    store_counted,
    store_figures,
)
from statestore.queries.keyset import after, begins, decode, encode, values_of
from statestore.queries.patterns import reached
from statestore.queries.states import TaskState, in_state, in_tab
from statestore.queries.tasks import TaskSummary, summaries, unexpired


class TaskOrder(enum.StrEnum):
    """How a list of tasks is sorted."""

    ATTENTION = ""
    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"


_COLUMNS: Final = {
    TaskOrder.ATTENTION: ("-active_at", "-id"),
    TaskOrder.NEWEST: ("-active_at", "-id"),
    TaskOrder.OLDEST: ("active_at", "id"),
    TaskOrder.NAME: ("dag_id", "run_id", "task_id", "map_index"),
}
_LOOKED_AT: Final = 5_000  # rows that a condition without an index may look at for one page
_LOOKED_AT_KEYS: Final = 2_000  # the same, where it must look for a key of each row
_BATCH: Final = 200  # task instances read at once, so that mapped ones make enough rows
_BATCHES: Final = 3


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


@dataclass(frozen=True, slots=True)
class LiveRow:
    """A task instance, or all map indices of a task behind the one that stands for them."""

    task: TaskSummary
    urgent: bool
    mapped: StateCounts | None = None


@dataclass(frozen=True, slots=True)
class LiveRows:
    """A page of rows. `next_after` begins the next page; empty: there is none."""

    rows: list[LiveRow]
    next_after: str
    looked_at: int = 0
    """How many task instances were looked at, where the page ended before it was full."""


def live_rows(
    *, where: TaskFilter, principal: Principal, order: TaskOrder = TaskOrder.ATTENTION,
    limit: int = 50, position: str = "",
) -> LiveRows:  # fmt: skip
    """Those that the principal reaches; `position` is a page's `next_after`."""
    listing = _Listing(where, principal, order)
    start = number, values = decode(position, listing.columns)
    heads: list[tuple[int, TaskInstance]] = []
    next_after, looked_at = "", 0
    while number < len(listing.sections) and not next_after:
        found, end, looked_at = listing.heads(number, values, limit - len(heads))
        heads += [(number, head) for head in found]
        if end is not None:
            next_after = encode(number, end)
        elif len(heads) >= limit and number + 1 < len(listing.sections):
            next_after = encode(number + 1, None)
        number, values = number + 1, None
    return LiveRows(listing.rows(heads, start), next_after, looked_at)


def task_instance_counts(principal: Principal, *, at_most: int = COUNTED) -> StateCounts:
    """How many that the principal reaches are in each state; done and failed ones of 24 hours."""
    return StateCounts(*counts(*_tabs(principal), at_most=at_most))


def live_figures(principal: Principal) -> tuple[StateCounts, StoreFigures | None]:
    """The counts of Live, in one query, and what it shows of the store to who sees all of it."""
    if not sees_everything(principal):
        return task_instance_counts(principal), None
    *states, in_a_day, keys = counts(*_tabs(principal), *store_counted())
    return StateCounts(*states), store_figures(in_a_day, keys)


def _tabs(principal: Principal) -> list[QuerySet[TaskInstance]]:
    found, now = TaskInstance.objects.filter(reached(principal)), datetime.now(UTC)
    return [found.filter(in_tab(state, now)).order_by("-active_at") for state in _COUNTED]


def newest_task(principal: Principal) -> TaskSummary | None:
    """The task instance that was written to last."""
    rows = TaskInstance.objects.filter(reached(principal)).order_by("-active_at", "-id")[:1]
    return next(iter(summaries(list(rows))), None)


_COUNTED: Final = (TaskState.RUNNING, TaskState.STALLED, TaskState.FAILED, TaskState.DONE)


class _Listing:
    """What stays the same from one section of a list to the next."""

    def __init__(self, where: TaskFilter, principal: Principal, order: TaskOrder) -> None:
        self.now = datetime.now(UTC)
        self.where, self.columns = where, _COLUMNS[order]
        self.base = TaskInstance.objects.filter(reached(principal), _indexed(where))
        self.slow, self.window = _slow(where, self.now)
        failed, stalled = in_tab(TaskState.FAILED, self.now), in_state(TaskState.STALLED, self.now)
        # Of one run the rows in trouble are found by sorting, of everything by reading them first.
        self.ranked = where.of_run is not None and where.state is None and not order
        if self.ranked:
            self.columns = ("-rank", *self.columns)
            self.base = self.base.annotate(rank=self._rank())
        if where.state is not None:
            self.sections = [in_tab(where.state, self.now)]
        elif order is TaskOrder.ATTENTION and not self.ranked:
            self.sections = [failed, stalled, ~(failed | stalled)]
        else:
            self.sections = [Q()]

    def _rank(self) -> Case:
        urgent = {TaskState.FAILED: 2, TaskState.STALLED: 1}
        return Case(*(When(in_tab(s, self.now), then=n) for s, n in urgent.items()), default=0)

    def heads(
        self, number: int, values: tuple[Any, ...] | None, room: int
    ) -> tuple[list[TaskInstance], tuple[Any, ...] | None, int]:
        """The instance that comes first of each row, where they end (None: all seen), and how many
        were looked at (0: as many as it takes)."""
        heads: dict[object, TaskInstance] = {}
        last = values
        for _ in range(_BATCHES):
            indexed = self.base.filter(self.sections[number]).order_by(*self.columns)
            if last is not None:
                indexed = indexed.filter(after(self.columns, last))
            batch = list(self._matching(indexed, heads.values())[:_BATCH])
            for instance in batch:
                if _group(instance) not in heads and len(heads) == room:
                    return list(heads.values()), last, 0
                heads.setdefault(_group(instance), instance)
                last = values_of(self.columns, instance)
            if len(batch) < _BATCH:
                beyond = indexed[self.window - 1 : self.window].first() if self.window else None
                end = values_of(self.columns, beyond) if beyond else None
                return list(heads.values()), end, self.window if beyond else 0
        return list(heads.values()), last, 0

    def _matching(
        self, indexed: QuerySet[TaskInstance], heads: Iterable[TaskInstance]
    ) -> QuerySet[TaskInstance]:
        found = indexed
        if self.window:
            looked_at = indexed[: self.window].values("pk")
            found = TaskInstance.objects.filter(self.slow, pk__in=looked_at)
        for head in heads:
            if head.map_index != MAP_INDEX_NONE:
                found = found.exclude(**_ids(head))
        return found.order_by(*self.columns)

    def rows(
        self, heads: list[tuple[int, TaskInstance]], start: tuple[int, tuple[Any, ...] | None]
    ) -> list[LiveRow]:
        """The rows behind the instances that come first; a mapped task once, where it came first."""
        groups = self._groups([head for _, head in heads], start)
        first = {_group(head): (number, head) for number, head in reversed(heads)}
        kept = [
            (n, h)
            for n, h in heads
            if first[_group(h)] == (n, h) and groups.get(_group(h), StateCounts())
        ]
        rows = []
        for (number, head), task in zip(kept, summaries([h for _, h in kept]), strict=True):
            mapped = groups.get(_group(head))
            several = mapped if mapped and mapped.total > 1 else None
            urgent = getattr(head, "rank", 0) > 0 or (len(self.sections) > 1 and number < 2)
            calm = not urgent and (self.ranked or number > 1)
            shown = replace(task, state=mapped.state) if mapped and calm else task
            rows.append(LiveRow(shown, urgent, several))
        return rows

    def _groups(
        self, heads: list[TaskInstance], start: tuple[int, tuple[Any, ...] | None]
    ) -> dict[object, StateCounts | None]:
        """The counts of each mapped task; None where an earlier page has shown it."""
        mapped = [head for head in heads if head.map_index != MAP_INDEX_NONE]
        if not mapped:
            return {}
        number, values = start
        earlier = Q(pk__in=[])
        if values is not None:
            earlier = self.sections[number] & self.slow & ~after(self.columns, values)
        for section in self.sections[:number]:
            earlier |= section & self.slow
        found = TaskInstance.objects.filter(
            Q(*(Q(**_ids(head)) for head in mapped), _connector=Q.OR)
        )
        if self.ranked:
            found = found.annotate(rank=self._rank())
        by_task = found.values("dag_id", "run_id", "task_id")
        states = {s.value: Count("pk", filter=in_state(s, self.now)) for s in TaskState}
        counted: Any = by_task.annotate(**states, earlier=Count("pk", filter=earlier))
        return {
            (row["dag_id"], row["run_id"], row["task_id"]): None
            if row["earlier"]
            else StateCounts(**{s.value: row[s.value] for s in TaskState})
            for row in counted
        }


def matching(where: TaskFilter, principal: Principal) -> tuple[QuerySet[TaskInstance], Q, int]:
    """What an index finds of a filter, in no order; what must be looked at row by row, and at how
    many rows for one page (0: any number)."""
    found = TaskInstance.objects.filter(reached(principal), _indexed(where))
    return found, *_slow(where, datetime.now(UTC))


def _group(instance: TaskInstance) -> object:
    """What makes one row: a mapped task, or the instance alone."""
    if instance.map_index == MAP_INDEX_NONE:
        return instance.pk
    return instance.dag_id, instance.run_id, instance.task_id


def _ids(instance: TaskInstance) -> dict[str, str]:
    return {
        "dag_id": instance.dag_id,
        "run_id": instance.run_id,
        "task_id": instance.task_id,
    }


def _indexed(where: TaskFilter) -> Q:
    """What an index answers."""
    condition = begins("dag_id", where.dag) if where.dag else Q()
    if where.of_run is not None:
        condition &= Q(dag_id=where.of_run[0], run_id=where.of_run[1])
    return condition


def _slow(where: TaskFilter, now: datetime) -> tuple[Q, int]:
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
