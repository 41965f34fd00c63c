"""Registering assets."""

from statestore.models import Asset
from statestore.protocol import names_digest


def asset_register(*, name: str, uri: str) -> tuple[int, bool]:
    """The id of the asset of this name and uri, and whether it is new."""
    asset, created = Asset.objects.get_or_create(
        digest=names_digest(name, uri), defaults={"name": name, "uri": uri}
    )
    return asset.pk, created
