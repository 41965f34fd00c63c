"""GET …/state-store/{key}."""

from datetime import UTC, datetime, timedelta

from tests.api.conftest import Api


def test_it_answers_the_entry_with_its_version_as_the_etag(api: Api) -> None:
    api.put("last_page", 7)
    response = api.get("last_page")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["ETag"] == '"1"'
    body = response.json()
    assert list(body) == ["key", "value", "updated_at", "expires_at"]
    assert (body["key"], body["value"]) == ("last_page", 7)


def test_times_are_utc_with_microseconds_and_z(api: Api) -> None:
    before = datetime.now(UTC)
    api.put("last_page", 7)
    updated_at = api.get("last_page").json()["updated_at"]
    assert updated_at.endswith("Z")
    assert len(updated_at) == len("2026-01-01T00:00:00.000000Z")
    assert before <= datetime.fromisoformat(updated_at) <= datetime.now(UTC)


def test_a_missing_key_is_404_and_the_words_name_it(api: Api) -> None:
    api.put("other", 1)
    response = api.get("last_page")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"
    assert "last_page" in response.json()["detail"]


def test_an_unknown_task_instance_is_404(api: Api) -> None:
    assert api.get("last_page").status_code == 404


def test_an_expired_entry_is_gone_at_once(api: Api) -> None:
    past = datetime.now(UTC) - timedelta(milliseconds=1)
    assert api.put("cookie", 1, expires_at=past.isoformat()).status_code == 204
    assert api.get("cookie").status_code == 404
    assert api.put("cookie", 1, expires_in=0).status_code == 204
    assert api.get("cookie").status_code == 404


def test_other_map_indices_do_not_see_it(api: Api) -> None:
    api.put("last_page", 1)
    api.put("last_page", 2, map_index=0)
    assert api.value("last_page") == 1
    assert api.value("last_page", map_index=-1) == 1
    assert api.value("last_page", map_index=0) == 2
    assert api.get("last_page", map_index=1).status_code == 404


def test_keys_are_compared_by_their_exact_characters(api: Api) -> None:
    keys = [
        "a",
        "A",
        "ä",
        "a\u0308",
        " a",
        "a ",
        "a/b",
        "a%2Fb",
        "a+b",
        "a:b",
        "a?b",
        "a#b",
        "🦆",
        "שלום",
    ]
    for number, key in enumerate(keys):
        assert api.put(key, number).status_code == 204, key
    assert [api.value(key) for key in keys] == list(range(len(keys)))
