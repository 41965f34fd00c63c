"""Names, ids and uris as they are drawn: a password in a URL is left out."""

import re
from re import Match
from typing import Final

# All of it also where it is encoded, as in the addresses and commands that a page tells.
_SCHEME: Final = re.compile(r"(?::|%3A)(?://|%2F%2F)", re.IGNORECASE)
# The scheme's end, a user and the colon. In a URL as it was written, `%` belongs to the user. No two
# matches of a part overlap, whatever the text, so that looking for them takes no longer than it is long.
_USER: Final = re.compile(
    r"(?:://(?!\[)[^\s:/@]*:"
    r"|(?::%2F%2F|%3A//|%3A%2F%2F)(?!\[)(?:[^\s:/@%]|%(?!3A|2F|40))*(?::|%3A))",
    re.IGNORECASE,
)
_SLASH: Final = re.compile(r"/|%2F", re.IGNORECASE)
_PORT: Final = re.compile(r"\d{0,5}")
_WORD: Final = re.compile(r"\S+")


def without_passwords(text: object) -> str:
    """`postgres://app:***@db/orders`; other texts as they are."""
    shown = str(text)
    return _WORD.sub(_masked, shown) if "@" in shown or "%40" in shown else shown


def _masked(word: Match[str]) -> str:
    text, done, parts = word[0], 0, list[str]()
    while found := _USER.search(text, done):
        begins = found.end()
        ends = max(_end_of_password(text, begins), begins)
        parts += [text[done:begins], "***" if ends > begins else ""]
        done = ends
    return "".join([*parts, text[done:]])


def _end_of_password(text: str, begins: int) -> int:
    """Where the password ends that begins here; -1: there is none, and this may be a port."""
    slash = _SLASH.search(text, begins)
    if slash is None:
        return _last_at(text, begins, len(text))
    at = _last_at(text, begins, slash.start())
    if at >= 0 or _PORT.fullmatch(text, begins, slash.start()):
        return at
    another = _SCHEME.search(text, begins)  # the slash is the password's, which nobody has encoded
    return _last_at(text, begins, another.start() if another else len(text))


def _last_at(text: str, begins: int, ends: int) -> int:
    return max(text.rfind("@", begins, ends), text.rfind("%40", begins, ends))
