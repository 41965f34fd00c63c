"""Entries of task instances and of assets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from statestore.errors import NotFoundError
from statestore.models import Asset, TaskInstance
from statestore.protocol import AssetScope, Scope, TaskScope
from statestore.sql.entries import entries_of, owner_of
from statestore.sql.statement import columns, first, read_time

PAGE_MAX = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One key with its value, as it stood when it was read."""

    key: str
    value: str  # JSON text, exactly as it was sent
    version: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    writer: str
    writer_task: str | None  # the four ids as a JSON array, where a task token wrote
    attempt: int | None


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Some of a scope's entries, and how many there are."""

    entries: list[Entry]
    total: int


NO_ENTRIES = EntryPage([], 0)


def _entry(row: tuple[Any, ...]) -> Entry:
    key, value, version, created_at, updated_at, expires_at, *writer = row
    times = read_time(created_at), read_time(updated_at), read_time(expires_at)
    return Entry(key, value, version, *times, *writer)


def entry_get(*, scope: Scope, key: str) -> Entry:
    """One entry.

    Raises:
        NotFoundError: it was never written, was deleted, or has expired.
    """
    now = datetime.now(UTC)
    row = first(entries_of(scope).get.rows(owner=owner_of(scope), key=key, now=now))
    if row is None:
        raise NotFoundError(f"There is no key {key!r} in {scope}.")
    return _entry(row)


def entries_get(*, named: Sequence[tuple[Scope, str]]) -> list[Entry | None]:
    """Many entries by scope and key; None for one that is not there.

    Those of task instances are read as they stood at one moment, and so are those of assets.
    """
    found: dict[tuple[Scope, str], Entry] = {}
    for kind in (TaskScope, AssetScope):
        scopes = {scope for scope, _ in named if isinstance(scope, kind)}
        rows_of = _rows_of(scopes)
        wanted = [(rows_of[scope], key) for scope, key in named if scope in rows_of]
        if not wanted:
            continue
        scope_of = {row: scope for scope, row in rows_of.items()}
        get_many = entries_of(next(iter(scopes))).get_many
        rows = get_many.rows(rows=columns("owner key", wanted), now=datetime.now(UTC))
        for *entry_columns, row in rows:
            entry = _entry(tuple(entry_columns))
            found[scope_of[row], entry.key] = entry
    return [found.get(one) for one in named]


def _rows_of(scopes: set[Scope]) -> dict[Scope, int]:
    """The ids of the rows of scopes of one kind, where there are any."""
    by_digest = {scope.digest: scope for scope in scopes if isinstance(scope, TaskScope)}
    instances = TaskInstance.objects.filter(scope_digest__in=by_digest) if by_digest else []
    rows = {by_digest[bytes(one.scope_digest)]: one.pk for one in instances}
    return rows | {scope: scope.asset_id for scope in scopes if isinstance(scope, AssetScope)}


def entry_page(*, scope: Scope, limit: int = 50, offset: int = 0, after: str = "") -> EntryPage:
    """Entries by key ascending, behind the key `after`; `limit` is capped at 100.

    Who reads on behind the last key that he has seen misses none, whatever is deleted meanwhile.

    Raises:
        NotFoundError: there is no such asset.
    """
    limit, now, entries = min(limit, PAGE_MAX), datetime.now(UTC), entries_of(scope)
    rows = entries.page.rows(
        owner=owner_of(scope), now=now, limit=limit, offset=offset, after=after
    )
    if not rows and isinstance(scope, AssetScope):
        require_asset(scope)
    total = offset + len(rows)
    if len(rows) == limit or after or (offset and not rows):
        ((total,),) = entries.count.rows(owner=owner_of(scope), now=now)
    return EntryPage([_entry(row) for row in rows], total)


def require_asset(scope: AssetScope) -> None:
    """Let pass an asset that exists.

    Raises:
        NotFoundError: it does not.
    """
    if not Asset.objects.filter(pk=scope.asset_id).exists():
        raise NotFoundError(f"There is no {scope}.")
