"""Finding what is wrong with JSON text, and where: slower than reading it."""

import json
from collections.abc import Set
from math import isinf
from typing import Any, Final, NoReturn

from statestore.jsontext.strict import (
    MAX_DIGITS,
    TOO_DEEP,
    TOO_MANY_DIGITS,
    Pairs,
    Refused,
    infinite,
    lone_surrogate,
    no_number,
    twice,
    walk,
)
from statestore.protocol import InvalidInput, Place


class MalformedJSON(ValueError):  # noqa: N818 - an answer to the caller
    """The text is no JSON; the message says where."""


def malformed(what: str, text: str, at: int) -> NoReturn:
    """Refuse what is no JSON at this place."""
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    raise MalformedJSON(f"the body is not JSON: {what} at line {line}, column {column}")


def refuse(loc: Place, refused: Refused) -> NoReturn:
    """Refuse what strict JSON does not allow."""
    raise InvalidInput(loc, refused.msg, refused.type)


def unknown_field(name: str, allowed: Set[str], loc: Place) -> NoReturn:
    """Refuse a field beside those that are allowed."""
    fields = ", ".join(sorted(allowed))
    raise InvalidInput((*loc, name), f"unknown field; there may be {fields}", "extra_forbidden")


def repeated(pairs: list[tuple[str, Any]]) -> Refused:
    """The first key that stands twice."""
    names = set[str]()
    for name, _ in pairs:
        if name in names:
            break
        names.add(name)
    return twice(name)


_SOUGHT: Final = 1024 * 1024  # characters: the place of what is further on is not looked for


def _float(digits: str) -> float | Refused:
    number = float(digits)
    return infinite(digits) if isinf(number) else number


def _int(digits: str) -> int | Refused:
    return TOO_MANY_DIGITS if len(digits.lstrip("-")) > MAX_DIGITS else 0


_slow = json.JSONDecoder(
    parse_constant=no_number, parse_float=_float, parse_int=_int, object_pairs_hook=Pairs
)


def refuse_inside(text: str, start: int, loc: Place, refused: Refused) -> NoReturn:
    """Refuse a value with the place in it; what is sought is somewhere after the start."""
    try:
        value, _ = _slow.raw_decode(text[start : start + _SOUGHT])
    except json.JSONDecodeError as error:
        if start + _SOUGHT < len(text):
            refuse(loc, refused)
        malformed(error.msg, text, start + error.pos)
    except RecursionError:
        refuse(loc, TOO_DEEP)
    for path, node in walk(value):
        if found := _refusal(node):
            refuse((*loc, *path), found)
    refuse(loc, refused)


def _refusal(node: Any) -> Refused | None:
    if isinstance(node, Refused):
        return node
    if isinstance(node, str):
        return lone_surrogate(node)
    if isinstance(node, Pairs):
        if len(dict(node)) != len(node):
            return repeated(node)
        return next(filter(None, (lone_surrogate(name) for name, _ in node)), None)
    return None
