"""Who may do what to which scope."""

import enum
import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from re import Pattern

from statestore.errors import ForbiddenError, NotFoundError
from statestore.protocol import TaskScope


class Right(enum.StrEnum):
    """What can be granted, separately."""

    VIEW = "view"
    WRITE = "write"
    CLEAR = "clear"
    ADMINISTER = "administer"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever sent the request, with rights over what its patterns match, or over one task alone."""

    name: str
    rights: frozenset[Right]
    dag_patterns: tuple[str, ...] = ("*",)
    asset_patterns: tuple[str, ...] = ("*",)
    task: TaskScope | None = None
    """The only task instance that a task token reaches."""

    def has(self, right: Right) -> bool:
        """Whether the right is granted over anything."""
        return right in self.rights

    def reaches(self, scope: TaskScope) -> bool:
        """Whether the task instance is one that the principal may know of."""
        if self.task is not None:
            return scope == self.task
        return _matches(self.dag_patterns, scope.dag_id)

    def reaches_asset(self, name: str) -> bool:
        """Whether the asset of this name is one that the principal may know of."""
        return self.task is None and _matches(self.asset_patterns, name)

    def require(self, scope: TaskScope, *rights: Right) -> None:
        """Let pass who has one of the rights over the task instance, or refuse.

        What cannot be seen answers reads as if it were not there, and writes always alike: so
        neither tells whether it exists.

        Raises:
            NotFoundError: a read of what the principal does not reach.
            ForbiddenError: a write to it, or the right is missing.
        """
        if not self.reaches(scope):
            if Right.VIEW in rights:
                raise NotFoundError(f"There is nothing to see in {scope}.")
            raise ForbiddenError(f"These credentials do not reach {scope}.")
        self.require_right(*rights)

    def require_asset(self, asset_id: int, name: str, *rights: Right) -> None:
        """Let pass who has one of the rights over the asset, or refuse.

        Raises:
            NotFoundError: the principal does not reach it.
            ForbiddenError: it does, and the right is missing.
        """
        if not self.reaches_asset(name):
            raise NotFoundError(f"There is no asset {asset_id}.")
        self.require_right(*rights)

    def require_right(self, *rights: Right) -> None:
        """Let pass who has one of the rights over anything.

        Raises:
            ForbiddenError: none of them.
        """
        if self.rights.isdisjoint(rights):
            raise ForbiddenError(f"These credentials lack the right to {' or '.join(rights)}.")


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    return "*" in patterns or bool(patterns and _matcher(patterns).match(name))


def parse_patterns(text: str) -> tuple[str, ...]:
    """Patterns from a list with commas; an empty list fits nothing."""
    return tuple(pattern.strip() for pattern in text.split(",") if pattern.strip())


@lru_cache(maxsize=1024)
def _matcher(patterns: tuple[str, ...]) -> Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))


def parse_rights(words: Iterable[str]) -> frozenset[Right]:
    """Rights from their words.

    Raises:
        ValueError: a word names no right.
    """
    return frozenset(Right(word.strip()) for word in words)


# A user's rights are Django permissions, so that the admin site grants them to users and groups.
USER_PERMISSIONS = {
    Right.VIEW: "statestore.view_entry",
    Right.WRITE: "statestore.change_entry",
    Right.CLEAR: "statestore.delete_entry",
    Right.ADMINISTER: "statestore.change_apitoken",
}
