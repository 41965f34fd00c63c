"""What is made again only when that has changed of which it is made."""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from statestore.bounded import make_room

T = TypeVar("T")


class Kept(Generic[T]):
    """For so many places at most, what was last made there, and of what.

    Of one place too many, the half goes for which nothing was made for longest.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: dict[Hashable, tuple[Any, T]] = {}

    def get(self, place: Hashable, inputs: Any, make: Callable[[], T]) -> T:
        """What `make` makes of these inputs; where it was made before, that."""
        known = self._made.get(place)
        if known is not None and known[0] == inputs:
            return known[1]
        made = make()
        self._made.pop(place, None)
        make_room(self._made, self._most)
        self._made[place] = inputs, made
        return made
