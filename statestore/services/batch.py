"""Many operations in one transaction: all of them happen, or none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from statestore.errors import BatchError, NotFoundError, StateStoreError
from statestore.protocol import AssetScope, InvalidInput, Scope, TaskScope
from statestore.queries import Entry, entry_get
from statestore.services.attempts import hold, scope_parameters
from statestore.services.entries import (
    ALWAYS,
    Expiry,
    Precondition,
    Writer,
    entry_delete,
    entry_set,
)
from statestore.sql import task_instances
from statestore.sql.entries import owner_of


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


Held = set[tuple[Scope, int | None]]
"""The scopes that a batch holds, and for which attempts it has found that they are the newest."""


@transaction.atomic
def batch_apply(*, operations: Sequence[Operation], writer: Writer) -> list[Outcome]:
    """Carry out all operations in one transaction, and in their order for each key.

    Raises:
        BatchError: one was refused, and so none was carried out; it says which.
    """
    outcomes: dict[int, Outcome] = {}
    held: Held = set()
    for place in sorted(range(len(operations)), key=lambda place: _order(operations[place].scope)):
        try:
            outcomes[place] = _apply(operations[place], _numbered(writer, place), held)
        except (StateStoreError, InvalidInput) as refusal:
            raise BatchError(place, refusal) from refusal
    return [outcomes[place] for place in range(len(operations))]


def _numbered(writer: Writer, place: int) -> Writer:
    """Each operation is a write of its own: the client's number has room for a whole batch."""
    return writer if writer.sequence is None else replace(writer, sequence=writer.sequence + place)


def _order(scope: Scope) -> tuple[bool, Any]:
    """The order in which every batch holds scopes: task instances by digest, then assets."""
    return isinstance(scope, AssetScope), owner_of(scope)


def _hold(operation: Operation, attempt: int | None, held: Held) -> None:
    """Hold the operation's scope, also where a task instance is new."""
    scope = operation.scope
    if (scope, attempt) in held:
        return
    if hold(scope, attempt):
        held.add((scope, attempt))
    elif operation.op == "set" and isinstance(scope, TaskScope):
        task_instances.create.count(**scope_parameters(scope), now=datetime.now(UTC))
        hold(scope, attempt)


def _apply(operation: Operation, writer: Writer, held: Held) -> Outcome:
    writer = replace(writer, attempt=operation.attempt or writer.attempt)
    _hold(operation, writer.attempt, held)
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
