"""Attempts of a task instance: the newest one alone may write."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from statestore.errors import StaleAttemptError
from statestore.protocol import PROGRESS_KEY, Scope, Status, TaskScope
from statestore.sql import task_instances
from statestore.sql.entries import entries_of, owner_of
from statestore.sql.statement import first


def attempt_start(*, scope: TaskScope) -> int:
    """Start the next attempt of a task instance; its number. Older attempts can write no more.

    That the one before has failed is kept for webhooks: its successor's progress will hide it.
    """
    now = datetime.now(UTC)
    ((attempt, row_id, status),) = task_instances.start_attempt.rows(
        **scope_parameters(scope), now=now
    )
    if status == Status.FAILED.value:
        task_instances.keep_failure.count(id=row_id, key=PROGRESS_KEY, newest=attempt, now=now)
    return int(attempt)


class Held(NamedTuple):
    """The row of a scope that a transaction holds: what it tells stays true until that ends."""

    id: int
    active_at: Any
    """About when one of its keys was written last, as the driver gave it (None: an asset)."""
    status: str | None


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


def refuse_stale(attempt: int | None, *, newest: int) -> None:
    """Refuse an attempt that is not the newest."""
    if attempt is not None and attempt < newest:
        raise StaleAttemptError(
            f"Attempt {attempt} may write no more: attempt {newest} of this task instance has started.",
            attempt=attempt,
            newest_attempt=newest,
        )


def scope_parameters(scope: TaskScope) -> dict[str, Any]:
    """The columns of a task instance, for SQL."""
    return {
        "digest": scope.digest,
        "dag_id": scope.dag_id,
        "run_id": scope.run_id,
        "task_id": scope.task_id,
        "map_index": scope.map_index,
    }
