"""Writing strict JSON."""

import json
from math import isfinite
from typing import Any, Final

from statestore.jsontext.strict import (
    MAX_DEPTH,
    MAX_DIGITS,
    TOO_DEEP,
    TOO_MANY_DIGITS,
    Refused,
    lone_surrogate,
    no_number,
    walk,
)
from statestore.protocol import InvalidInput

_INT_END: Final = 10**MAX_DIGITS


def dumps(value: Any, *, loc: tuple[str, ...] = ("value",)) -> str:
    """The JSON text of a Python value, strict and compact.

    Raises:
        InvalidInput: the value, or something in it, has no JSON form; `loc` is its place.
    """
    for path, node in walk(value):
        refused = _no_json(len(path), node)
        if refused:
            raise InvalidInput((*loc, *path), refused.msg, refused.type)
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _no_json(depth: int, node: Any) -> Refused | None:
    if node is None:
        return None
    if isinstance(node, str):
        return lone_surrogate(node)
    if isinstance(node, float):
        return None if isfinite(node) else no_number(str(node))
    if isinstance(node, int):
        return TOO_MANY_DIGITS if abs(node) >= _INT_END else None
    if not isinstance(node, dict | list | tuple):
        return Refused(
            f"{type(node).__name__} has no JSON form; convert it to a string or a number first",
            "json_type",
        )
    if depth >= MAX_DEPTH:
        return TOO_DEEP
    return _bad_names(node) if isinstance(node, dict) else None


def _bad_names(members: dict[Any, Any]) -> Refused | None:
    for name in members:
        if not isinstance(name, str):
            return Refused(f"the keys of an object must be strings, not {name!r}", "string_type")
        if refused := lone_surrogate(name):
            return refused
    return None
