"""What a key has been: its versions, what each changed, and a chart of a number in them."""

import json
from dataclasses import dataclass
from difflib import unified_diff
from itertools import pairwise
from typing import Final

from dashboard.jsonview import JsonView, json_view
from statestore.jsonpretty import pretty, tokens
from statestore.progress import number_of
from statestore.queries import Version

LINES_MAX: Final = 400  # longer values are not compared line by line
CHANGED_MAX: Final = 60  # lines of one difference that are drawn
FIELDS_MAX: Final = 24  # fields that a chart is offered of
LONG: Final = 20_000  # characters that are not even laid out for it
WIDTH, HEIGHT = 600, 140


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a difference."""

    sign: str  # + - or nothing
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """A version, and what it changed in the one before it (None: too long to compare)."""

    version: Version
    view: JsonView
    changed: list[Line] | None
    first: bool  # there is no older one to compare it with
    more: int  # lines that are changed too, and not among these


@dataclass(frozen=True, slots=True)
class Curve:
    """A number in every version, drawn from the oldest to the newest."""

    name: str  # of the field; empty where the value itself is the number
    points: str
    least: float
    most: float


def steps_of(versions: list[Version]) -> list[Step]:
    """The versions, newest first, each with its difference from the one before it."""
    lines = [_lines(version.value) for version in versions]
    changes = [_changes(old, new) for new, old in pairwise(lines)]
    steps = [
        Step(
            version, json_view(version.value), changed and changed[:CHANGED_MAX], first=False,
            more=max(0, len(changed or ()) - CHANGED_MAX),
        )
        for version, changed in zip(versions, changes, strict=False)
    ]  # fmt: skip
    if versions:
        steps.append(Step(versions[-1], json_view(versions[-1].value), [], first=True, more=0))
    return steps


def _lines(text: str) -> list[str] | None:
    """The text laid out; None where it is too long to be compared."""
    if len(text) > LONG:
        return None
    if sum(word == "," for word in tokens(text)) >= LINES_MAX:  # a line ends after each
        return None
    lines = pretty(text).splitlines()
    return None if len(lines) > LINES_MAX else lines


def _changes(before: list[str] | None, after: list[str] | None) -> list[Line] | None:
    if before is None or after is None:
        return None
    _from, _to, *lines = [*unified_diff(before, after, n=1, lineterm="")] or ["", ""]
    return [Line(line[0].strip(), line[1:]) for line in lines if not line.startswith("@@")]


def fields_of(versions: list[Version]) -> list[str]:
    """The fields that hold a number in every version; an empty name stands for the value itself."""
    values = [json.loads(version.value) for version in versions if len(version.value) <= LONG]
    if len(values) < len(versions) or len(values) < 2:
        return []
    if all(number_of(value) is not None for value in values):
        return [""]
    if not all(isinstance(value, dict) for value in values):
        return []
    return [
        name
        for name in values[0]
        if all(number_of(value.get(name)) is not None for value in values)
    ]


def curve_of(versions: list[Version], field: str | None) -> Curve | None:
    """The chart of a field, or of the first that is a number in every version."""
    fields = fields_of(versions)
    if not fields:
        return None
    name = field if field in fields else fields[0]
    values = [json.loads(version.value) for version in reversed(versions)]
    try:
        numbers = [float(value[name] if name else value) for value in values]
    except OverflowError:  # an integer beyond any float
        return None
    least, most, last = min(numbers), max(numbers), len(numbers) - 1
    span = most - least or 1
    points = (
        f"{WIDTH * place / last:g},{round(HEIGHT - HEIGHT * (number - least) / span, 1):g}"
        for place, number in enumerate(numbers)
    )
    return Curve(name, " ".join(points), least, most)
