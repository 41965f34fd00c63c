"""JSON Merge Patch (RFC 7396) over texts: what the patch does not name keeps its text."""

import json
from typing import Any

from statestore.jsontext.reading import Reader

Changes = dict[str, Any]
"""A patch: under each name a text, or the changes of an object."""


def merge(target: str, patch: str) -> str:
    """The target as the patch changes it; both were read before, and the patch is an object."""
    return _merged(Reader(target), _changes(Reader(patch)))


# Both call themselves once a level, which MAX_DEPTH bounds well below Python's limit.


def _changes(patch: Reader) -> Changes:
    changes: Changes = {}
    for name in patch.members(()):
        changes[name] = _changes(patch) if patch.is_at_object() else patch.member(()).text
    return changes


def _merged(target: Reader, changes: Changes) -> str:
    if not target.is_at_object():
        target.value(())  # goes past it
        target = Reader("{}")
    texts: dict[str, str] = {}
    for name in target.members(()):
        change = changes.get(name)
        if isinstance(change, dict):
            texts[name] = _merged(target, change)
            continue
        kept = target.member(()).text
        if change != "null":
            texts[name] = kept if change is None else change
    for name, change in changes.items():
        if name not in texts and change != "null":
            texts[name] = change if isinstance(change, str) else _merged(Reader("{}"), change)
    return _object(texts)


def _object(texts: dict[str, str]) -> str:
    pairs = (f"{json.dumps(name, ensure_ascii=False)}:{text}" for name, text in texts.items())
    return "{" + ",".join(pairs) + "}"
