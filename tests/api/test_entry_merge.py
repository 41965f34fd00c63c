"""PATCH with application/merge-patch+json (RFC 7396)."""

import json
from typing import Any

import pytest

from statestore.access import Right
from statestore.jsontext import MAX_DEPTH
from statestore.services import api_token_create
from tests.api.conftest import Answer, Api, problem, value_text

MERGE = "application/merge-patch+json"

# RFC 7396, appendix A, where the patch is an object.
EXAMPLES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ("text", {"a": 1}, {"a": 1}),
    ({"a": 1}, {}, {"a": 1}),
]


def merge(api: Api, patch: str, **headers: Any) -> Answer:
    return api.entry("PATCH", "key", patch.encode(), content_type=MERGE, **headers)


@pytest.mark.parametrize(("target", "patch", "result"), EXAMPLES)
def test_the_examples_of_the_rfc(api: Api, target: Any, patch: Any, result: Any) -> None:
    api.put("key", target)
    answer = merge(api, json.dumps(patch))
    assert (answer.status_code, answer.json(), answer["ETag"]) == (200, {"value": result}, '"2"')
    assert api.value("key") == result


def test_what_the_patch_does_not_name_keeps_its_digits(api: Api) -> None:
    api.put_text(
        "key", '{"value": {"big": 123456789012345678901234567890, "e": 1.50e-7, "d": {"x": 0.10}}}'
    )
    merge(api, '{"d": {"y": 2.00}, "new": 1e2}')
    kept = value_text(api.get("key"))
    for text in ("123456789012345678901234567890", "1.50e-7", "0.10", "2.00", "1e2"):
        assert text in kept
    assert list(json.loads(kept)) == ["big", "e", "d", "new"]


@pytest.mark.parametrize("patch", ['"text"', "[1]", "1", "null", "true"])
def test_a_patch_that_is_no_object_is_422(api: Api, patch: str) -> None:
    api.put("key", 1)
    assert problem(merge(api, patch))["loc"] == ["body"]
    assert api.value("key") == 1


@pytest.mark.parametrize(
    ("patch", "status"),
    [("", 422), ("{", 400), ('{"a": NaN}', 422), ('{"a": 1, "a": 2}', 422), ('{"a": {"b": "\\ud800"}}', 422),
     ('{"a": {"b": %s}}' % ("9" * 295 + "e20"), 422)],
)  # fmt: skip
def test_a_patch_that_is_no_strict_json_is_refused(api: Api, patch: str, status: int) -> None:
    api.put("key", {"a": 0})
    assert merge(api, patch).status_code == status
    assert api.value("key") == {"a": 0}


@pytest.mark.parametrize("inside", ["1", "1e100", '"\\ud83d\\ude00"'])
def test_a_merge_may_be_as_deep_as_a_put_and_no_deeper(api: Api, inside: str) -> None:
    def nested(levels: int) -> str:
        return '{"a":' * levels + inside + "}" * levels

    for value in ("1", "{}", nested(MAX_DEPTH)):
        api.put_text("key", f'{{"value": {value}}}')
        assert problem(merge(api, nested(MAX_DEPTH + 1)))["type"] == "too_deep"
        assert value_text(api.get("key")) == value
        assert merge(api, nested(MAX_DEPTH)).status_code == 200
        assert value_text(api.get("key")) == nested(MAX_DEPTH)


def test_a_name_that_is_no_text_is_refused(api: Api) -> None:
    api.put("key", {})
    assert problem(merge(api, '{"\\ud800": 1}'))["type"] == "string_unicode"


def test_a_missing_key_is_404(api: Api) -> None:
    assert merge(api, "{}").status_code == 404
    assert api.keys() == []


def test_the_expiry_is_kept(api: Api) -> None:
    api.put("key", {}, expires_at="2099-01-02T03:04:05.678901Z")
    merge(api, '{"a": 1}')
    assert api.get("key").json()["expires_at"] == "2099-01-02T03:04:05.678901Z"


def test_a_version_can_be_asked_for(api: Api) -> None:
    api.put("key", {})
    assert merge(api, '{"a": 1}', If_Match='"1"').status_code == 200
    late = merge(api, '{"a": 2}', If_Match='"1"')
    assert (late.status_code, late.json()["version"]) == (412, 2)
    assert api.value("key") == {"a": 1}


def test_merges_cannot_make_a_value_longer_than_a_put_could(api: Api, settings: Any) -> None:
    settings.STATESTORE_VALUE_MAX_BYTES = 100
    api.put("key", {"a": "x" * 60})
    assert problem(merge(api, json.dumps({"b": "x" * 60})))["type"] == "value_too_large"
    assert api.value("key") == {"a": "x" * 60}


@pytest.mark.django_db
@pytest.mark.parametrize("right", [Right.WRITE, Right.VIEW, Right.CLEAR])
def test_it_needs_the_rights_to_write_and_to_view_for_it_answers_the_value(
    api: Api, right: Right
) -> None:
    api.put("key", {"password": 1})
    _, secret = api_token_create(name="one right", rights=[right])
    answer = merge(api.at(token=secret), "{}")
    assert answer.status_code == 403
    assert b"password" not in answer.content
