"""Many operations in one transaction: all of them happen, or none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from statestore.errors import BatchError, NotFoundError, StateStoreError
from statestore.protocol import InvalidInput, Scope, TaskScope
from statestore.queries import Entry, entry_get
from statestore.services.attempts import require_newest
from statestore.services.entries import (
    ALWAYS,
    Expiry,
    Precondition,
    Writer,
    entry_delete,
    entry_set,
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a batch: get, set or delete a key."""

    op: str
    scope: Scope
    key: str
    attempt: int | None = None
    value: str = ""
    decoded: Any = None
    expiry: Expiry = None
    precondition: Precondition = ALWAYS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one operation came to: the entry that was read, or the version that was written."""

    entry: Entry | None = None
    version: int | None = None


@transaction.atomic
def batch_apply(*, operations: Sequence[Operation], writer: Writer) -> list[Outcome]:
    """Carry out all operations in one transaction, and in their order for each key.

    Raises:
        BatchError: one was refused, and so none was carried out; it says which.
    """
    outcomes: dict[int, Outcome] = {}
    # Rows are locked in the same order by every batch, so that two of them cannot wait for each other.
    for place in sorted(range(len(operations)), key=lambda place: _order(operations[place])):
        try:
            outcomes[place] = _apply(operations[place], writer)
        except (StateStoreError, InvalidInput) as refusal:
            raise BatchError(place, refusal) from refusal
    return [outcomes[place] for place in range(len(operations))]


def _order(operation: Operation) -> tuple[str, str]:
    scope = operation.scope
    owner = scope.digest.hex() if isinstance(scope, TaskScope) else f"{scope.asset_id:032}"
    return owner, operation.key


def _apply(operation: Operation, writer: Writer) -> Outcome:
    writer = replace(writer, attempt=operation.attempt)
    if isinstance(operation.scope, TaskScope):
        require_newest(operation.scope, operation.attempt)
    if operation.op == "get":
        try:
            return Outcome(entry=entry_get(scope=operation.scope, key=operation.key))
        except NotFoundError:
            return Outcome()
    if operation.op == "delete":
        entry_delete(
            scope=operation.scope,
            key=operation.key,
            writer=writer,
            precondition=operation.precondition,
        )
        return Outcome()
    version = entry_set(
        scope=operation.scope,
        key=operation.key,
        value=operation.value,
        decoded=operation.decoded,
        expiry=operation.expiry,
        writer=writer,
        precondition=operation.precondition,
    )
    return Outcome(version=version)
