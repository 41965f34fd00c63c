"""Task instances as people look at them: what each last reported, and when."""

import enum
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Count, Max, Q, Window
from django.db.models.functions import RowNumber

from statestore.access import Principal
from statestore.errors import NotFoundError
from statestore.models import Entry as EntryRow
from statestore.models import TaskInstance
from statestore.protocol import PROGRESS_KEY, Status, TaskScope
from statestore.queries.entries import Entry
from statestore.queries.patterns import reached


class TaskState(enum.StrEnum):
    """What a task last reported, and whether it has been silent since."""

    RUNNING = "running"
    STALLED = "stalled"
    DONE = "done"
    FAILED = "failed"
    NONE = "none"  # it keeps keys, and reports no progress


_STATUS_OF = {
    TaskState.DONE: Status.DONE,
    TaskState.FAILED: Status.FAILED,
    TaskState.NONE: Status.NONE,
}
ACTIVE_AT_LAG = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """A task instance as a row of Live: what it is, what it last reported, and when."""

    id: int
    scope: TaskScope
    attempt: int
    state: TaskState
    progress: str | None  # JSON text of its progress entry
    key_count: int
    other_keys: list[str]  # the first few that are not progress
    last_write: datetime | None


@dataclass(frozen=True, slots=True)
class TaskDetail:
    """A task instance with all its entries, by key."""

    summary: TaskSummary
    created_at: datetime
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which task instances: beginnings of ids, a key they keep, words anywhere in their ids."""

    state: TaskState | None = None
    dag: str = ""
    run: str = ""
    task: str = ""
    key: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Some of the task instances that a filter lets through, and how many there are."""

    rows: list[TaskSummary]
    total: int


def task_page(
    *, where: TaskFilter, principal: Principal, limit: int = 50, offset: int = 0
) -> TaskPage:
    """Those that the principal reaches, newest first; without a state, those in trouble come first."""
    now = datetime.now(UTC)
    found = TaskInstance.objects.filter(reached(principal), _matches(where, now))
    found = found.order_by("-active_at", "-id")
    if where.state is not None:
        found = found.filter(_in_tab(where.state, now))
        return TaskPage(summaries(list(found[offset : offset + limit])), found.count())
    urgent = _in_tab(TaskState.FAILED, now) | _in_tab(TaskState.STALLED, now)
    # Two index scans instead of a sort of the whole table by urgency.
    rows = list(found.filter(urgent)[offset : offset + limit])
    if len(rows) < limit:
        skip = max(0, offset - found.filter(urgent).count())
        rows += found.exclude(urgent)[skip : skip + limit - len(rows)]
    return TaskPage(summaries(rows), found.count())


def task_instance_counts(principal: Principal) -> dict[TaskState, int]:
    """How many that the principal reaches are in each state; done and failed ones of 24 hours."""
    found = TaskInstance.objects.filter(reached(principal))
    now = datetime.now(UTC)
    states = (TaskState.RUNNING, TaskState.STALLED, TaskState.FAILED, TaskState.DONE)
    return {state: found.filter(_in_tab(state, now)).count() for state in states}


def task_detail(task_instance_id: int, principal: Principal) -> TaskDetail:
    """One task instance, by the number in its page's URL.

    Raises:
        NotFoundError: there is none with this number that the principal reaches.
    """
    row = TaskInstance.objects.filter(reached(principal), pk=task_instance_id).first()
    if row is None:
        raise NotFoundError("This task instance is not there: it never was, or it was deleted.")
    entries = EntryRow.objects.filter(_unexpired(datetime.now(UTC)), task_instance=row).order_by(
        "key"
    )
    snapshots = [
        Entry(
            e.key,
            e.value,
            e.version,
            e.created_at,
            e.updated_at,
            e.expires_at,
            e.writer,
            e.writer_task,
            e.attempt,
        )
        for e in entries
    ]
    (summary,) = summaries([row])
    return TaskDetail(summary, row.created_at, snapshots)


def _unexpired(now: datetime) -> Q:
    return Q(expires_at__isnull=True) | Q(expires_at__gt=now)


def _matches(where: TaskFilter, now: datetime) -> Q:
    fields = {"dag_id": where.dag, "run_id": where.run, "task_id": where.task}
    condition = Q(**{f"{name}__startswith": text for name, text in fields.items() if text})
    for word in where.words:
        ids = ("dag_id", "run_id", "task_id")
        condition &= Q(*((f"{name}__icontains", word) for name in ids), _connector=Q.OR)
    if where.key:
        keeping = EntryRow.objects.filter(_unexpired(now), key__startswith=where.key)
        condition &= Q(pk__in=keeping.values("task_instance_id"))
    return condition


def _in_tab(state: TaskState, now: datetime) -> Q:
    """The condition of a state; tasks that have ended count for 24 hours."""
    ended = state in {TaskState.DONE, TaskState.FAILED}
    recent = Q(active_at__gte=now - timedelta(hours=24)) if ended else Q()
    return in_state(state, now) & recent


def in_state(state: TaskState, now: datetime) -> Q:
    """The condition of a state over the coarse `active_at`, which lags the last write."""
    silent = Q(
        active_at__lt=now - timedelta(seconds=settings.STATESTORE_STALLED_SECONDS) - ACTIVE_AT_LAG
    )
    if state is TaskState.STALLED:
        return Q(status=Status.RUNNING.value) & silent
    if state is TaskState.RUNNING:
        return Q(status=Status.RUNNING.value) & ~silent
    return Q(status=_STATUS_OF[state].value)


def _state(status: Status, last_write: datetime | None, now: datetime) -> TaskState:
    if status is Status.RUNNING:
        silent = last_write is None or now - last_write > timedelta(
            seconds=settings.STATESTORE_STALLED_SECONDS
        )
        return TaskState.STALLED if silent else TaskState.RUNNING
    return {
        Status.NONE: TaskState.NONE,
        Status.DONE: TaskState.DONE,
        Status.FAILED: TaskState.FAILED,
    }[status]


OTHER_KEYS_SHOWN = 3


def summaries(rows: list[TaskInstance]) -> list[TaskSummary]:
    """What Live and the search show of task instances, in three queries."""
    now = datetime.now(UTC)
    entries = EntryRow.objects.filter(_unexpired(now), task_instance__in=[row.pk for row in rows])
    totals = {
        pk: (count, last)
        for pk, count, last in entries.values_list("task_instance_id").annotate(
            n=Count("pk"), last=Max("updated_at")
        )
    }
    progress = dict(entries.filter(key=PROGRESS_KEY).values_list("task_instance_id", "value"))
    numbered = (
        entries.exclude(key=PROGRESS_KEY)
        .annotate(place=Window(RowNumber(), partition_by="task_instance_id", order_by="key"))
        .filter(place__lte=OTHER_KEYS_SHOWN)
    )
    others: dict[int, list[str]] = {}
    for pk, key in numbered.order_by("task_instance_id", "key").values_list(
        "task_instance_id", "key"
    ):
        others.setdefault(pk, []).append(key)
    return [
        TaskSummary(
            id=row.pk,
            scope=row.scope,
            attempt=row.attempt,
            state=_state(Status(row.status), totals.get(row.pk, (0, None))[1], now),
            progress=progress.get(row.pk),
            key_count=totals.get(row.pk, (0, None))[0],
            other_keys=others.get(row.pk, []),
            last_write=totals.get(row.pk, (0, None))[1],
        )
        for row in rows
    ]
