"""The one shape of every refusal, and the ones that belong to no single operation."""

import pytest

from statestore.protocol import ErrorCode
from tests.api.conftest import Api, task_path


@pytest.mark.parametrize(
    ("method", "rest", "allowed"),
    [
        ("POST", "state-store/key", {"GET", "PUT", "PATCH", "DELETE"}),
        ("PUT", "state-store", {"GET", "DELETE"}),
        ("POST", "state-store", {"GET", "DELETE"}),
        ("GET", "attempts", {"POST"}),
        ("DELETE", "attempts", {"POST"}),
    ],
)
def test_another_verb_is_405_and_allow_names_the_right_ones(
    api: Api, method: str, rest: str, allowed: set[str]
) -> None:
    response = api.send(method, task_path(api.scope, rest))
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert {word.strip() for word in response["Allow"].split(",")} - {"HEAD"} == allowed


@pytest.mark.parametrize(
    "path",
    ["assets", "task-instances", "state-store/batch", "healthz", "readyz", "schema", "metrics"],
)
def test_options_is_a_verb_as_any_other_and_tells_nothing_of_the_server(
    api: Api, path: str
) -> None:
    response = api.send("OPTIONS", f"/api/v2/{path}")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert set(response.json()) == {"detail", "code"}
    assert "OPTIONS" not in response["Allow"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/",
        "/api/v2/nowhere",
        "/api/v2/dags/sales",
        "/api/v2/dags/sales/dagRuns/run/taskInstances/task",
        "/api/v2/dags/sales/dagRuns/run/taskInstances/task/state-stores",
        "/api/v2/dags//dagRuns/run/taskInstances/task/state-store-x",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH", "DELETE"])
def test_a_path_that_is_none_is_404(api: Api, method: str, path: str) -> None:
    response = api.send(method, path, b'{"value": 1}')
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "missing", ["dags//dagRuns/r/taskInstances/t", "dags/d/dagRuns//taskInstances/t"]
)
def test_an_empty_id_stores_nothing(api: Api, missing: str) -> None:
    response = api.send("PUT", f"/api/v2/{missing}/state-store/key", b'{"value": 1}')
    assert response.status_code in {404, 422}


def test_an_id_that_is_too_long_is_422(api: Api) -> None:
    path = f"/api/v2/dags/{'d' * 251}/dagRuns/r/taskInstances/t/state-store/key"
    response = api.send("PUT", path, b'{"value": 1}')
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["path", "dag_id"]


def test_every_refusal_has_a_detail_and_a_code_of_the_protocol(api: Api) -> None:
    api.put("key", 1)
    api.start_attempt()
    api.start_attempt()
    refusals = [
        api.at(token=None).get("key"),
        api.get("missing"),
        api.entry("POST", "key"),
        api.put_text("key", "{"),
        api.put_text("key", "{}", content_type="text/plain"),
        api.put_text("key", "x" * 100_000),
        api.put_text("key", "{}"),
        api.put_text("key", '{"value": 2}', Statestore_Attempt="1"),
        api.put_text("key", '{"value": 2}', If_None_Match="*"),
    ]
    statuses = [response.status_code for response in refusals]
    assert statuses == [401, 404, 405, 400, 415, 413, 422, 409, 412]
    for response in refusals:
        assert response["Content-Type"] == "application/json"
        body = response.json()
        assert body["detail"]
        assert body["code"] in set(ErrorCode)


def test_health_needs_no_token(api: Api) -> None:
    response = api.at(token=None).send("GET", "/api/v2/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
