"""Many operations in one transaction: all of them happen, or none."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from statestore.errors import BatchError, NotFoundError, StateStoreError
from statestore.protocol import AssetScope, InvalidInput, Scope, TaskScope
from statestore.queries import Entry, entries_get, entry_get
from statestore.services.attempts import refuse_stale
from statestore.services.entries import (
    ALWAYS,
    Expiry,
    Precondition,
    Writer,
    entry_delete,
    entry_set,
    not_so,
)
from statestore.services.holding import Held, hold, hold_tasks
from statestore.services.overwrite import Overwrite, entries_overwrite
from statestore.services.refusal import refuse_secret


class Operation(NamedTuple):
    """One operation of a batch: get, set or delete a key."""

    op: str
    scope: Scope
    key: str
    attempt: int | None = None
    value: str = ""
    decoded: Any = None
    expiry: Expiry = None
    precondition: Precondition = ALWAYS


class Outcome(NamedTuple):
    """What one operation came to: the entry that was read, or the version that was written."""

    entry: Entry | None = None
    version: int | None = None


@transaction.atomic
def batch_apply(*, operations: Sequence[Operation], writer: Writer) -> list[Outcome]:
    """Carry out all operations in one transaction, and in their order for each key.

    Raises:
        BatchError: one was refused, and so none was carried out; it says which.
    """
    places = _places_of_scopes(operations)
    held = _hold_all(operations, places, writer)
    alone = {place: operations[place] for place in _alone(operations, places)}
    outcomes = _read_together(alone) | _overwrite_together(alone, writer, held)
    for place, operation in enumerate(operations):
        if place not in outcomes:
            with _refused_at(place):
                if _finds_nothing(operation, held):
                    outcomes[place] = Outcome()
                else:
                    outcomes[place] = _apply(operation, _numbered(writer, place))
    return [outcomes[place] for place in range(len(operations))]


Places = Mapping[Scope, Sequence[int]]
"""Where in a batch each scope is named: looked up once, since a scope's hash takes long."""


def _places_of_scopes(operations: Sequence[Operation]) -> Places:
    found: defaultdict[Scope, list[int]] = defaultdict(list)
    for place, operation in enumerate(operations):
        found[operation.scope].append(place)
    return found


def _alone(operations: Sequence[Operation], places: Places) -> Iterator[int]:
    """Those whose key no other operation names, unless all only read it."""
    for of_scope in places.values():
        named = Counter([operations[place].key for place in of_scope])
        if len(named) == len(of_scope):
            yield from of_scope
            continue
        written = {operations[place].key for place in of_scope if operations[place].op != "get"}
        for place in of_scope:
            key = operations[place].key
            if named[key] == 1 or key not in written:
                yield place


@contextmanager
def _refused_at(place: int) -> Iterator[None]:
    try:
        yield
    except (StateStoreError, InvalidInput) as refusal:
        raise BatchError(place, refusal) from refusal


def _numbered(writer: Writer, place: int) -> Writer:
    """Each operation is a write of its own: the client's number has room for a whole batch."""
    return writer if writer.sequence is None else replace(writer, sequence=writer.sequence + place)


def _hold_all(
    operations: Sequence[Operation], places: Places, writer: Writer
) -> dict[Scope, Held | None]:
    """Hold every scope that is written to, and create new ones."""
    writing = {scope: _attempts(operations, of, writer) for scope, of in places.items()}
    tasks = [one for one, attempts in writing.items() if attempts and isinstance(one, TaskScope)]
    new = [one for one in tasks if any(operations[place].op == "set" for place in places[one])]
    found = hold_tasks(tasks, create=new)
    held: dict[Scope, Held | None] = {}
    for scope in sorted(writing, key=_asset_order):
        for attempt, place in writing[scope].items():
            with _refused_at(place):
                if isinstance(scope, AssetScope):
                    held[scope] = hold(scope, attempt)
                else:
                    newest, held[scope] = found.get(scope, (0, None))
                    refuse_stale(attempt, newest=newest)
    return held


def _asset_order(scope: Scope) -> int:
    """The order in which every batch holds assets: behind the task instances, by number."""
    return scope.asset_id if isinstance(scope, AssetScope) else 0


def _attempts(
    operations: Sequence[Operation], places: Sequence[int], writer: Writer
) -> dict[int | None, int]:
    """The attempts that write to a scope, each with the place of the first time."""
    attempts = dict[int | None, int]()
    for place in places:
        if operations[place].op != "get":
            attempts.setdefault(operations[place].attempt or writer.attempt, place)
    return attempts


def _read_together(alone: Mapping[int, Operation]) -> dict[int, Outcome]:
    """Read the keys that no other operation names, all at one moment."""
    places = [place for place, operation in alone.items() if operation.op == "get"]
    entries = entries_get(named=[(alone[place].scope, alone[place].key) for place in places])
    return {place: Outcome(entry=entry) for place, entry in zip(places, entries, strict=True)}


def _overwrite_together(
    alone: Mapping[int, Operation], writer: Writer, held: Mapping[Scope, Held | None]
) -> dict[int, Outcome]:
    """Overwrite the keys that no other operation names, together for each kind of scope."""
    kinds: dict[type, dict[int, Overwrite]] = {TaskScope: {}, AssetScope: {}}
    refuse_secrets = settings.STATESTORE_REFUSE_SECRETS
    for place, operation in alone.items():
        if operation.op != "set" or operation.precondition is not ALWAYS:
            continue
        owner = held[operation.scope]
        if owner is None:
            continue
        if refuse_secrets:
            with _refused_at(place):
                refuse_secret(operation.scope, operation.key, operation.value)
        kinds[type(operation.scope)][place] = Overwrite(
            owner,
            operation.key,
            operation.value,
            operation.decoded,
            operation.expiry,
            operation.attempt or writer.attempt,
            None if writer.sequence is None else writer.sequence + place,
        )
    outcomes: dict[int, Outcome] = {}
    for overwrites in filter(None, kinds.values()):
        of = alone[next(iter(overwrites))].scope
        versions = entries_overwrite(of=of, overwrites=list(overwrites.values()), writer=writer)
        for place, version in zip(overwrites, versions, strict=True):
            outcomes[place] = Outcome(version=version)
    return outcomes


def _finds_nothing(operation: Operation, held: Mapping[Scope, Held | None]) -> bool:
    """Whether it deletes from a task instance that is not there; if that comes meanwhile, it is nobody's
    to delete from.

    Raises:
        PreconditionFailedError: it was to be in a version.
    """
    if operation.op != "delete" or isinstance(operation.scope, AssetScope):
        return False
    nothing = held[operation.scope] is None
    if nothing and operation.precondition.version is not None:
        raise not_so(operation.key, None)
    return nothing


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
