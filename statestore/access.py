"""Who may do what to which scope."""

import enum
import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from re import Pattern
from typing import Any, Final

from statestore.errors import ForbiddenError, NotFoundError
from statestore.protocol import TaskScope

EVERYTHING: Final = "*"
_USER: Final = "user "  # begins the name of every principal who is a person, and of no other


def user_name(user: Any) -> str:
    """The name of a logged-in user as a principal."""
    return f"{_USER}{user.get_username()}"


def is_person(name: str) -> bool:
    """Whether the principal of this name is a person, and no worker."""
    return name.startswith(_USER)


class Right(enum.StrEnum):
    """What can be granted, separately."""

    VIEW = "view"
    WRITE = "write"
    CLEAR = "clear"
    ADMINISTER = "administer"


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights over the dags and the assets that its patterns fit."""

    rights: frozenset[Right]
    dag_patterns: tuple[str, ...] = (EVERYTHING,)
    asset_patterns: tuple[str, ...] = (EVERYTHING,)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever sent the request, and what was granted to them."""

    name: str
    grants: tuple[Grant, ...]
    task: TaskScope | None = None
    """The only task instance that a task token reaches."""
    assets: frozenset[str] | None = None
    """The only assets that it reaches, by name; None: those that its maker reaches."""
    origin: str = ""
    """What was presented, or for a task token who made it: `token 7`, `user 3`."""
    expires_at: datetime | None = None
    """When the credentials end."""

    @property
    def is_unlimited(self) -> bool:
        """Whether no pattern limits it: only then may it hand out what reaches everything. Where one
        group limits a person and another does not, nobody knows which gave them a permission."""
        return self.task is None and all(
            EVERYTHING in grant.dag_patterns and EVERYTHING in grant.asset_patterns
            for grant in self.grants
        )

    def has(self, right: Right) -> bool:
        """Whether the right is granted over anything."""
        return any(right in grant.rights for grant in self.grants)

    def has_over_every_dag(self, right: Right) -> bool:
        """Whether the right is granted over all dags."""
        return EVERYTHING in self.dag_patterns(right)

    def dag_patterns(self, right: Right) -> tuple[str, ...]:
        """The dags over which the right is granted."""
        found = (grant.dag_patterns for grant in self.grants if right in grant.rights)
        return tuple(sorted({pattern for patterns in found for pattern in patterns}))

    def asset_patterns(self, right: Right) -> tuple[str, ...]:
        """The assets over which the right is granted."""
        found = (grant.asset_patterns for grant in self.grants if right in grant.rights)
        return tuple(sorted({pattern for patterns in found for pattern in patterns}))

    def reaches(self, scope: TaskScope) -> bool:
        """Whether the task instance is one that the principal may know of."""
        return bool(self._over(scope))

    def reaches_asset(self, name: str) -> bool:
        """Whether the asset of this name is one that the principal may know of."""
        return bool(self._over_asset(name))

    def _over(self, scope: TaskScope) -> list[Grant]:
        if self.task is not None and scope != self.task:
            return []
        return [grant for grant in self.grants if _matches(grant.dag_patterns, scope.dag_id)]

    def _over_asset(self, name: str) -> list[Grant]:
        if self.assets is not None and name not in self.assets:
            return []
        return [grant for grant in self.grants if _matches(grant.asset_patterns, name)]

    def may(self, scope: TaskScope, right: Right) -> bool:
        """Whether the right is granted over the task instance."""
        return any(right in grant.rights for grant in self._over(scope))

    def may_asset(self, name: str, right: Right) -> bool:
        """Whether the right is granted over the asset of this name."""
        return any(right in grant.rights for grant in self._over_asset(name))

    def require(self, scope: TaskScope, *rights: Right) -> None:
        """Let pass who has one of the rights over the task instance, or refuse.

        What cannot be seen answers reads as if it were not there, and writes always alike: so
        neither tells whether it exists.

        Raises:
            NotFoundError: a read of what the principal does not reach.
            ForbiddenError: a write to it, or the right is missing.
        """
        grants = self._over(scope)
        if not grants:
            if Right.VIEW in rights:
                raise NotFoundError(f"There is nothing to see in {scope}.")
            raise ForbiddenError(f"These credentials do not reach {scope}.")
        _require(grants, rights)

    def require_asset(self, asset_id: int, name: str, *rights: Right) -> None:
        """Let pass who has one of the rights over the asset, or refuse.

        Raises:
            NotFoundError: the principal does not reach it.
            ForbiddenError: it does, and the right is missing.
        """
        grants = self._over_asset(name)
        if not grants:
            raise NotFoundError(f"There is no asset {asset_id}.")
        _require(grants, rights)

    def require_new_asset(self, name: str) -> None:
        """Let pass who may register an asset of this name, or refuse.

        Raises:
            ForbiddenError: the principal does not reach it, or may not write to it.
        """
        grants = self._over_asset(name)
        if not grants:
            raise ForbiddenError(f"These credentials do not reach the asset {name!r}.")
        _require(grants, (Right.WRITE,))

    def require_right(self, *rights: Right) -> None:
        """Let pass who has one of the rights over anything.

        Raises:
            ForbiddenError: none of them.
        """
        _require(self.grants, rights)


def _require(grants: Iterable[Grant], rights: Iterable[Right]) -> None:
    if all(grant.rights.isdisjoint(rights) for grant in grants):
        raise ForbiddenError(f"These credentials lack the right to {' or '.join(rights)}.")


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    return EVERYTHING in patterns or bool(patterns and _matcher(patterns).match(name))


def parse_patterns(text: str) -> tuple[str, ...]:
    """Patterns from a list with commas; an empty list fits nothing."""
    return tuple(pattern.strip() for pattern in text.split(",") if pattern.strip())


@lru_cache(maxsize=1024)
def _matcher(patterns: tuple[str, ...]) -> Pattern[str]:
    # Only * and ? are wildcards: a [ stands for itself, as in queries.patterns.
    plain = (pattern.replace("[", "[[]") for pattern in patterns)
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in plain))


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
