"""Attempts of a task instance: the newest one alone may write."""

from datetime import UTC, datetime
from typing import Any

from statestore.errors import StaleAttemptError
from statestore.protocol import PROGRESS_KEY, Status, TaskScope
from statestore.sql import task_instances


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
