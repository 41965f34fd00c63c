"""DELETE …/state-store/{key}."""

from tests.api.conftest import Api


def test_it_deletes_the_key_and_no_other(api: Api) -> None:
    for key in ("a", "a/b", "b"):
        api.put(key, 1)
    response = api.entry("DELETE", "a")
    assert (response.status_code, response.content) == (204, b"")
    assert api.keys() == ["a/b", "b"]


def test_a_missing_key_and_an_unknown_task_instance_are_204(api: Api) -> None:
    assert api.entry("DELETE", "a").status_code == 204
    api.put("b", 1)
    assert api.entry("DELETE", "a").status_code == 204
    assert api.keys() == ["b"]


def test_other_map_indices_keep_theirs(api: Api) -> None:
    for map_index in (-1, 0, 1):
        api.put("key", map_index, map_index=map_index)
    api.entry("DELETE", "key", map_index=0)
    assert [api.get("key", map_index=index).status_code for index in (-1, 0, 1)] == [200, 404, 200]


def test_the_version_starts_anew_after_it(api: Api) -> None:
    api.put("key", 1)
    api.put("key", 2)
    api.entry("DELETE", "key")
    assert api.put("key", 3)["ETag"] == '"1"'


def test_if_match_holds_for_its_version_alone(api: Api) -> None:
    api.put("key", 1)
    api.put("key", 2)
    refused = api.entry("DELETE", "key", If_Match='"1"')
    assert (refused.status_code, refused.json()["version"]) == (412, 2)
    assert api.keys() == ["key"]
    assert api.entry("DELETE", "key", If_Match='"2"').status_code == 204
    assert api.keys() == []
    assert api.entry("DELETE", "key", If_Match='"2"').status_code == 412


def test_if_match_star_needs_an_entry(api: Api) -> None:
    assert api.entry("DELETE", "key", If_Match="*").status_code == 412
    api.put("key", 1)
    assert api.entry("DELETE", "key", If_Match="*").status_code == 204
    assert api.keys() == []


def test_if_none_match_can_never_hold(api: Api) -> None:
    api.put("key", 1)
    assert api.entry("DELETE", "key", If_None_Match="*").status_code == 412
    assert api.keys() == ["key"]
