"""The audit, newest first.

What an index finds as a whole is taken from there. Anything else is looked for among so many entries
for one page, so that it may have few, or none, and yet older ones to go on with.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet

from statestore.access import EVERYTHING, Principal, Right
from statestore.models import AuditEntry as AuditRow
from statestore.protocol import MAP_INDEX_NONE, TaskScope
from statestore.queries.counting import few_of, nth_values
from statestore.queries.keyset import names
from statestore.queries.patterns import any_of

CHUNK: Final = 1000  # rows that an export reads at a time
_LOOKED_AT: Final = 5_000  # entries that are looked at for one page
_ASKED: Final = 3  # indexes that are asked for few entries
_SLACK: Final = 100  # entries whose numbers may be in another order than their times
# Those that are likely to find few come first.
_INDEXED: Final = {
    "key": "key", "run": "run_id", "task": "task_id", "address": "address", "dag": "dag_id",
    "who": "who",
}  # fmt: skip
_NAMES: Final = {**_INDEXED, "asset": "asset"}


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries: beginnings of names, one action, a part of the reason, a time from and up to (not
    with) another."""

    who: str = ""
    action: str = ""
    dag: str = ""
    run: str = ""
    task: str = ""
    index: int | None = None
    """What concerned this map index: done to it alone, or to all of its task."""
    asset: str = ""
    key: str = ""
    address: str = ""
    reason: str = ""
    whole: bool = False
    """Whether the names are whole ones, and not beginnings."""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody did by hand."""

    id: int
    at: datetime
    who: str
    action: str
    address: str
    task: TaskScope | None
    asset: str
    key: str
    detail: str
    reason: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some entries, and where the older ones begin (None: there are none)."""

    entries: list[AuditEntry]
    older: int | None
    looked_at: int = 0
    """How many were looked at, where the page ended before it was full."""


def audit_page(
    *, where: AuditFilter, principal: Principal, before: int | None = None, limit: int = 50
) -> AuditPage:
    """Entries that the principal administers, from the one before `before` on."""
    rows = AuditRow.objects.filter(_listed(where)).order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    slow, end = _reached(principal) & _matches(where), None
    few = _few(where)
    if few is not None:
        rows = rows.filter(pk__in=few)
    elif slow:
        (end,) = nth_values(("-id",), [rows], _LOOKED_AT)
    within = rows.filter(slow, Q() if end is None else Q(pk__gte=end[0]))
    found = [_entry(row) for row in within[: limit + 1]]
    if len(found) > limit:
        return AuditPage(found[:limit], found[limit - 1].id)
    return AuditPage(found, None, 0) if end is None else AuditPage(found, end[0], _LOOKED_AT)


def audit_rows(*, where: AuditFilter, principal: Principal) -> Iterator[AuditEntry]:
    """All of them, read piece by piece."""
    before: int | None = None
    while True:
        page = audit_page(where=where, principal=principal, before=before, limit=CHUNK)
        yield from page.entries
        before = page.older
        if before is None:
            return


def _reached(principal: Principal) -> Q:
    """Who administers some dags or assets alone sees what happened to these, and nothing else."""
    dags = principal.dag_patterns(Right.ADMINISTER)
    assets = principal.asset_patterns(Right.ADMINISTER)
    if EVERYTHING in dags and EVERYTHING in assets:
        return Q()
    of_neither = Q(asset="") & (any_of("dag_id", dags) if EVERYTHING in dags else Q(pk__in=[]))
    of_tasks = ~Q(dag_id="") & any_of("dag_id", dags)
    return of_tasks | of_neither | (~Q(asset="") & any_of("asset", assets))


def _listed(where: AuditFilter) -> Q:
    """What an index answers in the order of the entries: their action, whether they are of assets, and
    their time, with which the numbers grow."""
    condition = Q(action=where.action) if where.action else Q()
    if where.asset:
        condition &= Q(asset__filled=True)
    if where.since is not None:
        later = AuditRow.objects.filter(at__gte=where.since).order_by("at")
        condition &= Q(at__gte=where.since, pk__gte=_bound(later, min))
    if where.until is not None:
        earlier = AuditRow.objects.filter(at__lt=where.until).order_by("-at")
        condition &= Q(at__lt=where.until, pk__lte=_bound(earlier, max))
    return condition


def _bound(rows: QuerySet[AuditRow], of: Callable[..., int]) -> int:
    """The number beyond which none of these is, the first of which are as these were ordered."""
    return of(rows.values_list("pk", flat=True)[:_SLACK], default=0)


def _few(where: AuditFilter) -> set[int] | None:
    """All that one of the names finds, if that is few."""
    asked = [(field, column) for field, column in _INDEXED.items() if getattr(where, field)]
    ranges = [
        (AuditRow.objects.filter(_says(where, field, column)), column, "pk")
        for field, column in asked[:_ASKED]
    ]
    return few_of(*ranges)


def _matches(where: AuditFilter) -> Q:
    condition = Q()
    for field, column in _NAMES.items():
        if getattr(where, field):
            condition &= _says(where, field, column)
    if where.index is not None:
        condition &= Q(map_index__in=(where.index, MAP_INDEX_NONE))
    if where.reason:
        condition &= Q(reason__icontains=where.reason)
    return condition


def _says(where: AuditFilter, field: str, column: str) -> Q:
    return names(column, getattr(where, field), whole=where.whole)


def _entry(row: AuditRow) -> AuditEntry:
    task = TaskScope(row.dag_id, row.run_id, row.task_id, row.map_index) if row.dag_id else None
    return AuditEntry(
        id=row.pk,
        at=row.at,
        who=row.who,
        action=row.action,
        address=row.address,
        task=task,
        asset=row.asset,
        key=row.key,
        detail=row.detail,
        reason=row.reason,
    )
