"""Assets as people look at them: how fresh they are, and who wrote last."""

from dataclasses import dataclass
from typing import Final

from django.db.models import Count, F, Q, Window
from django.db.models.functions import RowNumber

from statestore.access import Principal
from statestore.errors import NotFoundError
from statestore.models import Asset as AssetTable
from statestore.models import AssetEntry
from statestore.queries.assets import Asset
from statestore.queries.entries import Entry
from statestore.queries.keyset import after, begins, decode, encode, values_of
from statestore.queries.patterns import reached_assets
from statestore.queries.tasks import KEYS_SHOWN

WATERMARK: Final = "watermark"
_COLUMNS: Final = ("-id",)
_LOOKED_AT: Final = 10_000  # assets that a search may look at for one page


@dataclass(frozen=True, slots=True)
class AssetSummary:
    """An asset as a row: what it keeps, and who wrote last."""

    asset: Asset
    key_count: int
    newest: Entry | None
    """The entry that was written last."""
    watermark: Entry | None
    """The entry with the key `watermark`, or else the newest one."""


@dataclass(frozen=True, slots=True)
class AssetRows:
    """Some assets, the newest first. `next_after` begins the next page; empty: there is none."""

    rows: list[AssetSummary]
    next_after: str


@dataclass(frozen=True, slots=True)
class AssetDetail:
    """An asset with some of its entries, by key."""

    summary: AssetSummary
    entries: list[Entry]
    next_key: str
    """The page of entries that follows begins after this key; empty: there is none."""


def asset_rows(
    *, words: tuple[str, ...], principal: Principal, limit: int = 50, position: str = ""
) -> AssetRows:
    """The assets that the principal reaches whose name or uri holds every word."""
    _, values = decode(position, _COLUMNS)
    found = AssetTable.objects.filter(reached_assets(principal)).order_by(*_COLUMNS)
    if values is not None:
        found = found.filter(after(_COLUMNS, values))
    rows = found
    if words:
        holds = Q()
        for word in words:
            holds &= Q(name__icontains=word) | Q(uri__icontains=word)
        looked_at = found[:_LOOKED_AT].values("pk")
        rows = AssetTable.objects.filter(holds, pk__in=looked_at).order_by(*_COLUMNS)
    page = list(rows[: limit + 1])
    beyond = found[_LOOKED_AT - 1 : _LOOKED_AT].first() if words and len(page) <= limit else None
    last = page[limit - 1] if len(page) > limit else beyond
    return AssetRows(_summaries(page[:limit]), encode(0, values_of(_COLUMNS, last)) if last else "")


def asset_detail(
    asset_id: int, principal: Principal, *, after_key: str = "", key: str = ""
) -> AssetDetail:
    """One asset with its first entries after a key, or of those whose keys begin so.

    Raises:
        NotFoundError: there is none of this id that the principal reaches.
    """
    row = AssetTable.objects.filter(reached_assets(principal), pk=asset_id).first()
    if row is None:
        raise NotFoundError("This asset is not there: it never was, or it was deleted.")
    (summary,) = _summaries([row])
    found = AssetEntry.objects.filter(begins("key", key) if key else Q(), asset=row)
    page = list(found.filter(key__gt=after_key).order_by("key")[: KEYS_SHOWN + 1])
    next_key = page[KEYS_SHOWN - 1].key if len(page) > KEYS_SHOWN else ""
    return AssetDetail(summary, [_entry(one) for one in page[:KEYS_SHOWN]], next_key)


def _summaries(assets: list[AssetTable]) -> list[AssetSummary]:
    each = F("asset_id")
    entries = (
        AssetEntry.objects.filter(asset__in=[asset.pk for asset in assets])
        .annotate(
            place=Window(RowNumber(), each, order_by=["-updated_at", "key"]),
            keys=Window(Count("pk"), each),
        )
        .filter(Q(place=1) | Q(key=WATERMARK))
    )
    counts: dict[int, int] = {}
    newest: dict[int, Entry] = {}
    marks: dict[int, Entry] = {}
    for row in entries:
        counts[row.asset_id] = row.keys
        if row.place == 1:
            newest[row.asset_id] = _entry(row)
        if row.key == WATERMARK:
            marks[row.asset_id] = _entry(row)
    return [
        AssetSummary(
            Asset(asset.pk, asset.name, asset.uri, asset.created_at),
            counts.get(asset.pk, 0),
            newest.get(asset.pk),
            marks.get(asset.pk, newest.get(asset.pk)),
        )
        for asset in assets
    ]


def _entry(row: AssetEntry) -> Entry:
    return Entry(
        row.key, row.value, row.version, row.created_at, row.updated_at, row.expires_at,
        row.writer, row.writer_task, row.attempt,
    )  # fmt: skip
