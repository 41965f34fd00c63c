"""What progress was, and what keys have been."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db.models import Q, QuerySet

from statestore.access import Principal
from statestore.errors import NotFoundError
from statestore.models import Asset, AssetEntry, AssetEntryVersion, EntryVersion
from statestore.models import Entry as EntryRow
from statestore.protocol import AssetScope, Scope
from statestore.queries.entries import Entry
from statestore.queries.patterns import reached, reached_assets
from statestore.sql import samples
from statestore.sql.statement import read_time

Row = TypeVar("Row", EntryRow, AssetEntry)


@dataclass(frozen=True, slots=True)
class Sample:
    """How much an attempt had done at a time, and of how much, where it said so."""

    at: datetime
    attempt: int
    done: float
    total: float | None


@dataclass(frozen=True, slots=True)
class Version:
    """A value that a key has had: who wrote it last, when, and as which attempt."""

    version: int
    value: str
    at: datetime
    writer: str
    attempt: int | None


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """A key with its newest values, the present one first (none of a progress key)."""

    owner_id: int
    """The number of its task instance, or of its asset."""
    scope: Scope
    entry: Entry
    versions: list[Version]
    asset: str = ""
    """The asset's name."""


def samples_of(ids: Iterable[int], *, since: datetime) -> dict[int, list[Sample]]:
    """The samples of task instances from a time on, oldest first."""
    found: dict[int, list[Sample]] = {}
    rows = samples.read.rows(rows={"id": list(ids)}, since=since)
    for owner, at, *sample in rows:
        found.setdefault(owner, []).append(Sample(read_time(at), *sample))
    return found


def key_history(task_instance_id: int, key: str, principal: Principal) -> KeyHistory:
    """A key of the task instance with this number.

    Raises:
        NotFoundError: there is none that the principal reaches; it may have been cleared or expired.
    """
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=datetime.now(UTC))
    found = EntryRow.objects.filter(reached(principal, prefix="task_instance__"), alive)
    rows = found.filter(task_instance=task_instance_id, key=key).select_related("task_instance")
    row = _only(rows)
    versions = _versions(row, EntryVersion.objects.all())
    return KeyHistory(task_instance_id, row.task_instance.scope, _entry(row), versions)


def asset_key_history(asset_id: int, key: str, principal: Principal) -> KeyHistory:
    """A key of the asset with this number.

    Raises:
        NotFoundError: there is none that the principal reaches; it may have been cleared.
    """
    mine = Asset.objects.filter(reached_assets(principal), pk=asset_id)
    rows = AssetEntry.objects.filter(asset__in=mine, key=key).select_related("asset")
    row = _only(rows)
    versions = _versions(row, AssetEntryVersion.objects.all())
    return KeyHistory(asset_id, AssetScope(asset_id), _entry(row), versions, str(row.asset.name))


def _only(rows: Iterable[Row]) -> Row:
    row = next(iter(rows), None)  # first() would sort by id, and PostgreSQL may walk all of them
    if row is None:
        raise NotFoundError("This key is not there: it never was, was cleared, or has expired.")
    return row


def _entry(row: EntryRow | AssetEntry) -> Entry:
    return Entry(
        row.key,
        row.value,
        row.version,
        row.created_at,
        row.updated_at,
        row.expires_at,
        row.writer,
        row.writer_task,
        row.attempt,
    )


def _versions(row: EntryRow | AssetEntry, kept: QuerySet[Any]) -> list[Version]:
    """Those since the entry was created; what stood under the key before it expired is gone."""
    rows = kept.filter(entry_id=row.pk, at__gte=row.created_at)
    fields = ("version", "value", "at", "writer", "attempt")
    return [Version(*values) for values in rows.order_by("-version").values_list(*fields)]
