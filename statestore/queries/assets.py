"""Assets: data sets by name and uri."""

from dataclasses import dataclass
from datetime import datetime

from statestore.access import Principal
from statestore.errors import NotFoundError
from statestore.models import Asset as AssetRow
from statestore.queries.entries import PAGE_MAX
from statestore.queries.patterns import like, reached_assets


@dataclass(frozen=True, slots=True)
class Asset:
    """A data set."""

    id: int
    name: str
    uri: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AssetPage:
    """Some assets, and how many there are."""

    assets: list[Asset]
    total: int


def asset_get(asset_id: int) -> Asset:
    """One asset.

    Raises:
        NotFoundError: there is none of this id.
    """
    row = AssetRow.objects.filter(pk=asset_id).first()
    if row is None:
        raise NotFoundError(f"There is no asset {asset_id}.")
    return _asset(row)


def asset_page(
    *,
    principal: Principal,
    name_pattern: str = "",
    uri_pattern: str = "",
    limit: int = 50,
    offset: int = 0,
) -> AssetPage:
    """The assets that the principal reaches, by id; a pattern has SQL's wildcards % and _."""
    rows = AssetRow.objects.filter(like("name", name_pattern), like("uri", uri_pattern))
    rows = rows.filter(reached_assets(principal)).order_by("id")
    page = rows[offset : offset + min(limit, PAGE_MAX)]
    return AssetPage([_asset(row) for row in page], rows.count())


def _asset(row: AssetRow) -> Asset:
    return Asset(row.pk, row.name, row.uri, row.created_at)
