"""Which values are hidden, because something in them looks like a secret."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from statestore.models import AssetEntry, SecretFinding, TaskInstance
from statestore.models import Entry as EntryRow
from statestore.protocol import AssetScope, Scope, TaskScope
from statestore.queries.entries import Entry
from statestore.secrets_scan import Secret, judged_secrets, secrets_in_text

HIDDEN: Final = '"hidden: possible secret"'
"""What stands for a hidden value, as JSON text."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A key whose value is hidden, because something in it looks like a secret."""

    key: str
    rule: str
    found_at: datetime


def hidden_keys(ids: Iterable[int], *, of_asset: bool = False) -> set[tuple[int, str]]:
    """The keys of these task instances (or assets) whose values are hidden from people."""
    rows = SecretFinding.objects.filter(
        of_asset=of_asset, owner_id__in=list(ids), dismissed_at=None
    )
    return set(rows.values_list("owner_id", "key"))


def hidden_at_sight(
    values: Iterable[tuple[int, str, str]], *, of_asset: bool = False
) -> set[tuple[int, str]]:
    """The keys whose values look like a secret and were not said to be none, before any scan: of these
    owners, keys and values. It asks the database only if there are such."""
    found = {
        (owner, key, secret) for owner, key, text in values for secret in secrets_in_text(key, text)
    }
    if not found:
        return set()
    table: Any = AssetEntry if of_asset else EntryRow
    rows = SecretFinding.objects.filter(
        Exists(table.objects.filter(pk=OuterRef("entry_id"))),
        of_asset=of_asset,
        owner_id__in={owner for owner, *_ in found},
        dismissed_at__isnull=False,
    )
    dismissed: dict[tuple[int, str], set[Secret]] = {}
    for owner, key, *judged in rows.values_list("owner_id", "key", "rule", "place", "judged"):
        dismissed.setdefault((owner, key), set()).update(judged_secrets(*judged))
    return {
        (owner, key)
        for owner, key, secret in found
        if not secret.is_among(dismissed.get((owner, key), ()))
    }


def hidden_among(
    values: Iterable[tuple[int, str, str]], *, of_asset: bool = False
) -> set[tuple[int, str]]:
    """The keys, of these owners, keys and values, that are hidden from people: scanned or not."""
    values = list(values)
    scanned = hidden_keys({owner for owner, *_ in values}, of_asset=of_asset)
    return scanned | hidden_at_sight(values, of_asset=of_asset)


def hidden_in(values: Iterable[tuple[Scope, str, str]]) -> set[tuple[Scope, str]]:
    """The same of scopes, keys and values. Of a task instance that is gone by now all are hidden."""
    values = list(values)
    owners: dict[Scope, int] = {
        scope: scope.asset_id for scope, *_ in values if isinstance(scope, AssetScope)
    }
    digests = {scope.digest for scope, *_ in values if isinstance(scope, TaskScope)}
    owners |= {row.scope: row.pk for row in TaskInstance.objects.filter(scope_digest__in=digests)}
    asked = {(scope, key) for scope, key, _ in values}
    hidden = {(scope, key) for scope, key in asked if scope not in owners}
    for of_asset in (False, True):
        scopes = {
            owner: scope
            for scope, owner in owners.items()
            if isinstance(scope, AssetScope) is of_asset
        }
        mine = [
            (owners[scope], key, value)
            for scope, key, value in values
            if scope in owners and isinstance(scope, AssetScope) is of_asset
        ]
        if mine:
            found = hidden_among(mine, of_asset=of_asset)
            hidden |= {(scopes[owner], key) for owner, key in found}
    return hidden & asked


def masked(entry: Entry, owner_id: int, hidden: set[tuple[int, str]]) -> Entry:
    """The entry, without its value where that is hidden."""
    return replace(entry, value=HIDDEN) if (owner_id, entry.key) in hidden else entry


def open_findings(entry_id: Any, owner_id: Any, *, of_asset: bool = False) -> Exists:
    """A condition of queries: something in the entry that these columns name looks like a secret."""
    return Exists(_open(entry_id, owner_id, of_asset=of_asset))


def first_finding(entry_id: Any, owner_id: Any, field: str) -> Subquery:
    """A field of what was first found in the entry of a task instance that these columns name."""
    return Subquery(_open(entry_id, owner_id, of_asset=False).order_by("pk").values(field)[:1])


def _open(entry_id: Any, owner_id: Any, *, of_asset: bool) -> QuerySet[SecretFinding]:
    return SecretFinding.objects.filter(
        of_asset=of_asset, owner_id=owner_id, entry_id=entry_id, dismissed_at=None
    )
