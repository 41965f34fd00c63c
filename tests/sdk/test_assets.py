"""Keys of assets: they outlive runs, and have no retention."""

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
