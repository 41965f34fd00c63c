"""What somebody may have meant whose filter finds nothing: a name of the newest tasks, nearly spelt so."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from dashboard.filters import FIELDS, quoted, word_of
from dashboard.passwords import without_passwords
from statestore import queries
from statestore.access import Principal
from statestore.queries import TaskFilter

NEAR: Final = 0.7  # of difflib's ratio
LOOKED_AT: Final = 500  # task instances
WORDS_TRIED: Final = 2
SHORTEST: Final = 3  # characters
_PLACES: Final = {"dag": 0, "run": 1, "task": 2}
_PARTS: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A name, and the filter with it in place of what was typed."""

    name: str
    query: str


def suggestion_for(where: TaskFilter, principal: Principal) -> Suggestion | None:
    """For the first word of the filter that is nearly a name; None: there is no such word."""
    names = queries.newest_names(principal, limit=LOOKED_AT)
    for field, place in _PLACES.items():
        typed = getattr(where, field)
        if typed and (near := _near(typed, {ids[place] for ids in names})):
            return Suggestion(near, _query(where, typed, near))
    parts = {
        part
        for ids in names
        for name in ids
        for part in (name, *_PARTS.findall(without_passwords(name)))
    }
    for word in where.words[:WORDS_TRIED]:
        if near := _near(word, parts):
            return Suggestion(near, _query(where, word, near))
    return None


def _near(typed: str, names: set[str]) -> str:
    """The name, or the beginning of one, that is nearly what was typed; empty: there is none, or what
    was typed is one."""
    if len(typed) < SHORTEST or any(name.startswith(typed) for name in names):
        return ""
    beginnings = {name[: len(typed)].lower(): name for name in sorted(names, reverse=True)}
    near = get_close_matches(typed.lower(), beginnings, n=1, cutoff=NEAR)
    return beginnings[near[0]] if near else ""


def _query(where: TaskFilter, typed: str, name: str) -> str:
    """The filter as it is typed."""

    def meant(text: str) -> str:
        return name if text == typed else text

    words = [
        word_of(field, meant(getattr(where, field)), whole=field in where.whole)
        for field in FIELDS
        if getattr(where, field)
    ]
    return " ".join([*words, *(quoted(meant(word)) for word in where.words)])
