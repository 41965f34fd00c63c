"""Who may do what to which scope."""

import enum
import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from re import Pattern

from statestore.errors import ForbiddenError, NotAuthenticatedError, NotFoundError


class Right(enum.StrEnum):
    """What can be granted, separately."""

    VIEW = "view"
    WRITE = "write"
    CLEAR = "clear"
    ADMINISTER = "administer"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever sent the request: a token or a user, with rights over dags that match patterns."""

    name: str
    rights: frozenset[Right]
    dag_patterns: tuple[str, ...] = ("*",)
    asset_patterns: tuple[str, ...] = ("*",)

    def has(self, right: Right) -> bool:
        """Whether the right is granted over any dag."""
        return right in self.rights

    def reaches(self, dag_id: str) -> bool:
        """Whether the dag is one that the principal may know of."""
        return "*" in self.dag_patterns or _matcher(self.dag_patterns).match(dag_id) is not None

    def require(self, dag_id: str, *rights: Right) -> None:
        """Let pass who has one of the rights over the dag, or refuse.

        What cannot be seen answers reads as if it were not there, and writes always alike: so
        neither tells whether the dag exists.

        Raises:
            NotFoundError: a read of a dag that the principal does not reach.
            ForbiddenError: a write to such a dag, or the right is missing.
        """
        if not self.reaches(dag_id):
            if Right.VIEW in rights:
                raise NotFoundError(f"There is nothing to see in dag {dag_id!r}.")
            raise ForbiddenError(f"These credentials do not reach the dag {dag_id!r}.")
        if self.rights.isdisjoint(rights):
            raise ForbiddenError(f"These credentials lack the right to {' or '.join(rights)}.")


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


def principal_of_user(user: object) -> Principal:
    """The principal behind a logged-in user.

    Raises:
        NotAuthenticatedError: nobody is logged in.
    """
    if not getattr(user, "is_active", False):
        raise NotAuthenticatedError
    holds = user.has_perm  # type: ignore[attr-defined]  # any user model has it
    granted = (right for right, permission in USER_PERMISSIONS.items() if holds(permission))
    return Principal(name=f"user {user}", rights=frozenset(granted))
