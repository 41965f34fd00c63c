"""Reading JSON piece by piece, in one pass: each piece with the text as it was sent."""

import json
import re
from collections.abc import Callable, Iterator, Set
from json.decoder import scanstring  # type: ignore[attr-defined]  # in no stub
from math import isinf
from typing import Any, Final, NamedTuple, NoReturn

from statestore.jsontext.mistakes import (
    malformed,
    refuse,
    refuse_inside,
    repeated,
    unknown_field,
)
from statestore.jsontext.strict import (
    TOO_DEEP,
    TOO_MANY_DIGITS,
    Refused,
    infinite,
    is_too_deep,
    lone_surrogate,
    no_number,
    twice,
)
from statestore.protocol import InvalidInput, Place

_skip_space = re.compile(r"[ \t\n\r]*").match
_plain_name = re.compile(r'[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*').match
_next_member = re.compile(r"[ \t\n\r]*([,}])").match
_next_element = re.compile(r"[ \t\n\r]*([,\]])[ \t\n\r]*").match
_colon = re.compile(r"[ \t\n\r]*:[ \t\n\r]*").match
_HALVES: Final = ("\\ud", "\\uD")  # how an escaped surrogate begins
_with_surrogates = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


class Member(NamedTuple):
    """A value: the text as it was sent, and what it decodes to."""

    text: str
    value: Any


class Reader:
    """Goes through JSON text from its first character on.

    A caller that comes to an object goes through its `members`, and at each reads the value, or goes
    through what that holds; and so for the `elements` of an array. Whatever is refused raises:

    MalformedJSON: the text is no JSON.
    InvalidInput: it is, but not such as strict JSON allows, or as was asked for.
    """

    __slots__ = ("_may_have_surrogates", "at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = _past_space(text, 0)
        self._may_have_surrogates = any(half in text for half in _HALVES)

    def is_at_object(self) -> bool:
        """Whether what comes next is an object."""
        return self.text.startswith("{", self.at)

    def members(self, loc: Place) -> Iterator[str]:
        """The names of the object that comes next, each once it is followed by its value."""
        if not self.is_at_object():
            self.value(loc)  # says what is wrong, where it is no JSON at all
            raise InvalidInput(loc, "this must be a JSON object", "dict_type")
        text, at = self.text, _past_space(self.text, self.at + 1)
        names = set[str]()
        self.at = at + 1
        closed = text.startswith("}", at)
        while not closed:
            name = self._name(at, loc)
            if name in names:
                refuse((*loc, name), twice(name))
            names.add(name)
            yield name
            after = _next_member(text, self.at)
            if after is None:
                malformed("',' or '}' is expected", text, _past_space(text, self.at))
            self.at = at = after.end()
            closed = after[1] == "}"

    def record(
        self, loc: Place, allowed: Set[str] | None = None, *, text_of: str
    ) -> tuple[dict[str, Any], str]:
        """All members of the object that comes next, decoded, and the text of one of them ("": it has
        none of this name). A name that is not allowed is refused.
        """
        start = self.at
        found = self._record_at_once(text_of)
        if found and (allowed is None or found[0].keys() <= allowed):
            return found
        self.at = start
        text, values = "", dict[str, Any]()
        for name in self.members(loc):
            if allowed is not None and name not in allowed:
                unknown_field(name, allowed, loc)
            begin = self.at
            values[name] = self.value((*loc, name))
            if name == text_of:
                text = self.text[begin : self.at]
        return values, text

    def _record_at_once(self, text_of: str) -> tuple[dict[str, Any], str] | None:
        """The same in half the time, where all is as usual; None: what is wrong, if anything, is for a
        closer look to say.

        The scanner of the standard library tells where a value ends, but not where it begins. So that
        one member is read by itself, and the others with null in its place: a name that only looks like
        it, in a string or further inside, leaves no whole object behind. It is sought before the first
        bracket that closes, so that nothing is read which belongs to what comes after the object.
        """
        text, start = self.text, self.at
        name = f'"{text_of}"'
        at = text.find(name, start, text.find("}", start) + 1)
        colon = _colon(text, at + len(name)) if at >= 0 else None
        try:
            if colon is None:
                values, end = _scan(text, start)
                whole, sent = isinstance(values, dict) and text_of not in values, ""
            else:
                value, value_end = _scan(text, colon.end())
                end = text.find("}", value_end) + 1
                others = f"{text[start:at]}{name}:null{text[value_end:end]}"
                values, read = _scan(others, 0)
                whole, sent = read == len(others), text[colon.end() : value_end]
                values[text_of] = value
        except (StopIteration, ValueError, RecursionError, TypeError, _Suspect):
            return None
        if not whole or is_too_deep(text, start, end) or self._has_surrogates(start, end):
            return None
        self.at = end
        return values, sent

    def _has_surrogates(self, start: int, end: int) -> bool:
        if not self._may_have_surrogates:
            return False
        return any(self.text.find(half, start, end) >= 0 for half in _HALVES)

    def elements(self, loc: Place) -> Iterator[int]:
        """The places of the array that comes next, each once it is followed by its element."""
        text = self.text
        if not text.startswith("[", self.at):
            self.value(loc)
            raise InvalidInput(loc, "this must be an array", "list_type")
        self.at = _past_space(text, self.at + 1)
        closed = text.startswith("]", self.at)
        self.at += closed
        place = 0
        while not closed:
            yield place
            place += 1
            after = _next_element(text, self.at)
            if after is None:
                malformed("',' or ']' is expected", text, _past_space(text, self.at))
            self.at = after.end()
            closed = after[1] == "]"

    def value(self, loc: Place) -> Any:
        """What comes next, decoded."""
        start = self.at
        try:
            value, self.at = _scan(self.text, start)
        except StopIteration as error:
            malformed("a value is expected", self.text, error.value)
        except json.JSONDecodeError as error:
            malformed(error.msg, self.text, error.pos)
        except RecursionError:
            refuse(loc, TOO_DEEP)
        except _Suspect as suspect:
            refuse_inside(self.text, start, loc, suspect.refused)
        except ValueError:
            refuse_inside(self.text, start, loc, TOO_MANY_DIGITS)
        if isinstance(value, dict | list) and is_too_deep(self.text, start, self.at):
            refuse(loc, TOO_DEEP)
        if self._may_have_surrogates and isinstance(value, str | dict | list):
            refused = lone_surrogate(value if isinstance(value, str) else _with_surrogates(value))
            if refused:
                refuse_inside(self.text, start, loc, refused)
        return value

    def member(self, loc: Place) -> Member:
        """What comes next, with its text."""
        start = self.at
        value = self.value(loc)
        return Member(self.text[start : self.at], value)

    def end(self) -> None:
        """Nothing may come next."""
        at = _past_space(self.text, self.at)
        if at != len(self.text):
            malformed("there is more after the end of the value", self.text, at)

    def _name(self, at: int, loc: Place) -> str:
        """A name, and go past its colon."""
        plain = _plain_name(self.text, at)
        if plain:
            self.at = plain.end()
            return plain[1]
        return self._odd_name(at, loc)

    def _odd_name(self, at: int, loc: Place) -> str:
        """A name with escapes, or with a mistake."""
        text, at = self.text, _past_space(self.text, at)
        if not text.startswith('"', at):
            malformed("a key in double quotes is expected", text, at)
        try:
            name, at = scanstring(text, at + 1, True)
        except json.JSONDecodeError as error:
            malformed(error.msg, text, error.pos)
        at = _past_space(text, at)
        if not text.startswith(":", at):
            malformed("':' is expected", text, at)
        if refused := lone_surrogate(name):
            refuse(loc, refused)
        self.at = _past_space(text, at + 1)
        return str(name)


def _past_space(text: str, at: int) -> int:
    match = _skip_space(text, at)
    return match.end() if match else at


# --- the quick parse: says that something is refused ---


class _Suspect(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, refused: Refused) -> None:
        self.refused = refused


def _alarm(word: str) -> NoReturn:
    raise _Suspect(no_number(word))


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise _Suspect(infinite(digits))
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Suspect(repeated(pairs))
    return members


_decoder = json.JSONDecoder(parse_constant=_alarm, parse_float=_finite, object_pairs_hook=_unique)
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]
