"""Task instances as people look at them: what each last reported, and when."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import Case, Count, Exists, Max, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Left

from statestore.access import Principal
from statestore.errors import NotFoundError
from statestore.models import Entry as EntryRow
from statestore.models import SecretFinding, TaskInstance
from statestore.protocol import MAP_INDEX_NONE, PROGRESS_KEY, TaskScope
from statestore.queries.entries import Entry
from statestore.queries.keyset import begins
from statestore.queries.patterns import reached
from statestore.queries.secrets import (
    HIDDEN,
    Suspect,
    first_finding,
    hidden_at_sight,
    masked,
    open_findings,
)
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
    other_values: list[str] = field(default_factory=list)
    """The beginnings of their JSON texts, for a list that shows them if `is_whole`; HIDDEN for possible
    secrets."""


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
    """Without what looks like a secret."""
    entry_ids: dict[str, int]
    """Their numbers, by key."""
    suspects: list[Suspect]
    """Those whose values are hidden for it."""
    siblings: Siblings | None
    """None where the task is not mapped."""
    next_key: str
    """The page of entries that follows begins after this key; empty: there is none."""


KEYS_SHOWN = 100


def task_keys(task_instance_id: int) -> list[str]:
    """All its keys."""
    rows = EntryRow.objects.filter(unexpired(datetime.now(UTC)), task_instance_id=task_instance_id)
    return list(rows.order_by("key").values_list("key", flat=True))


def task_detail(
    task_instance_id: int, principal: Principal, *, after_key: str = "", key: str = ""
) -> TaskDetail:
    """One task instance, by the number in its page's URL, with its first entries after a key, or of
    those whose keys begin so.

    Raises:
        NotFoundError: there is none with this number that the principal reaches.
    """
    row = _reached_row(task_instance_id, principal)
    entries: Any = EntryRow.objects.filter(
        unexpired(datetime.now(UTC)),
        begins("key", key) if key else Q(),
        task_instance=row,
        key__gt=after_key,
    )
    owner = OuterRef("pk"), OuterRef("task_instance_id")
    rows = entries.annotate(
        rule=first_finding(*owner, "rule"), found_at=first_finding(*owner, "found_at")
    ).order_by("key")[: KEYS_SHOWN + 1]
    snapshots = [
        Entry(
            e.key,
            HIDDEN if e.rule else e.value,
            e.version,
            e.created_at,
            e.updated_at,
            e.expires_at,
            e.writer,
            e.writer_task,
            e.attempt,
        )
        for e in rows
    ]
    hidden = hidden_at_sight((row.pk, entry.key, entry.value) for entry in snapshots)
    snapshots = [masked(entry, row.pk, hidden) for entry in snapshots]
    suspects = [Suspect(e.key, e.rule, e.found_at) for e in rows if e.rule]
    ids = {e.key: e.pk for e in rows}
    (summary,) = summaries([row])
    next_key = snapshots[KEYS_SHOWN - 1].key if len(snapshots) > KEYS_SHOWN else ""
    return TaskDetail(
        summary, row.created_at, snapshots[:KEYS_SHOWN], ids, suspects, _siblings(row), next_key
    )


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
    smaller = others.filter(map_index__lt=row.map_index)
    larger = others.filter(map_index__gt=row.map_index)
    together: Any = (of.order_by().values("task_id") for of in (others, smaller))
    total, before = (of.annotate(count=Count("pk")).values("count") for of in together)
    found = TaskInstance.objects.filter(pk=row.pk).values_list(
        Subquery(total),
        Subquery(before),
        Subquery(smaller.order_by("-map_index").values("pk")[:1]),
        Subquery(larger.order_by("map_index").values("pk")[:1]),
    )
    for count, place, previous_id, next_id in found:
        return Siblings((place or 0) + 1, count, previous_id, next_id)
    return None


def unexpired(now: datetime) -> Q:
    """Entries that exist for readers."""
    return Q(expires_at__isnull=True) | Q(expires_at__gt=now)


OTHER_KEYS_SHOWN = 3
VALUE_SHOWN = 200  # characters: of a longer value nothing is shown, for it has not been looked at


def is_whole(text: str) -> bool:
    """Whether one of a list's values is there to its end."""
    return len(text) < VALUE_SHOWN


def summaries(rows: list[TaskInstance], *, values: bool = False) -> list[TaskSummary]:
    """What Live and the search show of task instances, in one query: of each a few look-ups, so that
    one with very many keys costs little more than others."""
    if not rows:
        return []
    now = datetime.now(UTC)
    kept = EntryRow.objects.filter(unexpired(now), task_instance=OuterRef("pk"))
    together: Any = kept.order_by().values("task_instance")
    progress, others = kept.filter(key=PROGRESS_KEY), kept.exclude(key=PROGRESS_KEY).order_by("key")
    secret = SecretFinding.objects.filter(
        of_asset=False, owner_id=OuterRef("pk"), key=PROGRESS_KEY, dismissed_at=None
    )
    secret_in_it = open_findings(OuterRef("pk"), OuterRef("task_instance_id"))
    value = Case(When(secret_in_it, then=Value(HIDDEN)), default=Left("value", VALUE_SHOWN))
    shown: list[Any] = ["key", value] if values else ["key"]
    found = TaskInstance.objects.filter(pk__in=[row.pk for row in rows]).values_list(
        "pk",
        Subquery(together.annotate(keys=Count("pk")).values("keys")),
        Subquery(together.annotate(last=Max("updated_at")).values("last")),
        Subquery(progress.values("value")[:1]),
        Exists(secret),
        *(
            Subquery(others.values_list(what)[n : n + 1])
            for what in shown
            for n in range(OTHER_KEYS_SHOWN)
        ),
    )
    figures = {pk: found for pk, *found in found}
    nothing = [None] * (4 + OTHER_KEYS_SHOWN)
    return [_summary(row, figures.get(row.pk, nothing), now) for row in rows]


def _summary(row: TaskInstance, figures: list[Any], now: datetime) -> TaskSummary:
    count, last_write, progress, hidden, *others = figures
    keys, values = others[:OTHER_KEYS_SHOWN], others[OTHER_KEYS_SHOWN:]
    return TaskSummary(
        id=row.pk,
        scope=row.scope,
        attempt=row.attempt,
        state=state_of(row, progress, now),
        progress=progress,
        hidden=bool(hidden),
        key_count=count or 0,
        other_keys=[key for key in keys if key is not None],
        last_write=last_write,
        other_values=[value for value in values if value is not None],
    )
