"""PUT …/state-store/{key}."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Api, problem, value_text


def test_it_creates_and_then_overwrites(api: Api) -> None:
    created = api.put("last_page", 1)
    assert (created.status_code, created.content, created["ETag"]) == (204, b"", '"1"')
    overwritten = api.put("last_page", {"page": 2})
    assert (overwritten.status_code, overwritten["ETag"]) == (204, '"2"')
    assert api.value("last_page") == {"page": 2}


@pytest.mark.parametrize(
    "value", ["text", "", 1, 0, -1.5, True, False, [], {}, [None, [1]], {"a": None}, "null", "ü🦆"]
)
def test_values_come_back_as_they_went(api: Api, value: Any) -> None:
    assert api.put("value", value).status_code == 204
    back = api.value("value")
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "123456789012345678901234567890123456789012345678901234567890",
        "0.1000000000000000055511151231257827021181583404541015625",
        "1.0",
        "1E2",
        "-0",
        "-0.0",
        '{"z":1,"a":2,"m":{"b":1,"a":2}}',
        r'"\u0000 \ud83e\udd86 \/"',
        r'{"\u0000":"\u0000"}',
        '[ 1 ,\t2,\r\n {"a" : 3} ]',
        "[" * 300 + "]" * 300,
        '{"a":' * 300 + "1" + "}" * 300,
    ],
    ids=lambda text: text[:20],
)
def test_the_text_of_a_value_is_kept_to_the_letter(api: Api, text: str) -> None:
    assert api.put_text("exact", f'{{"value": {text} , "expires_at": null}}').status_code == 204
    assert value_text(api.get("exact")) == text
    page = api.collection("GET")
    assert text in page.content.decode()


@pytest.mark.parametrize(
    ("body", "loc", "words"),
    [
        ('{"value": null}', ["body", "value"], "must not be null"),
        ("{}", ["body", "value"], "required"),
        ("", ["body"], "empty"),
        ("[1]", ["body"], "must be a JSON object"),
        ('"text"', ["body"], "must be a JSON object"),
        ('{"value": NaN}', ["body", "value"], "NaN"),
        ('{"value": {"a": [1, -Infinity]}}', ["body", "value", "a", 1], "Infinity"),
        ('{"value": [1e999]}', ["body", "value", 0], "infinity"),
        ('{"value": {"a": [%s]}}' % ("1" * 251 + "e99"), ["body", "value", "a", 0], "infinity"),
        (r'{"value": ["\ud800"]}', ["body", "value", 0], "surrogate"),
        (r'{"value": {"\udfff": 1}}', ["body", "value"], "surrogate"),
        ('{"value": {"a": 1, "a": 2}}', ["body", "value"], "twice"),
        ('{"value": 1, "value": 2}', ["body", "value"], "twice"),
        ('{"value": ' + "[" * 501 + "]" * 501 + "}", None, "500 levels"),
        ('{"value": ' + "9" * 4301 + "}", ["body", "value"], "4300 digits"),
        ('{"value": 1, "expiry": 5}', ["body", "expiry"], "unknown field"),
    ],
    ids=lambda part: part[:30] if isinstance(part, str) else "",
)
def test_what_cannot_be_kept_is_422_and_the_place_is_named(
    api: Api, body: str, loc: list[str | int] | None, words: str
) -> None:
    found = problem(api.put_text("refused", body))
    assert loc is None or found["loc"] == loc
    assert words in found["msg"]
    assert api.keys() == []


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "value=1",
        '{"value": 1,}',
        '{"value": 01}',
        "{'value': 1}",
        '{"value": 1} x',
        '{"value": "\t"}',
    ],
)
def test_what_is_no_json_is_400_and_the_position_is_named(api: Api, body: str) -> None:
    response = api.put_text("refused", body)
    assert response.status_code == 400
    assert response.json()["code"] == "malformed_json"
    assert "line 1, column" in response.json()["detail"]
    assert api.keys() == []


def test_a_body_that_is_not_utf_8_is_400(api: Api) -> None:
    response = api.put_text("refused", b'{"value": "\xff"}')
    assert response.status_code == 400
    assert "UTF-8: byte 11" in response.json()["detail"]


def test_a_value_may_have_64_kib_of_json_and_no_byte_more(api: Api) -> None:
    fits = json.dumps("x" * (64 * 1024 - 2))
    assert api.put_text("large", f'{{"value": {fits}}}').status_code == 204
    found = problem(api.put_text("larger", f'{{"value": "x{fits[1:]}}}'))
    assert found["type"] == "value_too_large"
    assert "65537 bytes" in found["msg"]
    assert "65536" in found["msg"]
    assert api.keys() == ["large"]


def test_a_value_is_measured_in_bytes(api: Api) -> None:
    assert (
        problem(api.put_text("wide", '{"value": "' + "ü" * 40_000 + '"}'))["type"]
        == "value_too_large"
    )


def test_a_huge_body_is_413(api: Api) -> None:
    response = api.put_text("huge", '{"value": "' + "x" * 100_000 + '"}')
    assert response.status_code == 413
    assert response.json()["code"] == "too_large"
    assert api.keys() == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_415(api: Api, content_type: str) -> None:
    response = api.put_text("refused", '{"value": 1}', content_type=content_type)
    assert response.status_code == 415
    assert "application/json" in response.json()["detail"]
    assert api.keys() == []


def test_a_charset_beside_the_content_type_does_no_harm(api: Api) -> None:
    response = api.put_text("key", '{"value": 1}', content_type="application/json; charset=utf-8")
    assert response.status_code == 204


# --- expiry ---


def expiry_of(api: Api, key: str) -> datetime | None:
    text = api.get(key).json()["expires_at"]
    return None if text is None else datetime.fromisoformat(text)


@pytest.mark.parametrize("members", [{}, {"expires_at": "default"}])
def test_the_default_expiry_is_the_servers_retention(api: Api, members: dict[str, Any]) -> None:
    api.put("key", 1, **members)
    expires_at = expiry_of(api, "key")
    assert expires_at is not None
    assert abs(expires_at - datetime.now(UTC) - timedelta(days=30)) < timedelta(seconds=30)


def test_a_default_of_0_days_is_never(api: Api, settings: Any) -> None:
    settings.STATESTORE_DEFAULT_RETENTION_DAYS = 0
    api.put("key", 1)
    assert expiry_of(api, "key") is None


def test_null_is_never(api: Api) -> None:
    api.put("key", 1, expires_at=None)
    assert expiry_of(api, "key") is None


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2099-12-31T23:59:59.123456Z", "2099-12-31T23:59:59.123456Z"),
        ("2099-12-31T23:59:59+02:00", "2099-12-31T21:59:59.000000Z"),
        ("2099-12-31T23:59:59.5-05:30", "2100-01-01T05:29:59.500000Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"),
    ],
)
def test_a_time_is_kept_exactly(api: Api, sent: str, kept: str) -> None:
    assert api.put("key", 1, expires_at=sent).status_code == 204
    assert api.get("key").json()["expires_at"] == kept


def test_expires_in_counts_from_the_write(api: Api) -> None:
    api.put("key", 1, expires_in=90.5)
    body = api.get("key").json()
    lifetime = datetime.fromisoformat(body["expires_at"]) - datetime.fromisoformat(
        body["updated_at"]
    )
    assert lifetime == timedelta(seconds=90.5)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"expires_at": "2099-12-31T23:59:59"}, "offset"),
        ({"expires_at": "tomorrow"}, "default"),
        ({"expires_at": "2099-13-31T00:00:00Z"}, "default"),
        ({"expires_at": 1799999999}, "default"),
        ({"expires_at": "9999-12-31T23:59:59-10:00"}, "9999"),
        ({"expires_in": -1}, "between 0"),
        ({"expires_in": "60"}, "number of seconds"),
        ({"expires_in": True}, "number of seconds"),
        ({"expires_in": None}, "number of seconds"),
        ({"expires_in": 1e300}, "between 0"),
        ({"expires_in": 60, "expires_at": None}, "not both"),
    ],
)
def test_an_expiry_that_is_none_is_422(api: Api, members: dict[str, Any], words: str) -> None:
    assert words in problem(api.put("refused", 1, **members))["msg"]
    assert api.keys() == []


def test_each_put_replaces_the_expiry(api: Api) -> None:
    api.put("key", 1, expires_at=None)
    api.put("key", 2)
    assert expiry_of(api, "key") is not None
    api.put("key", 3, expires_at=None)
    assert expiry_of(api, "key") is None


def test_a_put_over_an_expired_entry_brings_it_back(api: Api) -> None:
    api.put("key", "old", expires_in=0)
    assert api.put("key", "new").status_code == 204
    assert api.value("key") == "new"


# --- keys ---


@pytest.mark.parametrize("key", ["x" * 513, "a\nb", "\x00", "a\x7f"])
def test_a_key_that_is_not_allowed_is_422(api: Api, key: str) -> None:
    assert problem(api.put(key, 1))["loc"] == ["path", "key"]
    assert api.keys() == []


def test_a_key_may_have_512_characters_of_any_width(api: Api) -> None:
    assert api.put("🦆" * 512, 1).status_code == 204
    assert api.value("🦆" * 512) == 1


@pytest.mark.parametrize("key", [".", "..", ""])
def test_a_key_that_clients_drop_from_paths_never_becomes_another_request(
    api: Api, key: str
) -> None:
    api.put("kept", 1)
    for method in ("PUT", "DELETE"):
        assert api.entry(method, key, b'{"value": 1}').status_code == 422
    assert api.keys() == ["kept"]


def test_ids_may_hold_slashes_and_anything_printable(api: Api) -> None:
    from statestore.protocol import TaskScope

    odd = api.at(
        scope=TaskScope("a/b %2F", f"2026-01-01T00:00:00+00:00 {api.scope.run_id}", "é/🦆?#&")
    )
    assert odd.put("key", 1).status_code == 204
    assert odd.value("key") == 1


@pytest.mark.parametrize("map_index", ["-2", "1.5", "x", "", str(2**31)])
def test_a_map_index_that_is_none_is_422(api: Api, map_index: str) -> None:
    from tests.api.conftest import task_path

    path = f"{task_path(api.scope)}/key?map_index={map_index}"
    assert "map_index" in problem(api.send("PUT", path, b'{"value": 1}'))["msg"]


# --- preconditions ---


def test_if_none_match_creates_only(api: Api) -> None:
    body = '{"value": 1}'
    assert api.put_text("lock", body, If_None_Match="*").status_code == 204
    refused = api.put_text("lock", '{"value": 2}', If_None_Match="*")
    assert refused.status_code == 412
    assert refused.json()["code"] == "precondition_failed"
    assert refused.json()["version"] == 1
    assert api.value("lock") == 1


def test_if_none_match_takes_an_expired_entry_for_none(api: Api) -> None:
    api.put("lock", "old", expires_in=0)
    assert api.put_text("lock", '{"value": "new"}', If_None_Match="*").status_code == 204
    assert api.value("lock") == "new"


def test_if_match_writes_the_version_that_was_read_and_no_other(api: Api) -> None:
    api.put("counter", 1)
    written = api.put_text("counter", '{"value": 2}', If_Match='"1"')
    assert (written.status_code, written["ETag"]) == (204, '"2"')
    refused = api.put_text("counter", '{"value": 3}', If_Match='"1"')
    assert (refused.status_code, refused.json()["version"]) == (412, 2)
    assert api.value("counter") == 2


@pytest.mark.parametrize("etag", ['"1"', "*"])
def test_if_match_of_a_missing_key_is_412(api: Api, etag: str) -> None:
    refused = api.put_text("missing", '{"value": 1}', If_Match=etag)
    assert (refused.status_code, refused.json()["version"]) == (412, None)
    assert api.keys() == []


def test_if_match_star_overwrites_what_exists(api: Api) -> None:
    api.put("key", 1)
    assert api.put_text("key", '{"value": 2}', If_Match="*").status_code == 204
    assert api.value("key") == 2


@pytest.mark.parametrize(
    "headers",
    [{"If_Match": "1"}, {"If_Match": 'W/"1"'}, {"If_Match": '"1", "2"'}, {"If_None_Match": '"1"'}],
)
def test_a_precondition_that_is_not_understood_is_422(api: Api, headers: dict[str, str]) -> None:
    api.put("key", 1)
    problem(api.put_text("key", '{"value": 2}', **headers))
    assert api.value("key") == 1
