"""Assets: registered by name and uri, listed, read; and their keys."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from statestore.access import Right
from tests.api.conftest import Answer, Api, problem

ODD = [
    "a/b",
    "s3://bucket/a b?x=1#y",
    "100%",
    "a+b:c&d",
    "שלום",
    "🦆",
    "e\u0301",
    "\u00e9",
    "x" * 1500,
]


@pytest.fixture
def mark() -> str:
    """A word in the names of one test's assets."""
    return uuid4().hex[:8]


def register(api: Api, name: str, **members: Any) -> Answer:
    return api.send_json("POST", "/api/v2/assets", {"name": name, **members})


def id_of(api: Api, name: str, **members: Any) -> int:
    answer = register(api, name, **members)
    assert answer.status_code in {200, 201}, answer.content
    return int(answer.json()["id"])


def names(api: Api, query: str) -> list[str]:
    answer = api.send("GET", f"/api/v2/assets?{query}")
    assert answer.status_code == 200, answer.content
    assert answer.json()["total_entries"] >= len(answer.json()["assets"])
    return [row["name"] for row in answer.json()["assets"]]


def path(asset: int, key: str | None = None) -> str:
    rest = "" if key is None else f"/{quote(key, safe='')}"
    return f"/api/v2/assets/{asset}/state-store{rest}"


# --- assets ---


def test_an_asset_is_registered_once(api: Api, mark: str) -> None:
    first = register(api, f"orders {mark}", uri="s3://orders")
    again = register(api, f"orders {mark}", uri="s3://orders")
    other = register(api, f"orders {mark}", uri="s3://elsewhere")
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert first.json() == again.json()
    assert first.json()["id"] != other.json()["id"]


def test_the_uri_is_the_name_where_it_is_left_out(api: Api, mark: str) -> None:
    assert register(api, mark).json()["uri"] == mark


@pytest.mark.parametrize("name", ODD)
def test_names_come_back_as_they_were_sent(api: Api, name: str) -> None:
    asset = id_of(api, name, uri=name)
    found = api.send("GET", f"/api/v2/assets/{asset}").json()
    assert (found["name"], found["uri"]) == (name, name)


def test_an_asset_has_every_field_of_airflows(api: Api, mark: str) -> None:
    asset = id_of(api, mark)
    found = api.send("GET", f"/api/v2/assets/{asset}").json()
    assert found.pop("created_at") == found.pop("updated_at")
    assert found == {
        "id": asset, "name": mark, "uri": mark, "group": "asset", "extra": {},
        "scheduled_dags": [], "producing_tasks": [], "consuming_tasks": [], "aliases": [],
        "watchers": [], "last_asset_event": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["body", "name"]),
        ({"name": ""}, ["body", "name"]),
        ({"name": 1}, ["body", "name"]),
        ({"name": "x" * 1501}, ["body", "name"]),
        ({"name": "a\u0000b"}, ["body", "name"]),
        ({"name": "a", "uri": "\n"}, ["body", "uri"]),
        ({"name": "a", "uri": None}, ["body", "uri"]),
        ({"name": "a", "group": "b"}, ["body", "group"]),
    ],
)
def test_what_is_no_asset_is_refused(api: Api, body: dict[str, Any], loc: list[str]) -> None:
    assert problem(api.send_json("POST", "/api/v2/assets", body))["loc"] == loc


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name_pattern=MARK", ["MARK.orders", "MARK_Orders", "MARK%inv"]),
        ("name_pattern=MARK_orders", ["MARK.orders", "MARK_Orders"]),
        ("name_pattern=MARK%25ORD%25S", ["MARK.orders", "MARK_Orders"]),
        ("name_pattern=MARK%25nosuch", []),
        ("name_pattern=MARK%5C", []),
        ("name_pattern=MARK&uri_pattern=//eu", ["MARK.orders", "MARK_Orders"]),
        ("name_pattern=MARK.o|MARK%25in", ["MARK.orders", "MARK%inv"]),
        ("name_pattern=nosuch|MARK_i", ["MARK%inv"]),
        ("name_pattern=MARK&uri_pattern=~", ["MARK.orders", "MARK_Orders", "MARK%inv"]),
        ("name_pattern=MARK&uri_pattern=nosuch|~", ["MARK.orders", "MARK_Orders", "MARK%inv"]),
        ("name_prefix_pattern=MARK_O", ["MARK_Orders"]),
        ("name_prefix_pattern=MARK_o", []),
        ("name_prefix_pattern=MARK_", ["MARK.orders", "MARK_Orders", "MARK%inv"]),
        ("name_prefix_pattern=MARK%25i", ["MARK%inv"]),
        ("name_prefix_pattern=MARK.o|MARK%25in", ["MARK.orders", "MARK%inv"]),
        ("name_pattern=MARK&uri_prefix_pattern=s3://", ["MARK.orders", "MARK_Orders", "MARK%inv"]),
        ("name_pattern=MARK&uri_prefix_pattern=://", ["MARK.orders", "MARK_Orders", "MARK%inv"]),
        ("name_pattern=MARK&uri_prefix_pattern=~", ["MARK.orders", "MARK_Orders", "MARK%inv"]),
        ("name_pattern=MARK&uri_prefix_pattern=S3", []),
        ("name_pattern=MARK_i&only_active=true", ["MARK%inv"]),
        ("name_pattern=MARK_i&only_active=false", ["MARK%inv"]),
        ("name_pattern=MARK&dag_ids=sales", []),
        ("name_pattern=MARK&uri_prefix_pattern=s3://us", ["MARK%inv"]),
        ("name_pattern=MARK&order_by=-name", ["MARK_Orders", "MARK.orders", "MARK%inv"]),
        ("name_pattern=MARK&order_by=uri,-id", ["MARK_Orders", "MARK.orders", "MARK%inv"]),
        ("name_pattern=MARK&limit=1&offset=1", ["MARK_Orders"]),
        ("name_pattern=MARK&limit=0", []),
    ],
)
def test_assets_are_found_by_patterns(api: Api, mark: str, query: str, found: list[str]) -> None:
    id_of(api, f"{mark}.orders", uri="s3://eu/1")
    id_of(api, f"{mark}_Orders", uri="s3://eu/1")
    id_of(api, f"{mark}%inv", uri="s3://us/1")
    got = names(api, query.replace("MARK", mark))
    assert got == [name.replace("MARK", mark) for name in found]


@pytest.mark.parametrize(
    "query",
    ["order_by=nothing", "order_by=-", "limit=-1", "offset=x", "name_pattern=%00", "only_active=x",
     "name_pattern=" + "a|" * 50, "uri_prefix_pattern=" + "a|" * 1000],
)  # fmt: skip
def test_a_list_that_cannot_be_is_422(api: Api, query: str) -> None:
    problem(api.send("GET", f"/api/v2/assets?{query}"))


def test_many_wildcards_cost_no_more(api: Api) -> None:
    id_of(api, "a" * 1500)
    assert names(api, "name_pattern=" + "a%25" * 400 + "b") == []


def test_a_list_has_what_the_token_reaches(
    api: Api, mark: str, token_of: Callable[..., str]
) -> None:
    seen, hidden = id_of(api, f"{mark}_eu"), id_of(api, f"{mark}[us]")
    limited = api.at(token=token_of(*Right, asset_patterns=f"hr, {mark}_?u"))
    assert names(limited, f"name_pattern={mark}") == [f"{mark}_eu"]
    assert limited.send("GET", f"/api/v2/assets/{seen}").status_code == 200
    assert limited.send("GET", f"/api/v2/assets/{hidden}").status_code == 404
    bracketed = api.at(token=token_of(*Right, asset_patterns=f"{mark}[us]"))
    assert names(bracketed, f"name_pattern={mark}") == [f"{mark}[us]"]
    assert bracketed.send("GET", f"/api/v2/assets/{hidden}").status_code == 200


# --- their keys ---


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("GET", None, None),
        ("DELETE", None, None),
        ("GET", "key", None),
        ("PUT", "key", {"value": 1}),
        ("DELETE", "key", None),
        ("POST", "key/increment", {}),
    ],
)
def test_an_unknown_asset_is_404_on_every_verb(
    api: Api, method: str, rest: str | None, body: Any
) -> None:
    for asset in ("999999999", "9" * 30, "x"):
        where = path(1, rest).replace("/1/", f"/{asset}/")
        assert api.send_json(method, where, body).status_code == 404


def test_keys_of_assets_are_written_read_listed_and_cleared(api: Api, mark: str) -> None:
    asset, other = id_of(api, f"{mark}1"), id_of(api, f"{mark}2")
    for key in ("b", "a/b%", "🦆"):
        assert api.send_json("PUT", path(asset, key), {"value": key}).status_code == 204
    listed = api.send("GET", path(asset)).json()
    assert [row["key"] for row in listed["asset_state_store"]] == ["a/b%", "b", "🦆"]
    assert listed["total_entries"] == 3
    assert set(listed["asset_state_store"][0]) == {"key", "value", "updated_at", "last_updated_by"}
    assert api.send("GET", path(other)).json() == {"asset_state_store": [], "total_entries": 0}
    assert api.send("GET", path(other, "b")).status_code == 404
    assert api.send("DELETE", path(asset, "b")).status_code == 204
    assert api.send("DELETE", path(asset, "b")).status_code == 204
    assert api.send("GET", path(asset, "b")).status_code == 404
    assert api.send("DELETE", path(asset)).status_code == 204
    assert api.send("GET", path(asset)).json()["total_entries"] == 0


def test_an_asset_key_has_no_patch_and_no_expiry(api: Api, mark: str) -> None:
    asset = id_of(api, mark)
    patched = api.send_json("PATCH", path(asset, "key"), {"value": 1})
    assert (patched.status_code, patched.json()["code"]) == (405, "method_not_allowed")
    assert "PATCH" not in patched["Allow"]
    for field in ("expires_at", "expires_in"):
        answer = api.send_json("PUT", path(asset, "key"), {"value": 1, field: None})
        assert problem(answer)["loc"] == ["body", field]


def test_asset_keys_have_versions_and_increments(api: Api, mark: str) -> None:
    asset = id_of(api, mark)
    put = api.send_json("PUT", path(asset, "n"), {"value": 1}, If_None_Match="*")
    assert (put.status_code, put["ETag"]) == (204, '"1"')
    again = api.send_json("PUT", path(asset, "n"), {"value": 2}, If_None_Match="*")
    assert (again.status_code, again.json()["version"]) == (412, 1)
    added = api.send_json("POST", path(asset, "n/increment"), {"by": 4})
    assert (added.json(), added["ETag"]) == ({"value": 5}, '"2"')


def test_who_wrote_last_is_told(api: Api, mark: str) -> None:
    asset = id_of(api, mark)
    api.send_json("PUT", path(asset, "key"), {"value": 1})
    nobody = dict.fromkeys(("dag_id", "run_id", "task_id", "map_index"))
    writer = api.send("GET", path(asset, "key")).json()["last_updated_by"]
    assert writer == {"kind": "api", **nobody}
    scope = api.scope.at(3)
    ids = {
        "dag_id": scope.dag_id,
        "run_id": scope.run_id,
        "task_id": scope.task_id,
        "map_index": 3,
    }
    task = api.send_json("POST", "/api/v2/task-tokens", ids).json()["token"]
    assert api.at(token=task).send_json("PUT", path(asset, "key"), {"value": 2}).status_code == 204
    writer = api.send("GET", path(asset, "key")).json()["last_updated_by"]
    assert writer == {"kind": "task", **ids}


def test_a_writer_that_is_not_known_is_null(api: Api, mark: str) -> None:
    from statestore.models import AssetEntry

    asset = id_of(api, mark)
    api.send_json("PUT", path(asset, "key"), {"value": 1})
    AssetEntry.objects.filter(asset=asset).update(writer="")
    assert api.send("GET", path(asset, "key")).json()["last_updated_by"] is None


def test_an_increment_looks_its_asset_up_once(api: Api, mark: str) -> None:
    path = f"/api/v2/assets/{id_of(api, mark)}/state-store/n/increment"
    with CaptureQueriesContext(connection) as sent:
        assert api.send_json("POST", path, {"by": 1}).status_code == 200
    assert sum('"statestore_asset"."uri"' in query["sql"] for query in sent) == 1
