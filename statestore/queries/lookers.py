"""Whether people who look on are who they were, for all of them at once."""

from collections.abc import Iterable
from datetime import UTC, datetime

from statestore.models import GroupReach
from statestore.sql import lookers, store

account_of = lookers.account


def rights_mark() -> object:
    """A value that changes with anybody's rights.

    A row that grants one is added or deleted, never changed: the number of rows, the newest, and the newest
    that there ever was say it, also of one that came and went since.
    """
    reach = GroupReach.objects.order_by("pk").values_list("group", "dag_patterns", "asset_patterns")
    return lookers.granted(), store.grants(), list(reach)


def standing_of(accounts: Iterable[tuple[str, int]]) -> dict[str, str]:
    """Of sessions and the numbers of their accounts: the sessions that somebody is logged in with, each with
    its account as by `account_of`. A session never passes to another user."""
    return lookers.standing(list(accounts), datetime.now(UTC))
