"""What strict JSON refuses, and in which words."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

MAX_DEPTH: Final = 500  # arrays and objects in each other; Python's own parser ends near 1,000
MAX_DIGITS: Final = 4300  # of one integer: what Python's int() reads (CVE-2020-10735)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why something is let neither in nor out."""

    msg: str
    type: str


TOO_DEEP: Final = Refused(
    f"arrays and objects may be nested at most {MAX_DEPTH} levels deep", "too_deep"
)
TOO_MANY_DIGITS: Final = Refused(
    f"an integer may have at most {MAX_DIGITS} digits", "int_parsing_size"
)


def no_number(word: str) -> Refused:
    """NaN, or an infinity."""
    return Refused(f"{word} is no JSON number", "finite_number")


def infinite(digits: str) -> Refused:
    """A number beyond the largest float."""
    return Refused(
        f"{digits[:40]} is too large: most programs would read it as infinity", "finite_number"
    )


def twice(name: str) -> Refused:
    """A key that an object has already."""
    return Refused(f"the key {name!r} stands twice in the object", "duplicate_key")


def lone_surrogate(text: str) -> Refused | None:
    """A half of a pair of surrogates, where the text has one."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = f"U+{ord(text[error.start]):04X}"
        return Refused(f"a lone surrogate ({found}) is no Unicode text", "string_unicode")
    return None


_strings = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_OTHERS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS: Final = bytes.maketrans(b"[]{}", b"\x01\xff\x01\xff")  # 1 in, and -1 (as a signed byte) out


def is_too_deep(text: str, start: int, end: int) -> bool:
    """Whether JSON text has more than MAX_DEPTH levels; counted, for a recursion has its own limit."""
    if text.count("[", start, end) + text.count("{", start, end) <= MAX_DEPTH:
        return False
    brackets = _strings.sub("", text[start:end]).encode()
    steps = brackets.translate(_STEPS, _OTHERS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > MAX_DEPTH


class Pairs(list[tuple[str, Any]]):
    """An object's members before its keys are known to be unique."""


Path = list[str | int]


def walk(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every node with its path, in the order of the text; the path is the same list each time."""
    path: Path = []
    yield path, value
    inside = [_children(value)]
    while inside:
        for step, node in inside[-1]:
            path.append(step)
            yield path, node
            if isinstance(node, dict | list | tuple):
                inside.append(_children(node))
                break
            path.pop()
        else:
            inside.pop()
            del path[-1:]


def _children(node: Any) -> Iterator[tuple[str | int, Any]]:
    found: Iterable[tuple[str | int, Any]] = ()
    if isinstance(node, Pairs):
        found = node
    elif isinstance(node, dict):
        found = node.items()
    elif isinstance(node, list | tuple):
        found = enumerate(node)
    return iter(found)
