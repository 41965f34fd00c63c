"""Holding scopes: what a transaction reads of them stays true until it ends."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple

from statestore.protocol import Scope, TaskScope
from statestore.services.attempts import refuse_stale, scope_parameters
from statestore.sql import task_instances
from statestore.sql.entries import entries_of, owner_of
from statestore.sql.statement import first


class Held(NamedTuple):
    """The row of a scope that a transaction holds: what it tells stays true until that ends."""

    id: int
    active_at: Any
    """About when one of its keys was written last, as the driver gave it."""
    status: str | None
    """None: an asset, which has none."""


def hold(scope: Scope, attempt: int | None) -> Held | None:
    """Hold a scope until the transaction ends; None where it has no row.

    Whoever locks more than one row in a transaction holds their scopes first, by digest: so two of
    them never wait for each other. Meanwhile no newer attempt starts.

    Raises:
        StaleAttemptError: a newer attempt has started.
    """
    row = first(entries_of(scope).hold_owner.rows(owner=owner_of(scope)))
    if row is None:
        return None
    newest, *held = row
    refuse_stale(attempt, newest=newest)
    return Held(*held)


def hold_tasks(
    scopes: Collection[TaskScope], *, create: Collection[TaskScope]
) -> dict[TaskScope, tuple[int, Held]]:
    """Hold task instances as `hold` does, each with its newest attempt; some are created where they are
    not there, and nothing is held until that is done, so that who waits for a new one holds none that was
    there before.
    """
    by_digest = {scope.digest: scope for scope in scopes}
    digests = sorted(by_digest)
    held = task_instances.hold_all_or_none(digests) if create else []
    if not held:
        rows = sorted(map(scope_parameters, create), key=lambda row: row["digest"])
        task_instances.create_missing(rows, now=datetime.now(UTC))
        held = task_instances.hold_those_there(digests)
    return {by_digest[digest]: (newest, Held(*row)) for digest, newest, *row in held}
