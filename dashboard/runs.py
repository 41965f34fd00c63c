"""What Runs and Run show."""

from dataclasses import dataclass

from django.http import QueryDict

from dashboard.filters import filter_of, position_of
from dashboard.table import TaskTable, read_table
from dashboard.watch import cursor_of
from statestore import queries
from statestore.access import Principal
from statestore.queries import MapIndex, RunSummary, TaskFilter


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
    strips: dict[str, list[MapIndex]]


def read_runs(params: QueryDict, principal: Principal) -> RunsPage:
    """The runs that a query string asks for."""
    where, position = filter_of(params), position_of(params)
    found = queries.run_page(where=where, principal=principal, position=position)
    return RunsPage(cursor_of(found), found.runs, where, position, found.next_after)


def read_run(params: QueryDict, principal: Principal, run: int) -> RunPage:
    """One run, by the number in its page's URL.

    Raises:
        NotFoundError: there is none that the principal reaches.
    """
    found = queries.run_detail(run, principal)
    where = TaskFilter(of_run=(found.dag_id, found.run_id), state=filter_of(params).state)
    table, strips = read_table(where, params, principal), queries.run_strips(found)
    return RunPage(cursor_of(found, table, strips), found, table, where, strips)
