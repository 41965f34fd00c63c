"""What is read from a progress value: any JSON may come, and none may break or mislead."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.progress import Progress, number_text, progress_of

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip
fields = st.sampled_from(["current", "total", "unit", "message", "status", "percent", "rows"])


def progress(value: Any) -> Progress:
    found = progress_of(json.dumps(value))
    assert found is not None
    return found


def test_reads_the_usual_form() -> None:
    found = progress({"current": 12000, "total": 50000, "unit": "rows", "message": "loading"})
    assert found == Progress(24, "12,000", "50,000", "rows", "loading")


def test_takes_the_only_other_number_for_what_is_done() -> None:
    found = progress({"rows_loaded": 12000, "total": 50000, "status": "running"})
    assert (found.percent, found.current, found.unit) == (24, "12,000", "rows loaded")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 4300, "1e308", "5e-324", "NaN"])
@pytest.mark.parametrize("form", ['{"current": %s, "total": 7}', '{"current": 7, "total": %s}',
                                  '{"percent": %s}', '{"rows": %s, "total": %s}', "%s"])  # fmt: skip
def test_no_number_breaks_it(form: str, number: str) -> None:
    found = progress_of(form.replace("%s", number))
    assert found is not None
    assert "inf" not in f"{found.current}{found.total}".lower()


def test_does_not_choose_between_two_numbers() -> None:
    assert progress({"a": 1, "b": 2, "total": 3}).percent is None


def test_says_100_percent_only_when_everything_is_done() -> None:
    assert progress({"current": 999_999, "total": 1_000_000}).percent == 99
    assert progress({"current": 10**400 - 1, "total": 10**400}).percent == 99
    assert progress({"current": 5.0, "total": 5}).percent == 100


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ({"current": 1, "total": 0}, "total is 0"),
        ({"current": 1, "total": -5}, "total is -5"),
        ({"current": -1, "total": 5}, "below zero"),
        ({"current": 120, "total": 100}, "over the total"),
        ({"current": 7}, "no total reported"),
        ({"current": 7, "total": "many"}, "no total reported"),
    ],
)
def test_shows_no_percentage_that_would_mislead(value: dict[str, Any], note: str) -> None:
    found = progress(value)
    assert (found.percent, found.note) == (None, note)


@pytest.mark.parametrize("value", ["text", 0.42, True, [1, 2], {}, {"x": {"y": 1}}])
def test_shows_any_other_form_as_it_is(value: Any) -> None:
    assert progress(value) == Progress(text=json.dumps(value))


def test_takes_no_boolean_for_a_number() -> None:
    assert progress({"current": True, "total": 10}).percent is None


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (12000, "12,000"), (0.25, "0.25"), (1e300, "≈ 1.00E+300"), (-3, "-3"), (5.0, "5")],
)
def test_writes_numbers_for_people(number: float, text: str) -> None:
    assert number_text(number) == text


@given(any_json | st.dictionaries(fields, any_json))
def test_never_fails(value: Any) -> None:
    found = progress(value)
    assert found.percent is None or 0 <= found.percent <= 100
