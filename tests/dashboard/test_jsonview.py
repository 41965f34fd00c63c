"""How a value is laid out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.jsonview import json_view
from statestore.jsonpretty import pretty

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
)


@given(any_json)
def test_the_layout_means_the_same(value: Any) -> None:
    assert json.loads(pretty(json.dumps(value))) == value


def test_the_layout_is_the_usual_one() -> None:
    value = {"a": [1, {"b": "x"}], "c": {}, "d": []}
    assert pretty(json.dumps(value)) == (
        '{\n  "a": [\n    1,\n    {\n      "b": "x"\n    }\n  ],\n  "c": {},\n  "d": []\n}'
    )


def test_numbers_stay_as_they_were_sent() -> None:
    assert pretty("1.50E+2") == "1.50E+2"


def test_markup_is_text() -> None:
    html = json_view(json.dumps({"<b>": "<script>"})).html
    assert "<b>" not in html
    assert "<script>" not in html
    assert '<span class="jk">&quot;&lt;b&gt;&quot;</span>' in html


def test_what_is_too_deep_or_too_long_is_shown_as_it_is() -> None:
    deep, long = "[" * 400 + "]" * 400, json.dumps(list(range(9000)))
    assert pretty(deep) == deep
    assert pretty(long) == long


@pytest.mark.parametrize(
    "value",
    ["https://spark.example.com:8443/app/42?tab=1#jobs", "http://10.0.0.7/", "http://[::1]:80"],
)
def test_an_address_is_a_link(value: str) -> None:
    assert json_view(json.dumps(value)).link == value


@pytest.mark.parametrize(
    "value",
    ["javascript:alert(1)", "data:text/html,x", "s3://lake/orders", "//host/", "see https://h/",
     "https://u:pw1234@host/", "https://good.example@evil.example/", "https://h/\"onclick=x",
     "https://h/<b>", "https://h/a b", "https://h/\u202egnp", "https:\\\\h", ["https://h/"], 7],
)  # fmt: skip
def test_what_is_no_plain_address_is_no_link(value: Any) -> None:
    assert json_view(json.dumps(value)).link == ""
