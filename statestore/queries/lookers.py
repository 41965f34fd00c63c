"""Whether people who look on are who they were, for all of them at once."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db.models import Count, Max

from statestore.models import GroupReach
from statestore.sql import store


@dataclass(frozen=True, slots=True)
class Account:
    """What of an account decides who may see what, beside the rights that are granted."""

    pk: int
    username: str
    password: str
    is_active: bool
    is_staff: bool
    is_superuser: bool


_FIELDS = ("pk", "username", "password", "is_active", "is_staff", "is_superuser")


def account_of(user: Any) -> Account:
    """A user's account, as it was read."""
    return Account(*(getattr(user, name) for name in _FIELDS))


def rights_mark() -> object:
    """A value that changes with anybody's rights.

    A row that grants one is added or deleted, never changed: the number of rows, the newest, and the newest
    that there ever was say it, also of one that came and went since.
    """
    granted = (
        User.user_permissions.through,
        User.groups.through,
        Group.permissions.through,
    )
    counts = [table.objects.aggregate(Count("pk"), Max("pk")) for table in granted]
    reach = GroupReach.objects.order_by("pk").values_list("group", "dag_patterns", "asset_patterns")
    return counts, store.grants(), list(reach)


def sessions_alive(keys: list[str]) -> set[str]:
    """Which of these sessions somebody is logged in with; one never passes to another user."""
    rows = Session.objects.filter(session_key__in=keys, expire_date__gt=datetime.now(UTC))
    return set(rows.values_list("session_key", flat=True))


def accounts(pks: set[int]) -> dict[int, Account]:
    """The accounts with these numbers."""
    rows = User.objects.filter(pk__in=pks).values_list(*_FIELDS)
    return {values[0]: Account(*values) for values in rows}
