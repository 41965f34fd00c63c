"""What Runs and Run show."""

from dataclasses import dataclass

from django.http import QueryDict

from dashboard.filters import filter_of, position_of
from dashboard.table import TaskTable, read_table
from dashboard.watch import cursor_of
from statestore import queries
from statestore.access import Principal
from statestore.queries import RunSummary, StateCounts, Strip, TaskFilter


@dataclass(frozen=True, slots=True)
class RunsPage:
    """One page of runs."""

    cursor: str
    runs: list[RunSummary]
    where: TaskFilter
    position: str
    next_after: str


@dataclass(frozen=True, slots=True)
class RunPage:
    """The page of one run."""

    cursor: str
    run: RunSummary
    table: TaskTable
    where: TaskFilter
    counts: StateCounts
    """Of what the table lists, in whatever state."""
    strips: list[Strip]


def read_runs(params: QueryDict, principal: Principal) -> RunsPage:
    """The runs that a query string asks for."""
    where, position = filter_of(params), position_of(params)
    found = queries.run_page(where=where, principal=principal, position=position)
    return RunsPage(cursor_of(found), found.runs, where, position, found.next_after)


def read_run(params: QueryDict, principal: Principal, run: int) -> RunPage:
    """One run, by the number in its page's URL; `?task=` lists the map indices of one of its tasks.

    Raises:
        NotFoundError: there is none that the principal reaches.
    """
    found, task = queries.run_detail(run, principal), params.get("task", "").replace("\0", "")
    where = TaskFilter(
        of_run=(found.dag_id, found.run_id),
        state=filter_of(params).state,
        task=task,
        whole=frozenset({"task"}),
        apart=bool(task),
    )
    table, strips = read_table(where, params, principal), queries.run_strips(found, task_id=task)
    counts = queries.run_task_counts(found, task) if task else found.counts
    cursor = cursor_of(found, table, counts, strips)
    return RunPage(cursor, found, table, where, counts, strips)
