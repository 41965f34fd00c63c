"""What a process remembers has bounds."""

from typing import Any


def make_room(kept: dict[Any, Any], most: int) -> None:
    """Where as much is kept as may be, let the half go that has been there for longest: to forget all at
    once would make all of it be looked up anew at once."""
    if len(kept) >= most:
        for old in list(kept)[: -(most // 2)]:
            kept.pop(old, None)
