"""Who may do what to which scope."""

import enum
import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from re import Pattern, compile

from statestore.errors import ForbiddenError, NotAuthenticatedError, NotFoundError


class Right(enum.StrEnum):
    """What can be granted, separately."""

    VIEW = "view"
    WRITE = "write"
    CLEAR = "clear"
    ADMINISTER = "administer"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever sent the request: a token or a user, with rights over the dags that match patterns."""

    name: str
    rights: frozenset[Right]
    dag_patterns: tuple[str, ...] = ("*",)

    def has(self, right: Right) -> bool:
        """Whether the right is granted over any dag."""
        return right in self.rights

    def reaches(self, dag_id: str) -> bool:
        """Whether the dag is one that the principal may know of."""
        return "*" in self.dag_patterns or _matcher(self.dag_patterns).match(dag_id) is not None

    def require(self, right: Right, dag_id: str) -> None:
        """Let pass, or refuse.

        Raises:
            NotFoundError: the principal may not know that the dag exists.
            ForbiddenError: it may, and lacks the right.
        """
        if not self.reaches(dag_id):
            raise NotFoundError("The dag is not there, or is not among those that these credentials reach.")
        if right not in self.rights:
            raise ForbiddenError(f"These credentials lack the right to {right}.")


@lru_cache(maxsize=1024)
def _matcher(patterns: tuple[str, ...]) -> Pattern[str]:
    return compile("|".join(fnmatch.translate(pattern) for pattern in patterns))


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
    granted = (right for right, permission in USER_PERMISSIONS.items() if user.has_perm(permission))  # type: ignore[attr-defined]
    return Principal(name=f"user {user}", rights=frozenset(granted))
