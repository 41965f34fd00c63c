"""What Assets and Asset show."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.http import QueryDict

from dashboard.filters import after_key_of, filter_of, key_of, position_of
from dashboard.jsonview import clipped
from dashboard.live import TaskEntry, task_entries
from dashboard.watch import cursor_of
from statestore import queries
from statestore.access import Principal
from statestore.queries import AssetSummary, Entry


@dataclass(frozen=True, slots=True)
class AssetRow:
    """A row of Assets."""

    of: AssetSummary
    watermark: str


@dataclass(frozen=True, slots=True)
class AssetsPage:
    """One page of assets."""

    cursor: str
    rows: list[AssetRow]
    position: str
    next_after: str


@dataclass(frozen=True, slots=True)
class AssetPage:
    """The page of one asset."""

    cursor: str
    of: AssetSummary
    watermark: str
    entries: list[TaskEntry]
    key: str
    """With what the keys begin that are shown."""
    next_key: str


def read_assets(params: QueryDict, principal: Principal) -> AssetsPage:
    """The assets that a query string asks for: words in name or uri."""
    words, position = filter_of(params).words, position_of(params)
    found = queries.asset_rows(words=words, principal=principal, position=position)
    hidden = _hidden(
        (row.asset.id, entry) for row in found.rows for entry in (row.newest, row.watermark)
    )
    shown = [_without_secrets(row, hidden) for row in found.rows]
    rows = [AssetRow(row, _watermark(row)) for row in shown]
    return AssetsPage(cursor_of(rows, found.next_after), rows, position, found.next_after)


def read_asset(params: QueryDict, principal: Principal, asset_id: int) -> AssetPage:
    """One asset; `?after_key=` begins further down its keys, `?key=` leaves those that begin so.

    Raises:
        NotFoundError: there is none that the principal reaches.
    """
    key = key_of(params)
    found = queries.asset_detail(asset_id, principal, after_key=after_key_of(params), key=key)
    shown = (found.summary.newest, found.summary.watermark, *found.entries)
    hidden = _hidden((asset_id, entry) for entry in shown)
    of = _without_secrets(found.summary, hidden)
    entries = [queries.masked(entry, asset_id, hidden) for entry in found.entries]
    return AssetPage(
        cursor=cursor_of(of, entries, found.next_key),
        of=of,
        watermark=_watermark(of),
        entries=task_entries(entries),
        key=key,
        next_key=found.next_key,
    )


def _hidden(entries: Iterable[tuple[int, Entry | None]]) -> set[tuple[int, str]]:
    values = ((number, entry.key, entry.value) for number, entry in entries if entry)
    return queries.hidden_among(values, of_asset=True)


def _without_secrets(row: AssetSummary, hidden: set[tuple[int, str]]) -> AssetSummary:
    newest, mark = (
        entry and queries.masked(entry, row.asset.id, hidden)
        for entry in (row.newest, row.watermark)
    )
    return replace(row, newest=newest, watermark=mark)


def _watermark(row: AssetSummary) -> str:
    return clipped(row.watermark.value, 60) if row.watermark else ""
