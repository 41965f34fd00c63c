"""The audit, newest first."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from statestore.access import EVERYTHING, Principal, Right
from statestore.models import AuditEntry as AuditRow
from statestore.protocol import TaskScope
from statestore.queries.patterns import any_of

CHUNK = 1000  # rows that an export reads at a time


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries: beginnings of names, one action, a time from and up to (not with) another."""

    who: str = ""
    action: str = ""
    dag: str = ""
    run: str = ""
    task: str = ""
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


def audit_page(
    *, where: AuditFilter, principal: Principal, before: int | None = None, limit: int = 50
) -> AuditPage:
    """Entries that the principal administers, from the one before `before` on."""
    rows = AuditRow.objects.filter(_reached(principal), _matches(where))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = [_entry(row) for row in rows.order_by("-pk")[: limit + 1]]
    return AuditPage(found[:limit], found[limit - 1].id if len(found) > limit else None)


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


def _matches(where: AuditFilter) -> Q:
    beginnings = {"who": where.who, "dag_id": where.dag, "run_id": where.run, "task_id": where.task}
    condition = Q(**{f"{name}__begins": text for name, text in beginnings.items() if text})
    if where.action:
        condition &= Q(action=where.action)
    if where.since is not None:
        condition &= Q(at__gte=where.since)
    if where.until is not None:
        condition &= Q(at__lt=where.until)
    return condition


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
