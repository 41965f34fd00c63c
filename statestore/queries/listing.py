"""Task instances as Live lists them: those in trouble first, a mapped task as one row, in keyset pages.

A page costs at most three queries for its rows, and looks at a bounded number of them: first it asks where
so many rows end, then for those that match among them.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import Case, Count, Max, Min, Q, QuerySet, When

from statestore.access import Principal
from statestore.models import TaskInstance
from statestore.protocol import MAP_INDEX_NONE
from statestore.queries.counting import nth_values
from statestore.queries.keyset import after, decode, encode, until, values_of
from statestore.queries.live import StateCounts
from statestore.queries.matching import TaskFilter, matching
from statestore.queries.states import TaskState, in_state, in_tab
from statestore.queries.tasks import TaskSummary, summaries


class TaskOrder(enum.StrEnum):
    """How a list of tasks is sorted."""

    ATTENTION = ""
    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"


class Section(enum.StrEnum):
    """The parts of a list by attention, in their order."""

    URGENT = "urgent"
    RUNNING = "running"
    OTHERS = "others"


_NEWEST: Final = ("-active_at", "-id")
_COLUMNS: Final = {
    TaskOrder.ATTENTION: _NEWEST,
    TaskOrder.NEWEST: _NEWEST,
    TaskOrder.OLDEST: ("active_at", "id"),
    TaskOrder.NAME: ("dag_id", "run_id", "task_id", "map_index"),
}
_SECTIONS: Final = {1: Section.RUNNING, 0: Section.OTHERS}  # by rank; failed and stalled are urgent
_BATCHES: Final = (80, 300)  # task instances read at once, so that mapped ones make enough rows
_RANKED: Final = 400  # rows of each rank that are sorted for a page


FINISHED_WITHIN: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Finished:
    """Map indices that were done in the last 10 minutes: how many, the first and the last of them."""

    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class LiveRow:
    """A task instance, or all map indices of a task behind the one that stands for them."""

    task: TaskSummary
    section: Section
    mapped: StateCounts | None = None
    finished: Finished | None = None


@dataclass(frozen=True, slots=True)
class LiveRows:
    """A page of rows. `next_after` begins the next page; empty: there is none."""

    rows: list[LiveRow]
    next_after: str
    looked_at: int = 0
    """How many task instances were looked at, where the page ended before it was full."""


def live_rows(
    *, where: TaskFilter, principal: Principal, order: TaskOrder = TaskOrder.ATTENTION,
    limit: int = 50, position: str = "", swept: bool = False,
) -> LiveRows:  # fmt: skip
    """Those that the principal reaches; `position` is a page's `next_after`, `swept` what `is_swept` says."""
    listing = _Listing(where, principal, order, swept)
    section, start = decode(position, listing.columns)
    if section:  # there is one alone
        return LiveRows([], "")
    heads, end, looked_at = listing.heads(start, limit)
    return LiveRows(listing.rows(heads, start), encode(0, end) if end else "", looked_at)


Values = tuple[Any, ...]


class _Listing:
    """What stays the same from one page of a list to the next."""

    def __init__(
        self, where: TaskFilter, principal: Principal, order: TaskOrder, swept: bool
    ) -> None:
        self.now, self.apart = datetime.now(UTC), where.apart
        self.finished: dict[object, Finished] = {}
        self.columns = _COLUMNS[order]
        found = matching(where, principal)
        self.base, self.slow, self.window = found.rows, found.slow, found.window
        self.ranked = where.state is None and order is TaskOrder.ATTENTION
        # A run is shown with all that is in it, however old.
        listed, swept = (in_state, False) if where.of_run else (in_tab, swept)
        failed, stalled, running = (
            listed(state, self.now, swept=swept)
            for state in (TaskState.FAILED, TaskState.STALLED, TaskState.RUNNING)
        )
        self.ranks = {3: failed, 2: stalled, 1: running, 0: ~(failed | stalled | running)}
        if self.ranked:
            self.columns = ("-rank", *self.columns)
            self.base = self.base.annotate(rank=self._rank())
            self.window = self.window or (0 if found.few else _RANKED)
        self.state = Q() if where.state is None else listed(where.state, self.now, swept=swept)
        self.base = self.base.filter(self.state)

    def _rank(self) -> Case:
        return Case(*(When(self.ranks[rank], then=rank) for rank in (3, 2, 1)), default=0)

    def heads(
        self, start: Values | None, limit: int
    ) -> tuple[list[TaskInstance], Values | None, int]:
        """The instance that comes first of each row, where the page ends (None: all seen), and how
        many were looked at (0: as many as it takes)."""
        within, beyond = self._within(start)
        heads: dict[object, TaskInstance] = {}
        last = start
        for size in _BATCHES:
            batch = list(self._after(within, last, heads.values())[:size])
            for instance in batch:
                group = self._group(instance)
                if group not in heads and len(heads) == limit:
                    return list(heads.values()), last, 0
                heads.setdefault(group, instance)
                last = values_of(self.columns, instance)
            if len(batch) < size:
                return list(heads.values()), beyond, self.window if beyond and self.slow else 0
        return list(heads.values()), last, 0

    def _is_mapped(self, instance: TaskInstance) -> bool:
        return instance.map_index != MAP_INDEX_NONE and not self.apart

    def _group(self, instance: TaskInstance) -> object:
        """What makes one row: a mapped task, or the instance alone."""
        if not self._is_mapped(instance):
            return instance.pk
        return instance.dag_id, instance.run_id, instance.task_id

    def _after(
        self, within: QuerySet[TaskInstance], last: Values | None, heads: Iterable[TaskInstance]
    ) -> QuerySet[TaskInstance]:
        rows = within if last is None else within.filter(after(self.columns, last))
        for head in heads:
            if self._is_mapped(head):
                rows = rows.exclude(**_ids(head))
        return rows.order_by(*self.columns)

    def _within(self, start: Values | None) -> tuple[QuerySet[TaskInstance], Values | None]:
        """The rows that one page may look at, and the last of them, where more follow."""
        if not self.window:
            return self.base.filter(self.slow), None
        if not self.ranked:
            rows = self.base if start is None else self.base.filter(after(self.columns, start))
            (end,) = nth_values(self.columns, [rows.order_by(*self.columns)], self.window)
            bound = Q() if end is None else until(self.columns, end)
            return self.base.filter(self.slow, bound), end
        return self._within_ranks(start)

    def _within_ranks(self, start: Values | None) -> tuple[QuerySet[TaskInstance], Values | None]:
        """Those of each rank, as far as none of an earlier rank is left out."""
        sections = {}
        for rank, condition in self.ranks.items():
            if start is None or rank < start[0]:
                sections[rank] = condition
            elif rank == start[0]:
                sections[rank] = condition & after(_NEWEST, start[1:])
        found = [self.base.filter(condition).order_by(*_NEWEST) for condition in sections.values()]
        within, beyond = Q(), None
        for (rank, condition), end in zip(
            sections.items(), nth_values(_NEWEST, found, self.window), strict=True
        ):
            within |= condition if end is None else condition & until(_NEWEST, end)
            if end is not None:
                beyond = (rank, *end)
                break
        return self.base.filter(self.slow, within), beyond

    def rows(self, heads: list[TaskInstance], start: Values | None) -> list[LiveRow]:
        """The rows behind the instances that come first; a mapped task once, where it came first."""
        groups = self._groups(heads, start)
        kept = [head for head in heads if groups.get(self._group(head), StateCounts())]
        rows = []
        for head, task in zip(kept, summaries(kept), strict=True):
            mapped = groups.get(self._group(head))
            several = mapped if mapped and mapped.total > 1 else None
            section = _SECTIONS.get(getattr(head, "rank", 0), Section.URGENT)
            calm = self.ranked and section is not Section.URGENT
            shown = replace(task, state=mapped.state) if mapped and calm else task
            finished = self.finished.get(self._group(head)) if several else None
            rows.append(LiveRow(shown, section, several, finished))
        return rows

    def _groups(
        self, heads: list[TaskInstance], start: Values | None
    ) -> dict[object, StateCounts | None]:
        """The counts of each mapped task; None where an earlier page has shown it."""
        mapped = [head for head in heads if self._is_mapped(head)]
        if not mapped:
            return {}
        earlier = (
            Q(pk__in=[]) if start is None else self.state & self.slow & ~after(self.columns, start)
        )
        found = TaskInstance.objects.filter(
            Q(*(Q(**_ids(head)) for head in mapped), _connector=Q.OR),
            map_index__gt=MAP_INDEX_NONE,
        )
        if self.ranked:
            found = found.annotate(rank=self._rank())
        by_task = found.values("dag_id", "run_id", "task_id")
        states = {s.value: Count("pk", filter=in_state(s, self.now)) for s in TaskState}
        since = self.now - FINISHED_WITHIN
        recent = in_state(TaskState.DONE, self.now) & Q(active_at__gte=since)
        counted: Any = by_task.annotate(
            **states,
            earlier=Count("pk", filter=earlier),
            recent=Count("pk", filter=recent),
            from_=Min("active_at", filter=recent),
            to=Max("active_at", filter=recent),
        )
        self.finished = {
            (row["dag_id"], row["run_id"], row["task_id"]): Finished(
                row["recent"], row["from_"], row["to"]
            )
            for row in counted
            if row["recent"]
        }
        return {
            (row["dag_id"], row["run_id"], row["task_id"]): None
            if row["earlier"]
            else StateCounts(**{s.value: row[s.value] for s in TaskState})
            for row in counted
        }


def _ids(instance: TaskInstance) -> dict[str, str]:
    return {
        "dag_id": instance.dag_id,
        "run_id": instance.run_id,
        "task_id": instance.task_id,
    }
