"""POST /state-store/batch."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from statestore.access import Right
from statestore.models import Entry
from tests.api.conftest import Answer, Api, problem, value_text

PATH = "/api/v2/state-store/batch"


def operation(api: Api, op: str, key: str, **members: Any) -> dict[str, Any]:
    scope = api.scope
    ids = {"dag_id": scope.dag_id, "run_id": scope.run_id, "task_id": scope.task_id}
    return {"op": op, **ids, "key": key, **members}


def send(api: Api, *operations: Any, **headers: str) -> Answer:
    return api.send_json("POST", PATH, {"operations": operations}, **headers)


def results(api: Api, *operations: Any) -> list[Any]:
    answer = send(api, *operations)
    assert answer.status_code == 200, answer.content
    found: list[Any] = answer.json()["results"]
    return found


def test_operations_happen_in_their_order_for_each_key(api: Api) -> None:
    got = results(
        api,
        operation(api, "get", "a"),
        operation(api, "set", "a", value=1),
        operation(api, "set", "b", value="x", expires_at=None),
        operation(api, "get", "a"),
        operation(api, "set", "a", value=2),
        operation(api, "delete", "b"),
        operation(api, "get", "b"),
        operation(api, "get", "a"),
    )
    assert got[0] == {"entry": None}
    assert got[1:3] == [{"version": 1}, {"version": 1}]
    assert (got[3]["entry"]["value"], got[3]["version"]) == (1, 1)
    assert got[4:7] == [{"version": 2}, {}, {"entry": None}]
    assert (got[7]["entry"]["value"], got[7]["version"]) == (2, 2)
    assert api.keys() == ["a"]


def test_values_are_kept_digit_for_digit(api: Api) -> None:
    value = '{"b":1.10,"a":10000000000000000000001}'
    told = json.dumps(operation(api, "set", "a", value="HERE")).replace('"HERE"', value)
    assert api.send("POST", PATH, f'{{"operations": [{told}]}}'.encode()).status_code == 200
    assert value_text(api.get("a")) == value


def test_many_keys_are_written_as_each_alone_would_be(
    api: Api, django_assert_max_num_queries: Any
) -> None:
    values = [r"\u0000", r"🦆 \ud83e\udd86", "\u202e", r"a\nb", "'; %s {}", r"\\\""]
    keys = [f"key {place}/🦆" for place in range(len(values))]
    written = [
        operation(api, "set", key, value="HERE", expires_at=None)
        for key in [*keys, "brief", "progress"]
    ]
    written[-2:] = [
        operation(api, "set", "brief", value=1, expires_in=0),
        operation(api, "set", "progress", value={"status": "failed"}),
    ]
    body = json.dumps({"operations": written})
    for text in values:
        body = body.replace('"HERE"', f'"{text}"', 1)
    with django_assert_max_num_queries(16):
        answer = api.send("POST", PATH, body.encode(), **{"Statestore-Write": "a-2"})
    assert answer.json() == {"results": [{"version": 1}] * len(written)}
    for key, text in zip(keys, values, strict=True):
        assert value_text(api.get(key)) == f'"{text}"'
        assert api.get(key).json()["expires_at"] is None
    assert api.get("brief").status_code == 404
    assert api.get("progress").json()["expires_at"] is not None
    stored = Entry.objects.get(key="progress")
    assert stored.task_instance.status == "failed"
    assert stored.writer != ""

    late = api.send(
        "POST", PATH, body.replace("failed", "done").encode(), **{"Statestore-Write": "a-1"}
    )
    assert late.json() == {"results": [{}] * len(written)}
    assert api.get("progress").json()["value"] == {"status": "failed"}


def test_a_batch_may_hold_task_instances_and_assets(api: Api) -> None:
    asset = api.send_json("POST", "/api/v2/assets", {"name": f"{api.scope.run_id}"}).json()["id"]
    results(
        api,
        {"op": "set", "asset_id": asset, "key": "mark", "value": 1},
        operation(api, "set", "a", value=1),
        operation(api, "set", "a", value=2, map_index=3),
        operation(api, "set", "a", value=3, dag_id="hr"),
    )
    assert api.send("GET", f"/api/v2/assets/{asset}/state-store/mark").json()["value"] == 1
    assert (api.value("a"), api.value("a", map_index=3)) == (1, 2)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_is_refused_undoes_all_and_is_named(api: Api, place: int) -> None:
    api.put("taken", 0)
    told = [operation(api, "set", "a", value=1), operation(api, "delete", "taken")]
    told.insert(place, operation(api, "set", "taken", value=1, if_version=9))
    answer = send(api, *told)
    body = answer.json()
    assert (answer.status_code, body["code"], body["operation"]) == (
        412,
        "precondition_failed",
        place,
    )
    assert (api.keys(), api.value("taken")) == (["taken"], 0)


def test_preconditions_are_of_one_operation(api: Api) -> None:
    api.put("a", 1)
    assert results(
        api,
        operation(api, "set", "a", value=2, if_version=1),
        operation(api, "set", "b", value=1, if_absent=True),
        operation(api, "delete", "a", if_version=2),
    ) == [{"version": 2}, {"version": 1}, {}]
    assert send(api, operation(api, "delete", "b", if_version=5)).status_code == 412


def test_1000_operations_are_let_in_and_1001_are_not(api: Api) -> None:
    told = [operation(api, "set", f"k{number}", value=number) for number in range(1001)]
    assert problem(send(api, *told))["loc"] == ["body", "operations"]
    assert api.keys() == []
    assert len(results(api, *told[:1000])) == 1000
    assert api.collection("GET").json()["total_entries"] == 1000


def test_what_follows_the_operations_that_may_be_is_not_even_read(api: Api) -> None:
    told = json.dumps(operation(api, "get", "k"))
    body = f'{{"operations": [{(told + ",") * 1000} nonsense'
    assert problem(api.send("POST", PATH, body.encode()))["type"] == "too_long"
    body = '{"operations": [{"op": "get", "other": 1, nonsense'
    assert problem(api.send("POST", PATH, body.encode()))["type"] == "extra_forbidden"


def test_each_operation_needs_its_right_and_the_one_that_lacks_it_is_named(
    api: Api, token_of: Callable[..., str]
) -> None:
    api.put("a", 1)
    told = {
        "get": operation(api, "get", "a"),
        "set": operation(api, "set", "a", value=2),
        "delete": operation(api, "delete", "none"),
    }
    may = {Right.VIEW: {"get"}, Right.WRITE: {"set", "delete"}, Right.CLEAR: {"delete"}}
    for right, allowed in may.items():
        limited = api.at(token=token_of(right))
        for op, each in told.items():
            answer = send(limited, each)
            assert answer.status_code == (200 if op in allowed else 403), (right, op)
    viewer = api.at(token=token_of(Right.VIEW))
    refused = send(viewer, told["get"], told["set"], told["get"])
    assert (refused.status_code, refused.json()["operation"]) == (403, 1)


def test_a_scope_out_of_reach_is_named_and_nothing_is_done(
    api: Api, token_of: Callable[..., str]
) -> None:
    limited = api.at(token=token_of(*Right, dags="sales", asset_patterns="none"))
    ours = operation(api, "set", "a", value=1)
    hidden = send(limited, ours, operation(api, "set", "a", value=1, dag_id="hr"))
    assert (hidden.status_code, hidden.json()["operation"]) == (403, 1)
    asset = api.send_json("POST", "/api/v2/assets", {"name": f"{api.scope.run_id}"}).json()["id"]
    answers = [
        send(limited, ours, {"op": "get", "asset_id": number, "key": "a"})
        for number in (asset, 10**9)
    ]
    assert [(answer.status_code, answer.json()["operation"]) for answer in answers] == [
        (404, 1)
    ] * 2
    assert api.keys() == []


@pytest.mark.parametrize("how", ["operation", "header"])
def test_a_stale_attempt_changes_nothing(api: Api, how: str) -> None:
    api.start_attempt()
    api.start_attempt()
    member = {"attempt": 1} if how == "operation" else {}
    header = {"Statestore_Attempt": "1"} if how == "header" else {}
    told = [
        operation(api, "set", "a", value=1, **member),
        operation(api, "set", "b", value=1, map_index=0),
    ]
    answer = send(api, *told, **header)
    assert (answer.status_code, answer.json()["code"]) == (409, "stale_attempt")
    assert answer.json()["operation"] == 0
    assert (api.keys(), api.keys(0)) == ([], [])
    told[0]["attempt"] = 2
    assert send(api, *told).status_code == 200


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["body", "operations"]),
        ({"operations": {}}, ["body", "operations"]),
        ({"operations": [1]}, ["body", "operations", 0]),
        ({"operations": [{}]}, ["body", "operations", 0, "op"]),
        ({"operations": [{"op": "clear"}]}, ["body", "operations", 0, "op"]),
        ({"operations": [{"op": "get", "asset_id": 0, "key": "a"}]}, ["body", "operations", 0, "asset_id"]),
        ({"operations": [{"op": "get", "dag_id": "d"}]}, ["body", "operations", 0, "run_id"]),
        ({"operations": [{"op": "get", "key": "a", "value": 1}]}, ["body", "operations", 0, "value"]),
        ({"operations": [{"op": "set", "asset_id": 1, "key": "a"}]}, ["body", "operations", 0, "value"]),
        ({"operations": [{"op": "set", "asset_id": 1, "key": "a", "value": None}]},
         ["body", "operations", 0, "value"]),
        ({"operations": [{"op": "get", "asset_id": 1, "key": ".."}]}, ["body", "operations", 0, "key"]),
        ({"operations": [{"op": "delete", "asset_id": 1, "key": "a", "if_version": 0}]},
         ["body", "operations", 0, "if_version"]),
    ],
)  # fmt: skip
def test_what_is_no_batch_names_the_place(api: Api, body: Any, loc: list[Any]) -> None:
    assert problem(api.send_json("POST", PATH, body))["loc"] == loc


def test_a_number_beyond_all_numbers_is_refused_with_its_place(api: Api) -> None:
    told = json.dumps(operation(api, "set", "a", value=["HERE"]))
    body = f'{{"operations": [{told.replace(chr(34) + "HERE" + chr(34), "1" * 251 + "e99")}]}}'
    refused = problem(api.send("POST", PATH, body.encode()))
    assert (refused["loc"], refused["type"]) == (
        ["body", "operations", 0, "value", 0],
        "finite_number",
    )


def test_an_empty_batch_does_nothing(api: Api) -> None:
    assert results(api) == []
