"""A value as a tree that opens without a script."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.jsontree import CHILDREN_MAX, NODES_MAX, tree_html
from statestore.jsonpretty import MAX_DEPTH

RAW = "/k/?key=a&as=raw"


def html_of(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(' id="n-[0-9a-f]{16}"', "", str(tree_html(text, raw_url=RAW)))


def text_of(html: str) -> str:
    class Text(HTMLParser):
        said = ""

        def handle_data(self, data: str) -> None:
            self.said += data

    parser = Text()
    parser.feed(html)
    return parser.said


def depth_of(html: str) -> int:
    depth = deepest = 0
    for tag in re.findall(r"</?details", html):
        depth += 1 if tag == "<details" else -1
        deepest = max(deepest, depth)
    assert depth == 0
    return deepest


def test_members_and_elements_are_nested_counted_and_open_on_two_levels() -> None:
    html = html_of({"a": [1, {"b": {"c": None}}], "d": {}, "e": []})
    assert text_of(html) == (
        '{} 3 fields"a": [] 2 items0: 11: {} 1 field"b": {} 1 field"c": null'
        '"d": {} 0 fields"e": [] 0 items'
    )
    assert html.count("<details open>") == 2
    assert html.count("<details>") == 2
    assert depth_of(html) == 4
    assert html.startswith(
        '<details open><summary><span class="jp">{}</span> <span class="size">3 fields</span>'
        '</summary><ul><li><details open><summary><span class="jk">&quot;a&quot;</span>'
    )


def test_a_place_keeps_its_name_when_the_value_changes() -> None:
    def names(text: str) -> list[str]:
        return re.findall('id="(n-[0-9a-f]+)"', tree_html(text, raw_url=RAW))

    before, after = names('{"a": [1], "b": {"c": []}}'), names('{"x": [2, 3], "b": {"d": 1}}')
    assert len({*before}) == len(before) == 3
    assert [name for name in after if name in before] == [before[0], before[2]]


@pytest.mark.parametrize(
    "number",
    ["9007199254740993", "1" + "0" * 300, "0.10000000000000000000000001", "1.50E+2", "-0", "-0.0"],
)
def test_numbers_stay_digit_for_digit(number: str) -> None:
    html = html_of(f'{{"n": [{number}]}}')
    assert f'<span class="jn">{number}</span>' in html


def test_strings_stay_as_they_were_sent() -> None:
    text = r'{"\ud800": "\u00e9\"]}:,", "": "e"}'
    assert r'"\ud800": "\u00e9\"]}:,"' in text_of(html_of(text))
    assert '"": "e"' in text_of(html_of(text))


def test_markup_is_text() -> None:
    evil = '"><script>alert(1)</script>'
    html = html_of({evil: [evil, {evil: evil}], "long": evil * 100})
    assert "<script" not in html
    assert text_of(html).count(json.dumps(evil)) == 4


def test_long_strings_are_folded_whole() -> None:
    html = html_of({"log": "x" * 5000})
    assert '<span class="size">5,000 chars</span>' in html
    assert "x" * 5000 in html
    assert "<details><summary>" in html


def test_what_is_too_much_is_said_to_be_in_the_raw_view() -> None:
    html = html_of({"rows": list(range(5000)), "last": 1})
    link = '<a href="/k/?key=a&amp;as=raw">raw view</a>'
    assert "5,000 items" in html
    assert f'<li class="rest">{5000 - CHILDREN_MAX:,} more items in the {link}</li>' in html
    assert f"{CHILDREN_MAX - 1}: " in text_of(html)
    assert f"{CHILDREN_MAX}: " not in text_of(html)
    assert '"last": 1' in text_of(html)


def test_the_number_of_nodes_is_bounded_and_hides_no_siblings() -> None:
    html = html_of({"rows": [list(range(100))] * 150, "last": [1, 2]})
    assert html.count("<li>") == NODES_MAX
    assert "100 items in the <a" in html
    assert "149: [] 100 items" in text_of(html)
    assert '"last": [] 2 items2 items in the raw view' in text_of(html)


def test_the_depth_is_bounded() -> None:
    html = html_of("[" * 400 + "]" * 400)
    assert depth_of(html) == MAX_DEPTH + 1
    assert "1 item in the <a" in html


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=15,
)


@given(st.lists(any_json, max_size=5) | st.dictionaries(st.text(), any_json, max_size=5))
def test_every_value_has_its_node(value: Any) -> None:
    def nodes(inner: Any) -> int:
        below = list(inner.values()) if isinstance(inner, dict) else inner
        return 1 + sum(map(nodes, below)) if isinstance(below, list) else 1

    assert html_of(json.dumps(value)).count("<li>") == nodes(value) - 1
