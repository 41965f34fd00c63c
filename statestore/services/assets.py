"""Registering assets."""

from statestore.models import Asset as AssetRow
from statestore.protocol import names_digest
from statestore.queries import Asset, asset_get


def asset_register(*, name: str, uri: str) -> tuple[Asset, bool]:
    """The asset of this name and uri, and whether it is new."""
    row, created = AssetRow.objects.get_or_create(
        digest=names_digest(name, uri), defaults={"name": name, "uri": uri}
    )
    return asset_get(row.pk), created
