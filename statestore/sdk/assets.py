"""The stores of a task's assets: by name, by `Asset`, or by what Airflow names an asset with."""

from collections.abc import Iterable
from typing import Any, Protocol

from statestore.protocol import AssetScope
from statestore.sdk import answers, requests
from statestore.sdk.accessors import AssetStore
from statestore.sdk.errors import InvalidValueError
from statestore.sdk.records import Asset
from statestore.sdk.steps import Step, Steps, adrive, drive
from statestore.sdk.transport import Transport


class NamedAsset(Protocol):
    """An asset with its uri, or a reference by name, as Airflow has them."""

    @property
    def name(self) -> str:
        """What people call it."""


class LocatedAsset(Protocol):
    """A reference by uri, as Airflow has it."""

    @property
    def uri(self) -> str:
        """Where it is."""


AssetLike = str | NamedAsset | LocatedAsset
"""A name, an `Asset`, or any object with a `name`, a `uri`, or both."""


class AssetStores:
    """The stores of assets: `context["asset_store"]["s3://lake/orders"]`.

    An asset that is not there yet is registered. A reference, which has a name or a uri alone, means the
    asset that has it.

    Where the task was given exactly one asset (`store.task(…, assets=[orders])`), the methods below are
    those of its store, as in Airflow.
    """

    def __init__(self, transport: Transport, assets: Iterable[AssetLike] = ()) -> None:
        self._transport = transport
        self._declared = tuple(dict.fromkeys(map(_named, assets)))
        self._known: dict[tuple[str | None, str | None], AssetStore] = {}

    def __getitem__(self, asset: AssetLike) -> AssetStore:
        return drive(self._store(_named(asset)))

    async def aitem(self, asset: AssetLike) -> AssetStore:
        """As `[asset]`, for asyncio."""
        return await adrive(self._store(_named(asset)))

    # --- of the only asset ---

    def get(self, key: str, default: Any = None) -> Any:
        """The value under a key of the task's only asset, or the default where there is none."""
        return drive(self._only()).get(key, default)

    async def aget(self, key: str, default: Any = None) -> Any:
        """As `get`."""
        return await (await adrive(self._only())).aget(key, default)

    def set(self, key: str, value: Any) -> None:
        """Create or overwrite a key of the task's only asset."""
        drive(self._only()).set(key, value)

    async def aset(self, key: str, value: Any) -> None:
        """As `set`."""
        await (await adrive(self._only())).aset(key, value)

    def delete(self, key: str) -> None:
        """Delete a key of the task's only asset, if it is there."""
        drive(self._only()).delete(key)

    async def adelete(self, key: str) -> None:
        """As `delete`."""
        await (await adrive(self._only())).adelete(key)

    def clear(self) -> None:
        """Delete every key of the task's only asset."""
        drive(self._only()).clear()

    async def aclear(self) -> None:
        """As `clear`."""
        await (await adrive(self._only())).aclear()

    # --- how one is found ---

    def _only(self) -> Steps[AssetStore]:
        if len(self._declared) != 1:
            raise InvalidValueError(
                f"This task was given {len(self._declared)} assets: say which one,"
                ' context["asset_store"][asset], or give it one, store.task(…, assets=[asset]).',
                ("asset",),
            )
        return (yield from self._store(self._declared[0]))

    def _store(self, named: tuple[str | None, str | None]) -> Steps[AssetStore]:
        if named not in self._known:
            asset = yield from self._referred(*named)
            request = requests.asset_register(asset.name, asset.uri)
            answer = yield Step(self._transport, "send", (request,))
            scope = AssetScope(answers.read_asset_id(answer))
            self._known[named] = AssetStore(self._transport, scope)
        return self._known[named]

    def _referred(self, name: str | None, uri: str | None) -> Steps[Asset]:
        """The asset itself; of a reference the one that is there, else one with no more than it says."""
        if name is not None and uri is not None:
            return Asset(name, uri)
        found: list[Asset] = []
        offset, total = 0, 1
        while offset < total:
            request = requests.asset_page(name=name, uri=uri, offset=offset)
            page, total = answers.read_assets((yield Step(self._transport, "send", (request,))))
            found += [each for each in page if name == each.name or uri == each.uri]
            offset += len(page) or total
        if len(found) > 1:
            raise InvalidValueError(
                f"{name or uri!r} may be any of {found[:5]}: name it with its uri too, Asset(name, uri)",
                ("asset",),
            )
        only = str(name or uri)
        return found[0] if found else Asset(only, only)


def _named(asset: AssetLike) -> tuple[str | None, str | None]:
    """Name and uri; None where a reference leaves one open."""
    if isinstance(asset, str):
        return asset, asset
    name, uri = getattr(asset, "name", None), getattr(asset, "uri", None)
    if isinstance(asset, Asset):
        return asset.name, asset.uri or asset.name
    if not {type(name), type(uri)} <= {str, type(None)} or (not name and not uri):
        raise InvalidValueError(
            f"{asset!r} names no asset: give its name, or an object with a name, a uri, or both",
            ("asset",),
        )
    return name or None, uri or None
