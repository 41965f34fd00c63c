"""Text that is let in comes back as it went, and every JSON parser reads it the same."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statestore.jsontext import (
    MAX_DEPTH,
    MAX_DIGITS,
    MalformedJSON,
    dumps,
    mistakes,
    read_object,
    reading,
)
from statestore.protocol import InvalidInput

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
names = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner))


def body_of(value: str) -> bytes:
    return ('{"value": ' + value + "}").encode()


def refusal(text: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        read_object(body_of(text))
    return refused.value


@given(value=values, indent=st.none() | st.integers(0, 3), escaped=st.booleans())
def test_what_python_writes_is_accepted_and_kept_letter_for_letter(
    value: Any, indent: int | None, escaped: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=escaped)

    members, sent = read_object(f'{{"other": 1, "value": {text} }}'.encode())

    assert sent == text
    assert members["value"] == value == json.loads(sent)


@given(text=st.text(alphabet='{}[]",:\\ue0123456789.+-Ea \n\ttrfalsnINd8', max_size=40))
def test_any_text_is_refused_or_means_what_python_reads(text: str) -> None:
    try:
        members, sent = read_object(body_of(text))
    except (MalformedJSON, InvalidInput):
        return

    decoded = json.loads(sent, parse_constant=pytest.fail)
    assert decoded == members["value"]
    json.dumps(decoded, allow_nan=False).encode()


@given(value=values)
def test_dumps_writes_what_read_object_reads(value: Any) -> None:
    members, _ = read_object(body_of(dumps(value)))

    assert members["value"] == value


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("NaN", (), "finite_number"),
        ("[1, Infinity]", (1,), "finite_number"),
        ('{"a": [0, -Infinity]}', ("a", 1), "finite_number"),
        ('{"a": 1e999}', ("a",), "finite_number"),
        ('{"a": -1E+999}', ("a",), "finite_number"),
        (f"[{'9' * 400}.0]", (0,), "finite_number"),
        (f"{'1' * 251}e99", (), "finite_number"),
        (f"-{'9' * 295}e20", (), "finite_number"),
        (f'{{"a": {"1" * 290}.5E+99}}', ("a",), "finite_number"),
        (r'{"a": "x\ud800y"}', ("a",), "string_unicode"),
        (r'{"\udfff": 1}', (), "string_unicode"),
        ('{"a": {"b": 1, "b": 1}}', ("a",), "duplicate_key"),
        ("1" * (MAX_DIGITS + 1), (), "int_parsing_size"),
        ("-" + "1" * (MAX_DIGITS + 1), (), "int_parsing_size"),
    ],
)
def test_what_parsers_disagree_about_is_refused_with_its_place(
    text: str, place: tuple[str | int, ...], word: str
) -> None:
    refused = refusal(text)

    assert (refused.loc, refused.type) == (("body", "value", *place), word)


@pytest.mark.parametrize(
    "text",
    [
        "1" * MAX_DIGITS,
        "-" + "1" * MAX_DIGITS,
        "1e308",
        "1e-999",
        "1" * 200 + "e99",
        "0." + "0" * 400 + "1e700",
        r'"\ud83d\ude00"',
        r'"\\ud800"',
        '"1e999 NaN"',
        "[" * MAX_DEPTH + "]" * MAX_DEPTH,
        "[" + "[]," * 2000 + "[]]",
    ],
    ids=lambda text: text[:20],
)
def test_what_only_looks_like_it_is_accepted(text: str) -> None:
    members, sent = read_object(body_of(text))

    assert sent == text
    assert members["value"] == json.loads(text)


@pytest.mark.parametrize("depth", [465, 480, MAX_DEPTH - 1, MAX_DEPTH])
@pytest.mark.parametrize(
    "inside", ["1", "1e100", '"1e100"', '"\\ud83d\\ude00"', '"]]]{{{[[["', r'"\"["']
)
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('["]",', "]")])
def test_every_level_up_to_the_last_is_accepted(
    depth: int, inside: str, opening: str, closing: str
) -> None:
    text = opening * depth + inside + closing * depth
    assert read_object(body_of(text))[1] == text


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5_000, 200_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deep_is_refused(depth: int, opening: str, closing: str) -> None:
    refused = refusal(opening * depth + "1" + closing * depth)

    assert (refused.loc, refused.type) == (("body", "value"), "too_deep")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "line 1, column 2"),
        (b'{"value": }', "line 1, column 11"),
        (b'{"value":\n 1,}', "line 2, column 4"),
        (b'{"value": 01}', "line 1, column 12"),
        (b"{'value': 1}", "double quotes"),
        (b'{"value" 1}', "':' is expected"),
        (b'{"value": 1} x', "more after the end"),
        (b'{"value": "\n"}', "line 1, column 12"),
        (b'{"value": "\xff"}', "byte 11"),
        (b"nonsense", "line 1, column 1"),
    ],
)
def test_what_is_no_json_is_refused_with_line_and_column(body: bytes, words: str) -> None:
    with pytest.raises(MalformedJSON, match=words.replace("(", r"\(")):
        read_object(body)


@pytest.mark.parametrize("body", [b"", b"  \n", b"[1]", b"3", b'"x"', b"null"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_object(body)

    assert refused.value.loc == ("body",)


@pytest.mark.parametrize(
    "text",
    ['["1e100", "NaN", "\\ud83d\\ude00"]', '"%s"' % ("[" * 600), "[1e100,-1.5e-30]", "[%s1]" % ("[]," * 600)],
)  # fmt: skip
def test_what_is_in_order_is_read_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistakes, "_slow", None)
    assert read_object(body_of(text))[1] == text


def test_the_place_of_a_mistake_is_not_sought_without_end() -> None:
    far = "[" + "1," * 1_000_000 + "NaN]"
    assert (refusal(far).loc, refusal(far).type) == (("body", "value"), "finite_number")


def test_a_member_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_object(b'{"value": 1, "value": 1}')

    assert (refused.value.loc, refused.value.type) == (("body", "value"), "duplicate_key")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (math.nan, ()),
        ({"a": [1, math.inf]}, ("a", 1)),
        ({"a": {1: 2}}, ("a",)),
        ([{1, 2}], (0,)),
        ("\ud800", ()),
        ({"\ud800": 1}, ()),
        (10**MAX_DIGITS, ()),
        ([b"bytes"], (0,)),
    ],
    ids=range(8),
)
def test_dumps_refuses_what_has_no_json_form_with_its_place(
    value: object, place: tuple[str | int, ...]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        dumps(value)

    assert refused.value.loc == ("value", *place)


def carefully(text: str) -> tuple[Any, str, int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading.Reader, "_record_at_once", lambda *_: None)
        reader = reading.Reader(text)
        return *reader.record((), text_of="value"), reader.at


PIECES = [
    '"value"', '"key"', '"x"', r'"\u0076alue"', r'"a\"value\": 1"', '"}"', ":", ":", ":", ",", ",", "{", "}",
    "[", "]", "1", "2.50", '{"value": 3}', '"value": 4', '"key": "value"', '"key": {"value":5}',
    " ", '"', "\\",
]  # fmt: skip


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=14))
def test_what_is_read_at_once_is_what_a_closer_look_finds(pieces: list[str]) -> None:
    """Whatever only looks like the member, or hides it, is left to the closer look, or read the same."""
    text = "{" + "".join(pieces) + "}"
    reader = reading.Reader(text)
    found = reader._record_at_once("value")
    if found is not None:
        assert (*found, reader.at) == carefully(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"op": "set", "key": "a", "value": {"page": 1.50}}',
        '{"value": [1, {"a": "}"}], "key": "\\u0061"}',
        '{ "value" : "x" , "key" : "}" } {"value": 2}',
        '{"op": "get", "key": "value"}, {"value": 2}',
        '{"\\u0076alue": 1, "key": {"value": 2}}',
        '{"key": {"value": 2}, "value": 3}',
        '{"key": "a\\"value\\": 1", "value": 3}',
        '{"op": "get", "key": "a"}',
    ],
)
def test_a_record_is_read_up_to_its_end_with_the_text_of_its_value(text: str) -> None:
    reader = reading.Reader(text)
    values, sent = reader.record((), text_of="value")
    assert (values, sent, reader.at) == carefully(text)
    whole = text[: reader.at]
    assert values == json.loads(whole)
    assert (json.loads(sent) if sent else None) == values.get("value")


def test_no_value_is_read_for_an_object_that_comes_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many short objects before a long one: each is read alone, or a batch could cost minutes."""
    read: list[int] = []

    def scan(text: str, at: int) -> tuple[Any, int]:
        value, end = json.JSONDecoder().scan_once(text, at)  # type: ignore[attr-defined]
        read.append(end - at)
        return value, end

    monkeypatch.setattr(reading, "_scan", scan)
    gets = '{"op": "get", "key": "a"},' * 100
    text = f'[{gets}{{"value": [{"1," * 50_000}1]}}]'
    reader = reading.Reader(text)
    for place in reader.elements(()):
        reader.record((place,), text_of="value")
    assert sum(read) < 2 * len(text)
