"""Keys of assets: they outlive runs, and have no retention."""

from contextlib import AsyncExitStack
from dataclasses import astuple, dataclass
from typing import Any

import pytest

from statestore.protocol import AssetScope, TaskScope
from statestore.sdk import (
    Asset,
    AssetStore,
    InvalidValueError,
    NotANumberError,
    NotFoundError,
    StateStore,
)
from tests.threads import run_async


def test_an_asset_is_registered_once_and_keeps_its_keys(
    store: StateStore, scope: TaskScope
) -> None:
    name = f"s3://lake/{scope.run_id}?x=1#ü"
    store.asset(name).set("watermark", "2026-11-20")
    assert store.asset(name).get("watermark") == "2026-11-20"
    entry = store.asset(name).entry("watermark")
    assert entry is not None
    assert (entry.version, entry.expires_at) == (1, None)


def test_a_task_reaches_assets_by_name_or_by_record(store: StateStore, scope: TaskScope) -> None:
    context = store.task(scope.dag_id, scope.run_id, scope.task_id)
    stores = context["asset_store"]
    assert stores is context["asset_state_store"] is context["asset_state"]
    name = f"orders {scope.run_id}"
    stores[name].set("key", 1)
    assert stores[Asset(name, name)].get("key") == 1
    assert stores[name] is stores[name]


def test_assets_do_not_see_each_others_keys(store: StateStore, scope: TaskScope) -> None:
    one, other = store.asset(f"one {scope.run_id}"), store.asset(f"other {scope.run_id}")
    one.set("key", 1)
    assert other.get("key", default="none") == "none"
    other.set("key", 2)
    other.clear()
    assert (one.get("key"), list(other.items())) == (1, [])


def test_what_changes_a_value_works_on_assets(store: StateStore, scope: TaskScope) -> None:
    asset = store.asset(f"counts {scope.run_id}")
    assert asset.increment("loads", 2) == 2
    assert asset.compare_and_set("lock", "mine", version=None) == 1
    assert asset.get_many(["loads", "none", "lock"]) == {"loads": 2, "lock": "mine"}
    assert [entry.key for entry in asset.items()] == ["loads", "lock"]
    waited = asset.wait("loads", seconds=5)
    assert waited is not None
    asset.delete("lock")
    assert asset.get("lock") is None
    asset.set("word", "x")
    with pytest.raises(NotANumberError):
        asset.increment("word")


def test_a_batch_for_an_asset_that_was_deleted_says_so(store: StateStore) -> None:
    gone = AssetStore(store._transport, AssetScope(10**9))
    with pytest.raises(NotFoundError):
        gone.get_many(["key"])
    with pytest.raises(NotFoundError):
        gone.increment("key")


@pytest.mark.parametrize("name", ["", "x" * 1501, "a\0b"])
def test_a_name_that_cannot_be_one_is_refused(store: StateStore, name: str) -> None:
    with pytest.raises(InvalidValueError):
        store.asset(name)


# --- as in Airflow ---


@dataclass(frozen=True)
class AirflowAsset:
    """What Airflow's `Asset` has, and more."""

    name: str
    uri: str
    group: str = "asset"


@dataclass(frozen=True)
class NameRef:
    name: Any


@dataclass(frozen=True)
class UriRef:
    uri: str


def test_airflows_objects_and_references_lead_to_the_same_keys(
    store: StateStore, scope: TaskScope
) -> None:
    asset = AirflowAsset(f"orders_{scope.run_id}", f"s3://lake/{scope.run_id}")
    one = store.task(*astuple(scope))["asset_store"]
    one[asset].set("watermark", 7)
    stores = store.task(*astuple(scope))["asset_store"]
    for same in (asset, NameRef(asset.name), UriRef(asset.uri), Asset(asset.name, asset.uri)):
        assert stores[same].get("watermark") == 7
    assert stores[NameRef(f"{asset.name} 2")].get("watermark") is None  # no other begins so


def test_a_reference_that_may_be_several_is_refused(store: StateStore, scope: TaskScope) -> None:
    name, stores = f"twice {scope.run_id}", store.task(*astuple(scope))["asset_store"]
    for uri in ("s3://a", "s3://b"):
        stores[Asset(name, uri)].set("key", uri)
    with pytest.raises(InvalidValueError, match=r"s3://a.*s3://b.*uri too"):
        stores[NameRef(name)]
    assert stores[Asset(name, "s3://b")].get("key") == "s3://b"


@pytest.mark.parametrize(
    "wrong", [7, None, object(), NameRef(7), NameRef(""), AirflowAsset("", "")]
)
def test_what_names_no_asset_is_refused(store: StateStore, scope: TaskScope, wrong: Any) -> None:
    with pytest.raises(InvalidValueError, match="names no asset"):
        store.task(*astuple(scope))["asset_store"][wrong]
    with pytest.raises(InvalidValueError, match="names no asset"):
        store.task(*astuple(scope), assets=[wrong])


def test_of_one_asset_the_keys_are_at_hand(store: StateStore, scope: TaskScope) -> None:
    orders = Asset(f"orders {scope.run_id}")
    keys = store.task(*astuple(scope), assets=[orders, orders.name])["asset_state_store"]
    keys.set("watermark", 7)
    assert keys.get("watermark") == keys[orders].get("watermark") == 7
    keys.delete("watermark")
    assert keys.get("watermark", "none") == "none"
    keys.set("other", 1)
    keys.clear()
    assert list(keys[orders].items()) == []

    async def work() -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(store.aclose)
            await keys.aset("watermark", 8)
            assert await keys.aget("watermark") == 8
            await keys.adelete("watermark")
            assert await keys.aget("watermark", 0) == 0
            await keys.aset("watermark", 9)
            await keys.aclear()
            assert await keys.aget("watermark") is None

    run_async(work())


@pytest.mark.parametrize("names", [[], ["a", "b"]])
def test_of_none_or_several_it_must_be_said_which(
    store: StateStore, scope: TaskScope, names: list[str]
) -> None:
    keys = store.task(*astuple(scope), assets=names)["asset_store"]
    for call in (lambda: keys.get("k"), lambda: keys.set("k", 1), keys.clear):
        with pytest.raises(ValueError, match=f"given {len(names)} assets: say which"):
            call()
