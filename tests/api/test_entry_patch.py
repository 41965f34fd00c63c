"""PATCH …/state-store/{key}."""

import pytest

from tests.api.conftest import Api, problem, value_text


def test_it_changes_the_value_and_answers_null(api: Api) -> None:
    api.put("last_page", 1)
    response = api.entry("PATCH", "last_page", b'{"value": 2}')
    assert (response.status_code, response.content, response["ETag"]) == (200, b"null", '"2"')
    assert api.value("last_page") == 2


def test_it_keeps_the_expiry(api: Api) -> None:
    api.put("never", 1, expires_at=None)
    api.put("soon", 1, expires_at="2099-01-01T00:00:00Z")
    for key in ("never", "soon"):
        api.entry("PATCH", key, b'{"value": 2}')
    assert api.get("never").json()["expires_at"] is None
    assert api.get("soon").json()["expires_at"] == "2099-01-01T00:00:00.000000Z"


def test_the_text_of_a_value_is_kept_to_the_letter(api: Api) -> None:
    api.put("exact", 1)
    api.entry("PATCH", "exact", b'{"value": {"z": 1.10, "a": 12345678901234567890}}')
    assert value_text(api.get("exact")) == '{"z": 1.10, "a": 12345678901234567890}'


@pytest.mark.parametrize("exists", [True, False], ids=["task instance known", "unknown"])
def test_a_missing_key_is_404_and_is_not_created(api: Api, exists: bool) -> None:
    if exists:
        api.put("other", 1)
    response = api.entry("PATCH", "missing", b'{"value": 2}')
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert api.get("missing").status_code == 404


def test_an_expired_key_is_missing(api: Api) -> None:
    api.put("cookie", 1, expires_in=0)
    assert api.entry("PATCH", "cookie", b'{"value": 2}').status_code == 404
    assert api.get("cookie").status_code == 404


def test_it_takes_no_expiry(api: Api) -> None:
    api.put("key", 1)
    found = problem(api.entry("PATCH", "key", b'{"value": 2, "expires_at": null}'))
    assert found["loc"] == ["body", "expires_at"]
    assert api.value("key") == 1


def test_null_is_422(api: Api) -> None:
    api.put("key", 1)
    problem(api.entry("PATCH", "key", b'{"value": null}'))
    assert api.value("key") == 1


def test_if_match_holds_for_its_version_alone(api: Api) -> None:
    api.put("key", 1)
    assert api.entry("PATCH", "key", b'{"value": 2}', If_Match='"1"').status_code == 200
    refused = api.entry("PATCH", "key", b'{"value": 3}', If_Match='"1"')
    assert (refused.status_code, refused.json()["version"]) == (412, 2)
    assert api.value("key") == 2


def test_if_none_match_can_never_hold(api: Api) -> None:
    api.put("key", 1)
    assert api.entry("PATCH", "key", b'{"value": 2}', If_None_Match="*").status_code == 412
    assert api.value("key") == 1
