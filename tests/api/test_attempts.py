"""POST …/attempts, and the header Statestore-Attempt."""

from collections.abc import Callable

import pytest

from tests.api.conftest import Answer, Api, problem, task_path

WRITES: dict[str, Callable[[Api, str], Answer]] = {
    "PUT": lambda api, n: api.put_text("key", '{"value": 2}', Statestore_Attempt=n),
    "PUT of a new key": lambda api, n: api.put_text("new", '{"value": 2}', Statestore_Attempt=n),
    "create-only PUT": lambda api, n: api.put_text(
        "new", '{"value": 2}', Statestore_Attempt=n, If_None_Match="*"
    ),
    "PUT of a version": lambda api, n: api.put_text(
        "key", '{"value": 2}', Statestore_Attempt=n, If_Match='"1"'
    ),
    "PATCH": lambda api, n: api.entry("PATCH", "key", b'{"value": 2}', Statestore_Attempt=n),
    "DELETE": lambda api, n: api.entry("DELETE", "key", Statestore_Attempt=n),
    "DELETE of a missing key": lambda api, n: api.entry("DELETE", "new", Statestore_Attempt=n),
    "clear": lambda api, n: api.collection("DELETE", Statestore_Attempt=n),
    "clear of all": lambda api, n: api.collection(
        "DELETE", "?all_map_indices=true", Statestore_Attempt=n
    ),
}


def test_attempts_count_from_1_for_each_map_index(api: Api) -> None:
    response = api.send("POST", task_path(api.scope, "attempts"))
    assert (response.status_code, response.json()) == (201, {"attempt": 1})
    assert api.start_attempt() == 2
    mapped = api.send("POST", task_path(api.scope, "attempts?map_index=0"))
    assert mapped.json() == {"attempt": 1}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_stale_attempt_can_change_nothing(api: Api, write: Callable[[Api, str], Answer]) -> None:
    api.start_attempt()
    api.put("key", 1)
    api.start_attempt()
    response = write(api, "1")
    assert response.status_code == 409
    body = response.json()
    assert (body["code"], body["attempt"], body["newest_attempt"]) == ("stale_attempt", 1, 2)
    assert "attempt 2" in body["detail"]
    assert (api.keys(), api.value("key")) == (["key"], 1)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_the_newest_attempt_may_write(api: Api, write: Callable[[Api, str], Answer]) -> None:
    api.start_attempt()
    api.put("key", 1)
    assert write(api, "1").status_code in {200, 204}


def test_who_names_no_attempt_is_not_fenced(api: Api) -> None:
    api.start_attempt()
    api.start_attempt()
    assert api.put("key", 1).status_code == 204


def test_a_stale_attempt_may_still_read(api: Api) -> None:
    api.put("key", 1)
    api.start_attempt()
    api.start_attempt()
    assert api.get("key", Statestore_Attempt="1").status_code == 200


@pytest.mark.parametrize("attempt", ["0", "-1", "x", "1.0", ""])
def test_a_number_that_is_none_is_422(api: Api, attempt: str) -> None:
    response = api.put_text("key", '{"value": 1}', Statestore_Attempt=attempt)
    assert problem(response)["loc"] == ["header", "Statestore-Attempt"]
    assert api.keys() == []
