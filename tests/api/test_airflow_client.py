"""Airflow's own generated client drives the server unchanged (apache-airflow-client 3.3.2)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from airflow_client.client import (
    ApiClient,
    AssetApi,
    AssetStateStoreApi,
    Configuration,
    TaskStateStoreApi,
)
from airflow_client.client.exceptions import ApiException, NotFoundException
from airflow_client.client.models.asset_state_store_body import AssetStateStoreBody
from airflow_client.client.models.expires_at import ExpiresAt
from airflow_client.client.models.task_state_store_body import TaskStateStoreBody
from airflow_client.client.models.task_state_store_patch_body import TaskStateStorePatchBody

from statestore.protocol import TaskScope
from tests.server import Server

ODD = [
    "part/1", "/", "a//b", "trailing/", "50%", "a%2Fb", "a+b", "a:b", "a?b", "a#b", "a&b=c", "two words",
    " ", "🦆", "שלום عالم", "e\u0301", "\u00e9", "x" * 512, "🦆" * 250, "...", "~", "a;b,c@d!$'()*",
    "state-store", "a/state-store", "increment", "a/increment", "null", "%", "%25", "\\", '"', "<b>",
]  # fmt: skip
VALUES: list[Any] = [
    "text", "", 0, 1, -5, 1.5, True, False, [], {}, [1, [2, {}]], {"b": 1, "a": {"c": []}}, 10**30, "\0",
    "🦆", {"": ""},
]  # fmt: skip


class Airflow:
    """The three APIs of the client, at one task instance."""

    def __init__(self, url: str, token: str, scope: TaskScope) -> None:
        self.client = ApiClient(Configuration(host=url, access_token=token))
        self.tasks, self.assets = TaskStateStoreApi(self.client), AssetStateStoreApi(self.client)
        self.asset_list = AssetApi(self.client)
        self.ids = (scope.dag_id, scope.run_id, scope.task_id)

    def set(self, key: str, value: Any, map_index: int | None = None, **body: Any) -> Any:
        content = TaskStateStoreBody(value=value, **body)
        return self.tasks.set_task_state_store(key, *self.ids, content, map_index=map_index)

    def get(self, key: str, **options: Any) -> Any:
        return self.tasks.get_task_state_store(key, *self.ids, **options)

    def patch(self, key: str, value: Any) -> Any:
        body = TaskStateStorePatchBody(value=value)
        return self.tasks.patch_task_state_store(key, *self.ids, body)

    def page(self, **options: Any) -> Any:
        return self.tasks.list_task_state_store(*self.ids, **options)

    def keys(self, **options: Any) -> list[str]:
        return [row.key for row in self.page(**options).task_state_store]


@pytest.fixture
def airflow(server: Server, scope: TaskScope) -> Iterator[Airflow]:
    api = Airflow(server.url, server.token, scope)
    with api.client:
        yield api


def status_of(call: Any, *arguments: Any, **options: Any) -> int:
    with pytest.raises(ApiException) as refused:
        call(*arguments, **options)
    assert refused.value.headers is not None
    assert "application/json" in refused.value.headers["Content-Type"]
    assert '"detail"' in (refused.value.body or "")
    return int(refused.value.status)


def test_a_list_of_nothing_is_empty(airflow: Airflow) -> None:
    found = airflow.page()
    assert (found.task_state_store, found.total_entries) == ([], 0)


def test_a_list_is_by_key_in_pages_and_counts_all(airflow: Airflow) -> None:
    for number in range(105):
        airflow.set(f"k{number:03}", number)
    assert len(airflow.keys()) == 50
    assert len(airflow.keys(limit=1000)) == 100
    assert airflow.keys(limit=3, offset=50) == ["k050", "k051", "k052"]
    assert airflow.keys(offset=104) == ["k104"]
    assert airflow.page(limit=1, offset=200).total_entries == 105
    row = airflow.page(limit=1).task_state_store[0]
    assert (row.key, row.value, row.updated_at.tzinfo is not None) == ("k000", 0, True)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_as_they_went(airflow: Airflow, value: Any) -> None:
    assert airflow.set("key", value) is None
    found = airflow.get("key").value
    assert (found, type(found)) == (value, type(value))
    assert airflow.page().task_state_store[0].value == value


def test_every_key_is_set_listed_patched_and_deleted_as_it_was_sent(airflow: Airflow) -> None:
    for key in ODD:
        airflow.set(key, key)
    assert airflow.keys(limit=100) == sorted(ODD)
    for key in ODD:
        assert (airflow.get(key).key, airflow.get(key).value) == (key, key)
        assert airflow.patch(key, [key]) is None
        assert airflow.get(key).value == [key]
        airflow.tasks.delete_task_state_store(key, *airflow.ids)
        with pytest.raises(NotFoundException):
            airflow.get(key)
    assert airflow.keys() == []


@pytest.mark.parametrize(
    "odd", [name for name in ODD if len(name) < 200 and "state-store" not in name]
)
def test_ids_may_hold_whatever_a_key_may(server: Server, scope: TaskScope, odd: str) -> None:
    here = Airflow(server.url, server.token, TaskScope(odd, f"{scope.run_id}{odd}", odd))
    here.set(odd, 1)
    assert (here.get(odd).value, here.keys()) == (1, [odd])
    here.tasks.clear_task_state_store(*here.ids)
    assert here.keys() == []


@pytest.mark.parametrize("key", ["", ".", "..", "x" * 513, "a\nb", "\x7f"])
def test_a_key_that_cannot_be_is_refused_and_stored_nowhere(airflow: Airflow, key: str) -> None:
    airflow.set("kept", 1)
    with pytest.raises(ApiException) as refused:
        airflow.set(key, 2)
    assert refused.value.status in {404, 405, 422}
    assert airflow.keys() == ["kept"]


def test_map_indices_do_not_see_each_other(airflow: Airflow) -> None:
    for map_index in (None, 0, 7):
        airflow.set("key", str(map_index), map_index)
    assert airflow.get("key").value == airflow.get("key", map_index=-1).value == "None"
    assert airflow.get("key", map_index=7).value == "7"
    airflow.tasks.delete_task_state_store("key", *airflow.ids, map_index=0)
    assert (airflow.keys(), airflow.keys(map_index=0), airflow.keys(map_index=7)) == (
        ["key"], [], ["key"],
    )  # fmt: skip


def test_a_clear_is_of_one_map_index_or_of_all(airflow: Airflow) -> None:
    def fill() -> None:
        for map_index in (None, 0, 1):
            airflow.set("a", 1, map_index)

    fill()
    airflow.tasks.clear_task_state_store(*airflow.ids, map_index=0)
    assert [airflow.keys(), airflow.keys(map_index=0), airflow.keys(map_index=1)] == [
        ["a"],
        [],
        ["a"],
    ]
    fill()
    airflow.tasks.clear_task_state_store(*airflow.ids, all_map_indices=True, map_index=1)
    assert [airflow.keys(map_index=index) for index in (-1, 0, 1)] == [[], [], []]


def test_what_is_missing(airflow: Airflow) -> None:
    assert status_of(airflow.get, "none") == 404
    assert status_of(airflow.patch, "none", 1) == 404
    assert airflow.tasks.delete_task_state_store("none", *airflow.ids) is None
    assert airflow.tasks.clear_task_state_store(*airflow.ids) is None


def test_an_expiry_is_the_default_never_or_a_time_kept_exactly(airflow: Airflow) -> None:
    airflow.set("key", 1)
    lives = airflow.get("key").expires_at - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < lives < timedelta(days=30, minutes=1)
    airflow.set("key", 1, expires_at=None)
    assert airflow.get("key").expires_at is None
    end = datetime(2099, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    airflow.set("key", 1, expires_at=ExpiresAt(end))
    assert airflow.get("key").expires_at == end
    airflow.patch("key", 2)
    assert (airflow.get("key").value, airflow.get("key").expires_at) == (2, end)
    airflow.set("key", 1, expires_at=ExpiresAt("default"))
    assert airflow.get("key").expires_at < end


def test_an_entry_whose_time_has_passed_is_gone(airflow: Airflow) -> None:
    airflow.set("key", 1, expires_at=ExpiresAt(datetime.now(UTC) - timedelta(seconds=1)))
    assert status_of(airflow.get, "key") == 404
    assert airflow.page().total_entries == 0
    assert status_of(airflow.patch, "key", 2) == 404


@pytest.mark.parametrize(
    "value",
    [None, float("nan"), [1, {"a": float("inf")}], "x" * 70_000, "\ud800"],
    ids=lambda _: "",
)
def test_a_value_that_cannot_be_is_422(airflow: Airflow, value: Any) -> None:
    assert status_of(airflow.set, "key", value) == 422
    assert airflow.keys() == []


def test_a_naive_time_is_422(airflow: Airflow) -> None:
    naive = ExpiresAt(datetime(2099, 1, 1))  # noqa: DTZ001 - that is the point
    assert status_of(airflow.set, "key", 1, expires_at=naive) == 422


def test_without_credentials_every_verb_is_401(server: Server, scope: TaskScope) -> None:
    for token in (None, "sst_nobody"):
        nobody = Airflow(server.url, token, scope)  # type: ignore[arg-type]
        tasks, ids = nobody.tasks, nobody.ids
        assert status_of(nobody.get, "key") == 401
        assert status_of(nobody.set, "key", 1) == 401
        assert status_of(nobody.patch, "key", 1) == 401
        assert status_of(nobody.page) == 401
        assert status_of(tasks.delete_task_state_store, "key", *ids) == 401
        assert status_of(tasks.clear_task_state_store, *ids) == 401
        assert status_of(nobody.assets.list_asset_state_store, 1) == 401
        assert status_of(nobody.asset_list.get_assets) == 401


def test_without_the_right_it_is_403(server: Server, scope: TaskScope) -> None:
    token = server.manage("create_api_token", "viewer", "--rights", "view").strip()
    viewer = Airflow(server.url, token, scope)
    assert viewer.keys() == []
    assert status_of(viewer.set, "key", 1) == 403
    assert status_of(viewer.tasks.clear_task_state_store, *viewer.ids) == 403


# --- assets ---


@pytest.fixture
def register(airflow: Airflow) -> Any:
    """Registers assets; Airflow's API has no such request."""

    def call(name: str, uri: str) -> int:
        url, body = f"{airflow.client.configuration.host}/api/v2/assets", {"name": name, "uri": uri}
        token = f"Bearer {airflow.client.configuration.access_token}"
        headers = {"Authorization": token, "Content-Type": "application/json"}
        answer = airflow.client.call_api("POST", url, headers, body)
        answer.read()
        return int(json.loads(answer.data or b"")["id"])

    return call


def test_assets_are_listed_found_and_read(airflow: Airflow, register: Any) -> None:
    mark = uuid4().hex[:8]
    first = register(f"{mark}/Orders eu", f"s3://{mark}/a?b#c")
    second = register(f"{mark}/orders us", f"gs://{mark}/1")
    found = airflow.asset_list.get_assets(name_pattern=f"{mark}/o")
    assert [row.id for row in found.assets] == [first, second]
    assert found.total_entries == 2
    by_uri = airflow.asset_list.get_assets(uri_pattern=f"s3://{mark}")
    assert [row.id for row in by_uri.assets] == [first]
    newest = airflow.asset_list.get_assets(name_pattern=mark, order_by=["-id"], limit=1)
    assert [row.id for row in newest.assets] == [second]
    prefix = airflow.asset_list.get_assets(name_prefix_pattern=f"{mark}/O")
    assert [row.id for row in prefix.assets] == [first]
    one = airflow.asset_list.get_asset(first)
    assert (one.name, one.uri) == (f"{mark}/Orders eu", f"s3://{mark}/a?b#c")
    assert one.created_at.tzinfo is not None


def test_asset_keys_are_set_listed_and_cleared(airflow: Airflow, register: Any) -> None:
    mark, api = uuid4().hex[:8], airflow.assets
    asset, other = register(f"{mark}/1", "s3://a/b"), register(f"{mark}/2", "s3://a/b")
    for key in ODD:
        assert api.set_asset_state_store(key, asset, AssetStateStoreBody(value=key)) is None
        assert api.get_asset_state_store(key, asset).value == key
    listed = api.list_asset_state_store(asset, limit=100)
    assert [row.key for row in listed.asset_state_store] == sorted(ODD)
    assert listed.total_entries == len(ODD)
    writer = listed.asset_state_store[0].last_updated_by
    assert writer is not None
    assert (writer.kind, writer.dag_id, writer.map_index) == ("api", None, None)
    assert api.list_asset_state_store(other).total_entries == 0
    api.delete_asset_state_store(ODD[0], asset)
    api.delete_asset_state_store(ODD[0], asset)
    assert status_of(api.get_asset_state_store, ODD[0], asset) == 404
    api.clear_asset_state_store(asset)
    assert api.list_asset_state_store(asset).asset_state_store == []


def test_an_unknown_asset_is_404_on_every_verb(airflow: Airflow) -> None:
    api, unknown, body = airflow.assets, 10**12, AssetStateStoreBody(value=1)
    assert status_of(airflow.asset_list.get_asset, unknown) == 404
    assert status_of(api.list_asset_state_store, unknown) == 404
    assert status_of(api.get_asset_state_store, "key", unknown) == 404
    assert status_of(api.set_asset_state_store, "key", unknown, body) == 404
    assert status_of(api.delete_asset_state_store, "key", unknown) == 404
    assert status_of(api.clear_asset_state_store, unknown) == 404
