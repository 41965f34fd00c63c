"""JSON text laid out for reading, token by token: nothing is converted, so nothing is misquoted."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

INDENT: Final = "  "
# Beyond these the layout would be many times the text itself; it is shown as it was sent.
MAX_TOKENS: Final = 5000
MAX_DEPTH: Final = 30

_token = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+')

Piece = tuple[str, str]
"""A kind (`key`, `string`, `number`, `literal`, `mark`, `space`, `text`) and its text."""


def pieces(text: str) -> list[Piece]:
    """The text in lines, by kind; one piece `text` where it is too long or too deep to lay out."""
    laid_out: list[Piece] = []
    depth = 0
    first = [*islice(tokens(text), MAX_TOKENS + 1)]
    if len(first) > MAX_TOKENS:
        return [("text", text)]
    for word, following in zip(first, [*first[1:], ""], strict=True):
        depth += (word in "[{") - (word in "]}")
        if depth > MAX_DEPTH:
            return [("text", text)]
        laid_out += _placed(word, following, depth, before=laid_out[-1:])
    return laid_out


def tokens(text: str) -> Iterator[str]:
    """Strings, numbers, literals and marks, each as it was sent."""
    return (match.group() for match in _token.finditer(text))


def pretty(text: str) -> str:
    """The text in lines."""
    return "".join(piece for _, piece in pieces(text))


def _placed(word: str, following: str, depth: int, *, before: list[Piece]) -> Iterator[Piece]:
    """The word with the space around it."""
    if word in "]}" and before and before[0][1] not in "[{":
        yield ("space", "\n" + INDENT * depth)
    yield (kind(word, following), word)
    if word == ":":
        yield ("space", " ")
    elif word == "," or (word in "[{" and following not in "]}"):
        yield ("space", "\n" + INDENT * depth)


def kind(word: str, following: str) -> str:
    """The kind of a token."""
    if word in "[]{}:,":
        return "mark"
    if word.startswith('"'):
        return "key" if following == ":" else "string"
    return "literal" if word in {"true", "false", "null"} else "number"
