"""GET …/state-store."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.api.conftest import Api, problem


def page(api: Api, query: str = "") -> dict[str, Any]:
    response = api.collection("GET", query)
    assert response.status_code == 200, response.content
    return dict(response.json())


def test_it_lists_entries_by_key(api: Api) -> None:
    for key in ("b", "a", "Z", "a/1", "é", "🦆"):
        api.put(key, {"key": key})
    listed = page(api)
    assert [row["key"] for row in listed["task_state_store"]] == ["Z", "a", "a/1", "b", "é", "🦆"]
    assert [row["value"]["key"] for row in listed["task_state_store"]][:2] == ["Z", "a"]
    assert listed["total_entries"] == 6
    assert set(listed["task_state_store"][0]) == {"key", "value", "updated_at", "expires_at"}


@pytest.mark.parametrize("known", [True, False])
def test_nothing_is_an_empty_list(api: Api, known: bool) -> None:
    if known:
        api.start_attempt()
    assert page(api) == {"task_state_store": [], "total_entries": 0}


def test_limit_and_offset_cut_the_rows_and_not_the_total(api: Api) -> None:
    for number in range(5):
        api.put(f"key {number}", number)

    def values(query: str) -> list[int]:
        listed = page(api, query)
        assert listed["total_entries"] == 5
        return [row["value"] for row in listed["task_state_store"]]

    assert values("?limit=2") == [0, 1]
    assert values("?limit=2&offset=2") == [2, 3]
    assert values("?offset=4") == [4]
    assert values("?offset=5") == []
    assert values("?limit=0") == []


def test_after_has_the_keys_behind_one_whether_or_not_it_is_there(api: Api) -> None:
    for key in ("b", "a", "Z", "a/1", "é", "🦆"):
        api.put(key, 1)

    def keys(query: str) -> list[str]:
        listed = page(api, query)
        assert listed["total_entries"] == 6
        return [row["key"] for row in listed["task_state_store"]]

    assert keys("?after=") == ["Z", "a", "a/1", "b", "é", "🦆"]
    assert keys("?after=a") == ["a/1", "b", "é", "🦆"]
    assert keys("?after=a%2F0&limit=2") == ["a/1", "b"]
    assert keys("?after=b&offset=1") == ["🦆"]
    assert keys(f"?after={quote('🦆')}") == []
    assert api.collection("GET", "?after=%00").status_code == 422


def test_a_page_has_50_rows_by_default_and_at_most_100(api: Api) -> None:
    for number in range(105):
        api.put(f"key {number:03}", number)
    assert len(page(api)["task_state_store"]) == 50
    assert len(page(api, "?limit=1000")["task_state_store"]) == 100


@pytest.mark.parametrize(
    "query", ["?limit=-1", "?offset=-1", "?limit=x", "?offset=1.5", "?map_index=-2"]
)
def test_numbers_that_make_no_sense_are_422(api: Api, query: str) -> None:
    name = query.strip("?").partition("=")[0]
    assert name in problem(api.collection("GET", query))["loc"]


def test_other_map_indices_are_not_listed(api: Api) -> None:
    api.put("unmapped", 1)
    api.put("mapped", 1, map_index=3)
    assert api.keys() == ["unmapped"]
    assert api.keys(map_index=3) == ["mapped"]
    assert api.keys(map_index=4) == []


def test_expired_entries_are_neither_listed_nor_counted(api: Api) -> None:
    api.put("lives", 1)
    api.put("expired", 1, expires_in=0)
    listed = page(api)
    assert [row["key"] for row in listed["task_state_store"]] == ["lives"]
    assert listed["total_entries"] == 1


def test_a_slash_at_the_end_is_an_empty_key_and_never_redirects(api: Api) -> None:
    from tests.api.conftest import task_path

    response = api.send("GET", task_path(api.scope) + "/")
    assert problem(response)["loc"] == ["path", "key"]
