"""A JSON value as HTML: highlighted, escaped, and named by its type."""

import json
import re
from dataclasses import dataclass
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from statestore.jsonpretty import pieces

INLINE_MAX: Final = 80  # characters that still fit on one line
CHIP_MAX: Final = 16  # characters
OPEN_MAX: Final = 900  # longer values are folded
BEGINNING: Final = 4_000  # characters of a value that are drawn among others

# Plain characters alone, and no name before the host, which could pass for one: JSON escapes none of them.
_ADDRESS: Final = re.compile(
    r'"https?://[A-Za-z0-9.:\[\]-]{1,255}(?:[/?#][^\s"\\<>^`{|}\x7f-\U0010ffff]*)?"'
)

_CLASS = {"key": "jk", "string": "js", "number": "jn", "literal": "jl", "mark": "jp"}


@dataclass(frozen=True, slots=True)
class JsonView:
    """What a page shows of one value."""

    html: SafeString
    kind: str  # object, 3 fields
    size: str  # 1.2 kB
    inline: bool
    folded: bool
    preview: str  # the first characters, for the folded form
    cut: bool  # only the beginning is drawn: all of it is on the page of its key
    link: str  # the address that a string is, for instance of a job's own page; empty: it is none


def json_view(text: str, *, whole: bool = False) -> JsonView:
    """The value as a page shows it among others, or as the `whole` of it; `text` is what was sent."""
    cut = len(text) > BEGINNING and not whole
    parts = [("text", f"{text[:BEGINNING]}…")] if cut else pieces(text)
    html = mark_safe("".join([span(kind, part) for kind, part in parts]))  # noqa: S308 - escaped there
    inline = len(text) <= INLINE_MAX and not text.lstrip().startswith(("{", "["))
    return JsonView(
        html=html,
        kind=kind_of(text),
        size=size_of(text),
        inline=inline,
        folded=sum(len(part) for _, part in parts) > OPEN_MAX,
        preview=text[:INLINE_MAX] + "…" if len(text) > INLINE_MAX else text,
        cut=cut,
        link=text[1:-1] if _ADDRESS.fullmatch(text) else "",
    )


def clipped(text: str, limit: int) -> str:
    """The first characters, with a mark where that is not all."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def chip_text(text: str) -> str:
    """The beginning of a value for a list: short ones in full, a string without its quotes, of arrays
    and objects nothing."""
    if text.startswith(("{", "[")):
        return ""
    plain = text.removeprefix('"').removesuffix('"')
    return plain if len(plain) <= CHIP_MAX else f"{plain[: CHIP_MAX - 1]}…"


def kind_of(text: str) -> str:
    """The type in words: `string, 96 chars`."""
    value = json.loads(text)
    if isinstance(value, dict):
        return f"object, {count_text(len(value), 'field')}"
    if isinstance(value, list):
        return f"array, {count_text(len(value), 'item')}"
    if isinstance(value, str):
        return "string" if len(value) <= INLINE_MAX else f"string, {len(value):,} chars"
    return "boolean" if isinstance(value, bool) else "number"


def size_of(text: str) -> str:
    """The stored size: `612 B`, `1.2 kB`."""
    return size_text(len(text.encode()))


def size_text(size: int) -> str:
    """A number of bytes: `612 B`, `1.2 kB`, `3.4 GB`."""
    number = float(size)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{size} B" if unit == "B" else f"{number:,.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} GB"


def count_text(number: int, word: str) -> str:
    """`1 field`, `1,200 fields`."""
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def span(kind: str, text: str) -> SafeString:
    """A token in the colour of its kind."""
    name, escaped = _CLASS.get(kind), escape(text)
    return mark_safe(f'<span class="{name}">{escaped}</span>') if name else escaped  # noqa: S308
