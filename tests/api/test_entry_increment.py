"""POST …/{key}/increment."""

from typing import Any

import pytest

from tests.api.conftest import Answer, Api, problem, task_path, value_text


def add(api: Api, body: str = '{"by": 1}', key: str = "n", **headers: str) -> Answer:
    path = task_path(api.scope, f"state-store/{key}/increment")
    return api.send("POST", path, body.encode(), **headers)


@pytest.mark.parametrize(
    ("start", "by", "total"),
    [
        ("1", "1", "2"),
        ("5", "-7", "-2"),
        ("0.1", "0.2", "0.3"),
        ("1.10", "1", "2.10"),
        ("9007199254740993", "1", "9007199254740994"),
        ("123456789012345678901234567890", "1", "123456789012345678901234567891"),
        ("0.1", "1e-20", "0.10000000000000000001"),
        ("-0", "0", "0"),
        ("9" * 4299, "1", "1" + "0" * 4299),
    ],
)
def test_sums_are_exact(api: Api, start: str, by: str, total: str) -> None:
    api.put_text("n", f'{{"value": {start}}}')
    answer = add(api, f'{{"by": {by}}}')
    assert (answer.status_code, answer.content.decode()) == (200, f'{{"value":{total}}}')
    assert value_text(api.get("n")) == total
    assert answer["ETag"] == api.get("n")["ETag"] == '"2"'


def test_a_new_key_counts_from_0_and_by_is_1_where_it_is_left_out(api: Api) -> None:
    assert add(api, "{}").json() == {"value": 1}
    assert add(api, '{"by": 2.5}').json() == {"value": 3.5}


def test_a_new_key_may_have_an_expiry_and_an_old_one_keeps_its_own(api: Api) -> None:
    add(api, '{"by": 1, "expires_at": null}')
    assert api.get("n").json()["expires_at"] is None
    add(api, '{"by": 1, "expires_in": 60}')
    assert api.get("n").json()["expires_at"] is None


@pytest.mark.parametrize("value", ["x", True, [], {}, ""])
def test_only_numbers_can_be_added_to(api: Api, value: Any) -> None:
    api.put("n", value)
    answer = add(api)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_a_number")
    assert api.value("n") == value


@pytest.mark.parametrize("by", ['"1"', "true", "null", "[]", "NaN", "1e999", "9" * 4301,
                                "1" * 251 + "e99"])  # fmt: skip
def test_what_is_no_number_is_not_added(api: Api, by: str) -> None:
    assert problem(add(api, f'{{"by": {by}}}'))["loc"][:2] == ["body", "by"]
    assert api.keys() == []


@pytest.mark.parametrize(
    ("start", "by"), [("9" * 4300, "1"), ("1.7e308", "1.7e308"), ("1e300", "1e-4300")]
)
def test_a_sum_that_cannot_be_kept_is_422(api: Api, start: str, by: str) -> None:
    api.put_text("n", f'{{"value": {start}}}')
    assert problem(add(api, f'{{"by": {by}}}'))["type"] == "finite_number"
    assert value_text(api.get("n")) == start


def test_a_key_may_end_with_increment(api: Api) -> None:
    assert api.put("n/increment", 5).status_code == 204
    assert api.value("n/increment") == 5
    assert add(api, key="n").json() == {"value": 1}
    assert add(api, key="n/increment").json() == {"value": 6}
    assert api.keys() == ["n", "n/increment"]
