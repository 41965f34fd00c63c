"""Runs: the task instances of one dag that share a run id."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import (
    Count,
    Func,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Q,
    Subquery,
    Sum,
)
from django.db.models.functions import JSONObject
from django.db.models.lookups import IsNull

from statestore.access import Principal
from statestore.errors import NotFoundError
from statestore.models import Entry as EntryRow
from statestore.models import TaskInstance
from statestore.queries.counting import counts, nth_values
from statestore.queries.keyset import after, decode, encode, until
from statestore.queries.live import StateCounts
from statestore.queries.matching import TaskFilter, matching
from statestore.queries.patterns import reached
from statestore.queries.states import TaskState, in_state
from statestore.queries.tasks import unexpired

_COLUMNS: Final = ("-active_at", "-id")
_BATCH: Final = 1000  # task instances looked at to find the next runs
_BATCHES: Final = 3


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run: what its tasks report, and what it keeps."""

    id: int
    """The number of its first task instance; in the URL of its page."""
    dag_id: str
    run_id: str
    counts: StateCounts
    first_write: datetime
    last_write: datetime
    """At most 30 seconds older than the true one."""
    key_count: int
    bytes_stored: int
    expires_at: datetime | None
    """By when the last of its keys that expires will have done so, to the hour; None: none does."""
    never_expire: int


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some runs, newest first. `next_after` begins the next page; empty: there is none."""

    runs: list[RunSummary]
    next_after: str


class _Bytes(Func):
    """How long a text is in UTF-8."""

    function, template, output_field = (
        "OCTET_LENGTH",
        "%(function)s(%(expressions)s)",
        IntegerField(),
    )

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Older ones know it of blobs alone."""
        template = "LENGTH(CAST(%(expressions)s AS BLOB))"
        return self.as_sql(compiler, connection, template=template, **context)


def run_page(
    *, where: TaskFilter, principal: Principal, limit: int = 15, position: str = ""
) -> RunPage:
    """The runs that the principal reaches, by their last write; `position` is a `next_after`."""
    _, values = decode(position, _COLUMNS)
    found: dict[tuple[str, str], None] = {}
    last, more = values, True
    matches = matching(where, principal)
    indexed, slow, window = matches.rows, matches.slow, matches.window
    within, beyond = indexed.filter(slow), None
    if window:
        ahead = indexed if values is None else indexed.filter(after(_COLUMNS, values))
        (beyond,) = nth_values(_COLUMNS, [ahead.order_by(*_COLUMNS)], window)
        within = indexed.filter(slow, Q() if beyond is None else until(_COLUMNS, beyond))
    for _ in range(_BATCHES):
        rows = within.exclude(_any_of(found)).order_by(*_COLUMNS)
        if last is not None:
            rows = rows.filter(after(_COLUMNS, last))
        batch = list(rows.values_list("dag_id", "run_id", "active_at", "pk")[:_BATCH])
        for dag_id, run_id, active_at, pk in batch:
            if (dag_id, run_id) not in found and len(found) == limit:
                break
            found[dag_id, run_id] = None
            last = (active_at, pk)
        else:
            if len(batch) == _BATCH:
                continue
            more, last = beyond is not None, beyond or last
        break
    shown = Q(pk__in=[]) if values is None else slow & ~after(_COLUMNS, values)
    summaries = _summaries(_any_of(found), shown)
    runs = [summaries[run] for run in found if run in summaries]
    return RunPage(runs, encode(0, last) if more and last else "")


def run_detail(task_instance_id: int, principal: Principal) -> RunSummary:
    """The run that a task instance belongs to.

    Raises:
        NotFoundError: there is none with this number that the principal reaches.
    """
    row = TaskInstance.objects.filter(reached(principal), pk=task_instance_id)
    dag_id, run_id = Subquery(row.values("dag_id")), Subquery(row.values("run_id"))
    for found in _summaries(Q(dag_id=dag_id, run_id=run_id), Q(pk__in=[])).values():
        return found
    raise NotFoundError("This run is not there: it never was, or it was deleted.")


def run_task_counts(run: RunSummary, task_id: str) -> StateCounts:
    """How many task instances of one task of the run are in each state."""
    now = datetime.now(UTC)
    rows = TaskInstance.objects.filter(dag_id=run.dag_id, run_id=run.run_id, task_id=task_id)
    states: Any = {s.value: Count("pk", filter=in_state(s, now)) for s in TaskState}
    return StateCounts(**rows.aggregate(**states))


def run_tasks_keeping(run: RunSummary, endings: tuple[str, ...]) -> int:
    """How many task instances of the run keep a key that ends so, at most COUNTED and one more."""
    ends = Q(*(("key__endswith", ending) for ending in endings), _connector=Q.OR)
    kept = EntryRow.objects.filter(unexpired(datetime.now(UTC)), ends, task_instance=OuterRef("pk"))
    rows = TaskInstance.objects.filter(dag_id=run.dag_id, run_id=run.run_id)
    # A value instead of EXISTS: PostgreSQL would turn that into a join over every entry.
    (found,) = counts(rows.filter(IsNull(Subquery(kept.values("pk")[:1]), False)))
    return found


def _any_of(runs: Iterable[tuple[str, str]]) -> Q:
    each = [Q(dag_id=dag, run_id=run) for dag, run in runs]
    return Q(*each, _connector=Q.OR) if each else Q(pk__in=[])


def _summaries(runs: Q, shown: Q) -> dict[tuple[str, str], RunSummary]:
    """The runs of these task instances, but for those that a page before has shown."""
    now = datetime.now(UTC)
    states: Any = {s.value: Count("pk", filter=in_state(s, now)) for s in TaskState}
    by_run = TaskInstance.objects.filter(runs).values("dag_id", "run_id")
    tasks: Any = by_run.annotate(
        **states,
        first=Min("created_at"),
        last=Max("active_at"),
        number=Min("pk"),
        earlier=Count("pk", filter=shown),
    )
    found_rows = {row["number"]: row for row in tasks if not row["earlier"]}
    kept = _entries_of(list(found_rows), now)
    found = {}
    for number, row in found_rows.items():
        figures = kept.get(number) or {}
        until = figures.get("until")
        found[row["dag_id"], row["run_id"]] = RunSummary(
            id=number,
            dag_id=row["dag_id"],
            run_id=row["run_id"],
            counts=StateCounts(**{s.value: row[s.value] for s in TaskState}),
            first_write=row["first"],
            last_write=row["last"],
            key_count=figures.get("keys", 0),
            bytes_stored=figures.get("size", 0),
            expires_at=None if until is None else datetime.fromtimestamp((until + 1) * 3600, UTC),
            never_expire=figures.get("never", 0),
        )
    return found


def _entries_of(numbers: list[int], now: datetime) -> dict[int, dict[str, Any]]:
    """Figures of the entries of the runs that these task instances belong to.

    A subquery for each run: joined at once, PostgreSQL would read the whole table of entries.
    """
    of_run = EntryRow.objects.filter(
        unexpired(now),
        task_instance__dag_id=OuterRef("dag_id"),
        task_instance__run_id=OuterRef("run_id"),
    )
    figures = JSONObject(
        keys=Count("pk"),
        size=Sum(_Bytes("value")),
        until=Max("expires_hour"),
        never=Count("pk", filter=Q(expires_at=None)),
    )
    by_run: Any = of_run.order_by().values("task_instance__dag_id").annotate(figures=figures)
    rows = TaskInstance.objects.filter(pk__in=numbers)
    return dict(rows.values_list("pk", Subquery(by_run.values("figures"))))
