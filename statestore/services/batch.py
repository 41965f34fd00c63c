"""Many operations in one transaction: all of them happen, or none."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from statestore.errors import BatchError, NotFoundError, StateStoreError
from statestore.protocol import AssetScope, InvalidInput, Scope, TaskScope
from statestore.queries import Entry, entries_get, entry_get
from statestore.services.attempts import hold, scope_parameters
from statestore.services.entries import (
    ALWAYS,
    Expiry,
    Overwrite,
    Precondition,
    Writer,
    entries_overwrite,
    entry_delete,
    entry_set,
)
from statestore.services.refusal import refuse_secret
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


Held = dict[Scope, int | None]
"""The scopes that a batch holds, with the ids of their rows (None: there is none)."""


@transaction.atomic
def batch_apply(*, operations: Sequence[Operation], writer: Writer) -> list[Outcome]:
    """Carry out all operations in one transaction, and in their order for each key.

    Raises:
        BatchError: one was refused, and so none was carried out; it says which.
    """
    held = _hold_all(operations, writer)
    written = Counter((one.scope, one.key) for one in operations if one.op != "get")
    named = Counter((one.scope, one.key) for one in operations)
    alone = {
        place: one
        for place, one in enumerate(operations)
        if named[one.scope, one.key] == 1 or not written[one.scope, one.key]
    }
    outcomes = _read_together(alone) | _overwrite_together(alone, writer, held)
    for place, operation in enumerate(operations):
        if place not in outcomes:
            with _refused_at(place):
                outcomes[place] = _apply(operation, _numbered(writer, place))
    return [outcomes[place] for place in range(len(operations))]


@contextmanager
def _refused_at(place: int) -> Iterator[None]:
    try:
        yield
    except (StateStoreError, InvalidInput) as refusal:
        raise BatchError(place, refusal) from refusal


def _numbered(writer: Writer, place: int) -> Writer:
    """Each operation is a write of its own: the client's number has room for a whole batch."""
    return writer if writer.sequence is None else replace(writer, sequence=writer.sequence + place)


def _order(scope: Scope) -> tuple[bool, Any]:
    """The order in which every batch holds scopes: task instances by digest, then assets."""
    return isinstance(scope, AssetScope), owner_of(scope)


def _hold_all(operations: Sequence[Operation], writer: Writer) -> Held:
    """Hold every scope that is written to, in the order in which everybody does; create new ones."""
    held: Held = {}
    checked = set[tuple[Scope, int | None]]()
    for place in sorted(range(len(operations)), key=lambda place: _order(operations[place].scope)):
        operation = operations[place]
        if operation.op == "get":
            continue
        scope, attempt = operation.scope, operation.attempt or writer.attempt
        creates = operation.op == "set" and isinstance(scope, TaskScope) and not held.get(scope)
        if (scope, attempt) in checked and not creates:
            continue
        with _refused_at(place):
            held[scope] = hold(scope, attempt)
            if held[scope] is None and operation.op == "set" and isinstance(scope, TaskScope):
                task_instances.create.count(**scope_parameters(scope), now=datetime.now(UTC))
                held[scope] = hold(scope, attempt)
        checked.add((scope, attempt))
    return held


def _read_together(alone: Mapping[int, Operation]) -> dict[int, Outcome]:
    """Read the keys that no other operation names, all at one moment."""
    places = [place for place, operation in alone.items() if operation.op == "get"]
    entries = entries_get(named=[(alone[place].scope, alone[place].key) for place in places])
    return {place: Outcome(entry=entry) for place, entry in zip(places, entries, strict=True)}


def _overwrite_together(
    alone: Mapping[int, Operation], writer: Writer, held: Held
) -> dict[int, Outcome]:
    """Overwrite the keys that no other operation names, together for each kind of scope."""
    kinds: dict[type, dict[int, Overwrite]] = {TaskScope: {}, AssetScope: {}}
    refuse_secrets = settings.STATESTORE_REFUSE_SECRETS
    for place, operation in alone.items():
        owner = held.get(operation.scope)
        if owner is not None and operation.op == "set" and operation.precondition == ALWAYS:
            if refuse_secrets:
                with _refused_at(place):
                    refuse_secret(operation.scope, operation.key, operation.value)
            overwrite = _overwrite(operation, owner, _numbered(writer, place))
            kinds[type(operation.scope)][place] = overwrite
    outcomes: dict[int, Outcome] = {}
    for overwrites in filter(None, kinds.values()):
        versions = entries_overwrite(overwrites=list(overwrites.values()), writer=writer)
        for place, version in zip(overwrites, versions, strict=True):
            outcomes[place] = Outcome(version=version)
    return outcomes


def _overwrite(operation: Operation, owner: int, writer: Writer) -> Overwrite:
    return Overwrite(
        operation.scope,
        owner,
        operation.key,
        operation.value,
        operation.decoded,
        operation.expiry,
        operation.attempt or writer.attempt,
        writer.sequence,
    )


def _apply(operation: Operation, writer: Writer) -> Outcome:
    writer = replace(writer, attempt=operation.attempt or writer.attempt)
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
