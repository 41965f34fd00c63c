"""Task instances as people look at them: what each last reported, and when."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Case, Count, F, Max, Min, OuterRef, Q, When, Window
from django.db.models.functions import RowNumber

from statestore.access import Principal
from statestore.errors import NotFoundError
from statestore.models import Entry as EntryRow
from statestore.models import TaskInstance
from statestore.protocol import MAP_INDEX_NONE, PROGRESS_KEY, TaskScope
from statestore.queries.entries import Entry
from statestore.queries.patterns import reached
from statestore.queries.secrets import open_findings
from statestore.queries.states import TaskState, state_of


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """A task instance as a row of Live: what it is, what it last reported, and when."""

    id: int
    scope: TaskScope
    attempt: int
    state: TaskState
    progress: str | None  # JSON text of its progress entry
    hidden: bool  # something in that looks like a secret
    key_count: int
    other_keys: list[str]  # the first few that are not progress
    last_write: datetime | None


@dataclass(frozen=True, slots=True)
class Siblings:
    """Where a map index stands among those of its task."""

    place: int
    """From 1."""
    total: int
    previous_id: int | None
    next_id: int | None


@dataclass(frozen=True, slots=True)
class TaskDetail:
    """A task instance with its entries, by key."""

    summary: TaskSummary
    created_at: datetime
    entries: list[Entry]
    siblings: Siblings | None
    """None where the task is not mapped."""
    next_key: str
    """The page of entries that follows begins after this key; empty: there is none."""


KEYS_SHOWN = 200


def task_detail(task_instance_id: int, principal: Principal, *, after_key: str = "") -> TaskDetail:
    """One task instance, by the number in its page's URL, with its first entries after a key.

    Raises:
        NotFoundError: there is none with this number that the principal reaches.
    """
    row = _reached_row(task_instance_id, principal)
    entries = EntryRow.objects.filter(
        unexpired(datetime.now(UTC)), task_instance=row, key__gt=after_key
    ).order_by("key")[: KEYS_SHOWN + 1]
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
    next_key = snapshots[KEYS_SHOWN - 1].key if len(snapshots) > KEYS_SHOWN else ""
    return TaskDetail(summary, row.created_at, snapshots[:KEYS_SHOWN], _siblings(row), next_key)


def task_scope(task_instance_id: int, principal: Principal) -> TaskScope:
    """The ids of the task instance with this number.

    Raises:
        NotFoundError: there is none with this number that the principal reaches.
    """
    return _reached_row(task_instance_id, principal).scope


def _reached_row(task_instance_id: int, principal: Principal) -> TaskInstance:
    row = TaskInstance.objects.filter(reached(principal), pk=task_instance_id).first()
    if row is None:
        raise NotFoundError("This task instance is not there: it never was, or it was deleted.")
    return row


def _siblings(row: TaskInstance) -> Siblings | None:
    if row.map_index == MAP_INDEX_NONE:
        return None
    others = TaskInstance.objects.filter(
        dag_id=row.dag_id, run_id=row.run_id, task_id=row.task_id, map_index__gte=0
    )
    found = others.aggregate(
        total=Count("pk"),
        before=Count("pk", filter=Q(map_index__lt=row.map_index)),
        previous=Max("map_index", filter=Q(map_index__lt=row.map_index)),
        next=Min("map_index", filter=Q(map_index__gt=row.map_index)),
    )
    beside = [index for index in (found["previous"], found["next"]) if index is not None]
    ids = dict(others.filter(map_index__in=beside).values_list("map_index", "pk"))
    return Siblings(
        found["before"] + 1, found["total"], ids.get(found["previous"]), ids.get(found["next"])
    )


def unexpired(now: datetime) -> Q:
    """Entries that exist for readers."""
    return Q(expires_at__isnull=True) | Q(expires_at__gt=now)


OTHER_KEYS_SHOWN = 3
_Entry = tuple[str, int, datetime, str | None, bool]


def summaries(rows: list[TaskInstance]) -> list[TaskSummary]:
    """What Live and the search show of task instances, in one query."""
    if not rows:
        return []
    now, each = datetime.now(UTC), F("task_instance_id")
    secret = open_findings(OuterRef("pk"), OuterRef("task_instance_id"))
    entries = (
        EntryRow.objects.filter(unexpired(now), task_instance__in=[row.pk for row in rows])
        .annotate(
            place=Window(RowNumber(), each, order_by="key"),
            keys=Window(Count("pk"), each),
            last=Window(Max("updated_at"), each),
            progress=Case(When(key=PROGRESS_KEY, then="value")),
            hidden=Case(When(key=PROGRESS_KEY, then=secret), default=False),
        )
        .filter(Q(place__lte=OTHER_KEYS_SHOWN + 1) | Q(key=PROGRESS_KEY))
        .order_by("task_instance_id", "key")
        .values_list("task_instance_id", "key", "keys", "last", "progress", "hidden")
    )
    found: dict[int, list[_Entry]] = {}
    for pk, *entry in entries:
        found.setdefault(pk, []).append(tuple(entry))
    return [_summary(row, found.get(row.pk, []), now) for row in rows]


def _summary(row: TaskInstance, entries: list[_Entry], now: datetime) -> TaskSummary:
    _, count, last_write, *_ = entries[0] if entries else ("", 0, None)
    progress, hidden = next((e[3:] for e in entries if e[0] == PROGRESS_KEY), (None, False))
    return TaskSummary(
        id=row.pk,
        scope=row.scope,
        attempt=row.attempt,
        state=state_of(row, progress, now),
        progress=progress,
        hidden=bool(hidden),
        key_count=count,
        other_keys=[key for key, *_ in entries if key != PROGRESS_KEY][:OTHER_KEYS_SHOWN],
        last_write=last_write,
    )
