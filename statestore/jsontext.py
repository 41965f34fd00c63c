"""JSON that comes back exactly as it went: text is kept as sent, and only strict JSON is let in.

Python's `json` accepts NaN, keeps the last of two equal keys and decodes lone surrogates;
PostgreSQL's `jsonb` reorders keys and refuses U+0000. So values are stored as the text that was
sent, once this module has found nothing in it that another JSON parser would refuse or read
otherwise (RFC 8259, RFC 7493).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]  # in no stub
from typing import Any, Final, NoReturn

from statestore.protocol import InvalidInput

MAX_DEPTH: Final = 500  # arrays and objects in each other; Python's own parser ends near 1,000
MAX_DIGITS: Final = 4300  # of one integer: what Python's int() reads (CVE-2020-10735)

_INT_END: Final = 10**MAX_DIGITS

_skip_space = re.compile(r"[ \t\n\r]*").match
# What the quick parse cannot see. A false alarm (in a string, say) costs a slow parse, no more.
_suspicious = re.compile(r"[0-9.][eE]\+?[0-9]{3}|[0-9]{300}|\\u[dD][89a-fA-F]").search


class MalformedJSON(ValueError):  # noqa: N818 - an answer to the caller
    """The text is no JSON; the message says where."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a JSON object: the text as it was sent, and what it decodes to."""

    text: str
    value: Any


class _Suspect(Exception):  # noqa: N818 - never leaves this module
    pass


def _alarm(_: str) -> NoReturn:
    raise _Suspect


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Suspect
    return members


_quick = json.JSONDecoder(parse_constant=_alarm, object_pairs_hook=_unique)


def read_object(body: bytes, *, loc: tuple[str, ...] = ("body",)) -> dict[str, Member]:
    """Split a JSON object into its members, each with the text as it was sent.

    Raises:
        MalformedJSON: the body is no JSON in UTF-8.
        InvalidInput: it is no object, or holds what strict JSON does not allow.
    """
    text = _decoded(body)
    if not text.strip():
        raise InvalidInput(loc, "the body must be a JSON object, and is empty", "missing")
    try:
        return _split(text, loc)
    except RecursionError:
        raise InvalidInput(loc, _too_deep(), "too_deep") from None


def split_object(text: str, loc: tuple[str | int, ...]) -> dict[str, Member]:
    """The members of an object that was read before.

    Raises:
        InvalidInput: the text is no object.
    """
    if not text.startswith("{"):
        raise InvalidInput(loc, "an object is expected", "dict_type")
    return _split(text, loc)


def split_array(text: str, loc: tuple[str | int, ...]) -> list[Member]:
    """The elements of an array that was read before.

    Raises:
        InvalidInput: the text is no array.
    """
    if not text.startswith("["):
        raise InvalidInput(loc, "an array is expected", "list_type")
    elements: list[Member] = []
    at = _past_space(text, 1)
    while text[at] != "]":
        value, end = _parse(text, at, (*loc, len(elements)))
        elements.append(Member(text[at:end], value))
        at = _past_space(text, end)
        if text[at] == ",":
            at = _past_space(text, at + 1)
    return elements


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MalformedJSON(f"the body is not UTF-8: byte {error.start} is wrong") from None


def _split(text: str, loc: tuple[str | int, ...]) -> dict[str, Member]:
    at = _past_space(text, 0)
    if text[at] != "{":
        _parse(text, at, loc)  # says what is wrong, where it is no JSON at all
        raise InvalidInput(loc, "the body must be a JSON object", "dict_type")
    members: dict[str, Member] = {}
    at = _past_space(text, at + 1)
    closed = text.startswith("}", at)
    while not closed:
        if not text.startswith('"', at):
            _malformed("a key in double quotes is expected", text, at)
        name, at = _string(text, at)
        at = _past_space(text, at)
        if not text.startswith(":", at):
            _malformed("':' is expected", text, at)
        start = _past_space(text, at + 1)
        value, end = _parse(text, start, (*loc, name))
        if name in members:
            raise InvalidInput(
                (*loc, name), f"the key {name!r} stands twice in the object", "duplicate_key"
            )
        members[name] = Member(text[start:end], value)
        at = _past_space(text, end)
        closed = text.startswith("}", at)
        if not closed:
            if not text.startswith(",", at):
                _malformed("',' or '}' is expected", text, at)
            at = _past_space(text, at + 1)
    at = _past_space(text, at + 1)
    if at != len(text):
        _malformed("there is more after the end of the object", text, at)
    return members


def _past_space(text: str, at: int) -> int:
    match = _skip_space(text, at)
    return match.end() if match else at


def _string(text: str, at: int) -> tuple[str, int]:
    try:
        name, end = scanstring(text, at + 1, True)
    except json.JSONDecodeError as error:
        _malformed(error.msg, text, error.pos)
    return name, end


def _malformed(what: str, text: str, at: int) -> NoReturn:
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    raise MalformedJSON(f"the body is not JSON: {what} at line {line}, column {column}")


def _parse(text: str, start: int, loc: tuple[str | int, ...]) -> tuple[Any, int]:
    """One value and where it ends; whatever the quick parse cannot vouch for is parsed slowly."""
    try:
        value, end = _quick.raw_decode(text, start)
    except json.JSONDecodeError as error:
        _malformed(error.msg, text, error.pos)
    except (_Suspect, ValueError):  # ValueError: an integer with too many digits
        return _parse_slowly(text, start, loc)
    if _suspicious(text, start, end) or _brackets(text, start, end) > MAX_DEPTH:
        return _parse_slowly(text, start, loc)
    return value, end


def _brackets(text: str, start: int, end: int) -> int:
    return text.count("[", start, end) + text.count("{", start, end)


# --- the slow parse: finds the place of what is refused ---


@dataclass(frozen=True, slots=True)
class _Refused:
    msg: str
    type: str


class _Pairs(list[tuple[str, Any]]):
    """An object's members before its keys are known to be unique."""


def _constant(word: str) -> _Refused:
    return _Refused(f"{word} is no JSON number", "finite_number")


def _float(digits: str) -> float | _Refused:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        return _Refused(
            f"{digits[:40]} is too large: most programs would read it as infinity", "finite_number"
        )
    return number


def _int(digits: str) -> int | _Refused:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        return _Refused(f"an integer may have at most {MAX_DIGITS} digits", "int_parsing_size")
    return int(digits)


_slow = json.JSONDecoder(
    parse_constant=_constant, parse_float=_float, parse_int=_int, object_pairs_hook=_Pairs
)


def _parse_slowly(text: str, start: int, loc: tuple[str | int, ...]) -> tuple[Any, int]:
    try:
        value, end = _slow.raw_decode(text, start)
    except json.JSONDecodeError as error:
        _malformed(error.msg, text, error.pos)
    for path, node in _walk(value):
        refusal = _refusal(path, node)
        if refusal:
            raise InvalidInput((*loc, *path), refusal.msg, refusal.type)
    return _plain(value), end


def _walk(value: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every node with its path, parents first, without recursion."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while stack:
        path, node = stack.pop()
        yield path, node
        if isinstance(node, _Pairs):
            stack.extend(((*path, name), child) for name, child in reversed(node))
        elif isinstance(node, dict):
            stack.extend(((*path, name), child) for name, child in reversed(node.items()))
        elif isinstance(node, list | tuple):
            stack.extend(((*path, i), node[i]) for i in range(len(node) - 1, -1, -1))


def _refusal(path: tuple[str | int, ...], node: Any) -> _Refused | None:
    if isinstance(node, _Refused):
        return node
    if isinstance(node, _Pairs | dict | list | tuple) and len(path) >= MAX_DEPTH:
        return _Refused(_too_deep(), "too_deep")
    if isinstance(node, str):
        return _lone_surrogate(node)
    if isinstance(node, _Pairs):
        return _bad_names(node)
    return None


def _bad_names(pairs: _Pairs) -> _Refused | None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return _Refused(f"the key {name!r} stands twice in the object", "duplicate_key")
        seen.add(name)
    return next(filter(None, map(_lone_surrogate, seen)), None)


def _lone_surrogate(text: str) -> _Refused | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = f"U+{ord(text[error.start]):04X}"
        return _Refused(f"a lone surrogate ({found}) is no Unicode text", "string_unicode")
    return None


def _too_deep() -> str:
    return f"arrays and objects may be nested at most {MAX_DEPTH} levels deep"


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {name: _plain(child) for name, child in value}
    if isinstance(value, list):
        return [_plain(child) for child in value]
    return value


# --- using ---


def decode(text: str) -> Any:
    """What stored JSON text means."""
    return json.loads(text)


def merge(target: str, patch: str) -> str:
    """JSON Merge Patch (RFC 7396) over texts: what the patch does not name keeps its text.

    Raises:
        InvalidInput: the patch is nested too deeply.
    """
    try:
        return _merge(target, patch)
    except RecursionError:
        raise InvalidInput(("body", "value"), _too_deep(), "too_deep") from None


def _merge(target: str, patch: str) -> str:
    if not patch.startswith("{"):
        return patch
    members = _split(target, ()) if target.startswith("{") else {}
    texts = {name: member.text for name, member in members.items()}
    for name, member in _split(patch, ()).items():
        if member.value is None:
            texts.pop(name, None)
        else:
            texts[name] = _merge(texts.get(name, ""), member.text)
    pairs = (f"{json.dumps(name, ensure_ascii=False)}:{text}" for name, text in texts.items())
    return "{" + ",".join(pairs) + "}"


# --- writing ---


def dumps(value: Any, *, loc: tuple[str, ...] = ("value",)) -> str:
    """The JSON text of a Python value, strict and compact.

    Raises:
        InvalidInput: the value, or something in it, has no JSON form; `loc` is its place.
    """
    for path, node in _walk(value):
        refusal = _no_json(path, node)
        if refusal:
            raise InvalidInput((*loc, *path), refusal.msg, refusal.type)
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _no_json(path: tuple[str | int, ...], node: Any) -> _Refused | None:
    if isinstance(node, float) and (node != node or node in (float("inf"), float("-inf"))):
        return _Refused(f"{node} is no JSON number", "finite_number")
    if isinstance(node, dict):
        for name in node:
            if not isinstance(name, str):
                return _Refused(
                    f"the keys of an object must be strings, not {name!r}", "string_type"
                )
            if surrogate := _lone_surrogate(name):
                return surrogate
    elif isinstance(node, int) and not isinstance(node, bool) and abs(node) >= _INT_END:
        return _Refused(f"an integer may have at most {MAX_DIGITS} digits", "int_parsing_size")
    elif node is not None and not isinstance(node, str | int | float | list | tuple):
        return _Refused(
            f"{type(node).__name__} has no JSON form; convert it to a string or a number first",
            "json_type",
        )
    return _refusal(path, node)
