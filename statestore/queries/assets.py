"""Assets: data sets by name and uri."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from statestore.access import Principal
from statestore.errors import NotFoundError
from statestore.models import Asset as AssetRow
from statestore.queries.entries import PAGE_MAX
from statestore.queries.patterns import reached_assets


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


@dataclass(frozen=True, slots=True)
class AssetQuery:
    """Which assets; of several alternatives one must fit, and where there are none anything does."""

    names: tuple[str, ...] = ()
    """Parts of the name, with the wildcards % and _."""
    uris: tuple[str, ...] = ()
    name_beginnings: tuple[str, ...] = ()
    uri_beginnings: tuple[str, ...] = ()
    dag_ids: tuple[str, ...] = ()
    """Dags that schedule or produce them. None is known to, so nothing fits."""
    order_by: tuple[str, ...] = ()


ASSET_ORDERS = {"id": "id", "name": "name", "uri": "uri", "created_at": "id", "updated_at": "id"}
"""What assets can be ordered by, and the column that does it: ids count up with the time."""


def asset_page(
    *, wanted: AssetQuery, principal: Principal, limit: int = 50, offset: int = 0
) -> AssetPage:
    """The assets that the principal reaches, by id where nothing else is asked for."""
    conditions = {
        "name__holds": wanted.names,
        "uri__holds": wanted.uris,
        "name__begins": wanted.name_beginnings,
        "uri__begins": wanted.uri_beginnings,
    }
    rows = AssetRow.objects.filter(reached_assets(principal))
    for condition, words in conditions.items():
        rows = rows.filter(Q(*((condition, word) for word in words), _connector=Q.OR))
    if wanted.dag_ids:
        rows = rows.none()
    columns = [
        f"{'-' * name.startswith('-')}{ASSET_ORDERS[name.removeprefix('-')]}"
        for name in wanted.order_by
    ]
    rows = rows.order_by(*columns, "id")
    page = rows[offset : offset + min(limit, PAGE_MAX)]
    return AssetPage([_asset(row) for row in page], rows.count())


def _asset(row: AssetRow) -> Asset:
    return Asset(row.pk, row.name, row.uri, row.created_at)
