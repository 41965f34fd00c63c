"""Looking for secrets in what was written, and what people say of what was found.

The scan reads the task instances and assets that have been active since the last time (their `active_at`
has an index, and is at most 30 s older than their last write), and of these the entries written since.
Beside that it goes round all entries, some at a time: so it finds what an older version of it did not
know, and what a crash between a write and its `active_at` has hidden from it.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from statestore.errors import NotFoundError, PreconditionFailedError
from statestore.jsontext import decode
from statestore.models import (
    AssetEntry,
    AssetEntryVersion,
    Entry,
    EntryVersion,
    SecretFinding,
    SecretScan,
)
from statestore.protocol import AssetScope, Scope
from statestore.queries import ACTIVE_AT_LAG
from statestore.secrets_scan import Secret, fingerprint, judged_secrets, secrets_in
from statestore.services.audit import Action, audit_record
from statestore.services.entries import Writer

logger = logging.getLogger(__name__)

OVERLAP = timedelta(seconds=60)  # a write is seen when it is committed, later than its time
ROUND = 2000  # entries of the round over all of them, each time
BATCH = 100  # entries whose values are held in memory at once

Row = Entry | AssetEntry


def scan_secrets() -> int:
    """Scan what was written since the last time, and the next part of all entries; how many."""
    now = datetime.now(UTC)
    scan, _ = SecretScan.objects.get_or_create(pk=1, defaults={"changed_until": now})
    since = scan.changed_until - OVERLAP
    active = since - ACTIVE_AT_LAG
    changed = Entry.objects.filter(task_instance__active_at__gte=active, updated_at__gte=since)
    changed_of_assets = AssetEntry.objects.filter(
        asset__active_at__gte=active, updated_at__gte=since
    )
    entries = Entry.objects.filter(pk__gt=scan.entry_id).order_by("pk")[:ROUND]
    asset_entries = AssetEntry.objects.filter(pk__gt=scan.asset_entry_id).order_by("pk")[:ROUND]
    seen, _ = _scan(changed)
    seen_of_assets, _ = _scan(changed_of_assets)
    count, entry_id = _scan(entries)
    asset_count, asset_entry_id = _scan(asset_entries)
    _forget_gone()
    SecretScan.objects.filter(pk=scan.pk).update(
        changed_until=now,
        entry_id=entry_id if count == ROUND else 0,
        asset_entry_id=asset_entry_id if asset_count == ROUND else 0,
    )
    return seen + seen_of_assets + count + asset_count


def _scan(rows: QuerySet[Any]) -> tuple[int, int]:
    """How many there were, and the last one's number.

    Their numbers, which are small, are read at once, and their values in parts: behind a pooler in
    transaction mode an iterator would read these as a whole.
    """
    ids = list(rows.values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        part: list[Row] = list(rows.model.objects.filter(pk__in=ids[start : start + BATCH]))
        versions = _versions_of(part)
        for row in part:
            _settle(row, {row.value} | versions.get(row.pk, set()))
    return len(ids), ids[-1] if ids else 0


def _versions_of(rows: list[Row]) -> dict[int, set[str]]:
    """The values that are kept of these entries: a secret in one of them is still readable."""
    found: dict[int, set[str]] = {}
    if not rows:
        return found
    created = {row.pk: row.created_at for row in rows if row.version > 1}
    kept = _versions(rows[0]).objects.filter(entry_id__in=created)
    for entry_id, value, at in kept.values_list("entry_id", "value", "at"):
        if at >= created[entry_id]:  # what stood under the key before it expired, nobody is shown
            found.setdefault(entry_id, set()).add(value)
    return found


def _versions(row: Row) -> type[AssetEntryVersion] | type[EntryVersion]:
    """The table of its versions."""
    return AssetEntryVersion if isinstance(row, AssetEntry) else EntryVersion


def _kept(row: Row) -> Any:
    """Its versions that are shown: what stood under the key before it expired is gone."""
    return _versions(row).objects.filter(entry_id=row.pk, at__gte=row.created_at)


def _settle(row: Row, values: Iterable[str]) -> None:
    """Keep what is found in an entry, and forget what is there no longer; what was said to be no secret
    stays quiet for that value alone, for as long as there is one in its place that looks like a secret."""
    found = _found_in(row, values)
    known = list(_findings_of(row))
    if not found and not known:
        return
    judged = set().union(*(_judged(one) for one in known if one.dismissed_at is not None))
    places = {(secret.rule, secret.place) for secret in found}
    open_places = {(secret.rule, secret.place) for secret in found if not secret.is_among(judged)}
    gone = [
        one.pk
        for one in known
        if (one.rule, one.place) not in (places if one.dismissed_at else open_places)
    ]
    SecretFinding.objects.filter(pk__in=gone).delete()
    kept = {(one.rule, one.place) for one in known if one.dismissed_at is None}
    new = [
        SecretFinding(**_identity(row), key=row.key, rule=rule, place=place)
        for rule, place in open_places - kept
    ]
    SecretFinding.objects.bulk_create(new, ignore_conflicts=True)
    if new:
        logger.warning("a possible secret was found: %s", row)


def _found_in(row: Row, values: Iterable[str]) -> set[Secret]:
    return {secret for text in set(values) for secret in secrets_in(row.key, decode(text))}


def _judged(finding: SecretFinding) -> set[Secret]:
    return judged_secrets(finding.rule, finding.place, finding.judged)


def _findings_of(row: Row) -> Any:
    return SecretFinding.objects.filter(**_identity(row))


def _identity(row: Row) -> dict[str, Any]:
    of_asset = isinstance(row, AssetEntry)
    owner = row.asset_id if isinstance(row, AssetEntry) else row.task_instance_id
    return {"of_asset": of_asset, "owner_id": owner, "entry_id": row.pk}


def _forget_gone() -> None:
    """Findings of entries that were deleted."""
    for of_asset, table in ((False, Entry), (True, AssetEntry)):
        alive = Exists(table.objects.filter(pk=OuterRef("entry_id")))
        SecretFinding.objects.filter(~alive, of_asset=of_asset).delete()


@transaction.atomic
def secret_dismiss(*, scope: Scope, key: str, version: int, seen: str, writer: Writer) -> int:
    """Say that what was found in an entry is no secret: what is there now, and in its kept versions, is
    shown again; another value in its place is another finding. It is in the audit. How many findings stay
    open, for what nobody has seen in a version since.

    Only what the person has seen is judged: the values up to this version, and of the present one what
    they were shown to be there (`version` and `seen` of Finding).

    Raises:
        NotFoundError: nothing is found there that is still open.
        PreconditionFailedError: something else looks like a secret there meanwhile.
    """
    row = _entries(scope).filter(key=key).first()
    known = [] if row is None else list(_findings_of(row))
    found = [one for one in known if one.dismissed_at is None]
    if row is None or not found:
        raise NotFoundError(f"Nothing is found under {key!r} that is still open.")
    here = _found_in(row, [row.value])
    if fingerprint(here, (isinstance(row, AssetEntry), row.pk)) != seen:
        raise PreconditionFailedError
    older = _kept(row).filter(version__lte=version).values_list("value", flat=True)
    judged = here | _found_in(row, older)
    _mark(row, judged, known, writer)
    _settle(row, {row.value} | _versions_of([row]).get(row.pk, set()))
    rules = sorted({one.rule for one in found} & {secret.rule for secret in judged})
    _record(Action.NOT_A_SECRET, scope, key, writer, ", ".join(rules))
    return int(_findings_of(row).filter(dismissed_at=None).count())


def _mark(row: Row, seen: set[Secret], known: list[SecretFinding], writer: Writer) -> None:
    """Keep that these are no secrets, beside what was said so before; a scan may run at the same time."""
    before = {(one.rule, one.place): one for one in known if one.dismissed_at is not None}
    found_at = {(one.rule, one.place): one.found_at for one in known if one.dismissed_at is None}
    judged = set().union(*map(_judged, before.values()))
    marks: dict[tuple[str, str], set[str]] = {}
    for secret in seen:
        if not secret.is_among(judged):
            marks.setdefault((secret.rule, secret.place), set()).add(secret.digest)
    replaced = [one for place, one in before.items() if place in marks]
    for one in replaced:
        marks[one.rule, one.place] |= set(one.judged.split())
    SecretFinding.objects.filter(pk__in=[one.pk for one in replaced]).delete()
    now = datetime.now(UTC)
    new = [
        SecretFinding(
            **_identity(row), key=row.key, rule=rule, place=place,
            found_at=found_at.get((rule, place), now), dismissed_at=now,
            dismissed_by=writer.name[:200], judged=" ".join(sorted(digests)),
        )
        for (rule, place), digests in marks.items()
    ]  # fmt: skip
    SecretFinding.objects.bulk_create(new, ignore_conflicts=True)


@dataclass(frozen=True, slots=True)
class Revealed:
    """A value that is hidden otherwise, as JSON text, and its version."""

    version: int
    value: str


@transaction.atomic
def secret_reveal(*, scope: Scope, key: str, writer: Writer) -> list[Revealed]:
    """The hidden value of an entry, for this once; and then those of its older versions in which
    something looks like a secret, newest first. It is in the audit.

    Raises:
        NotFoundError: the entry is gone.
    """
    row = _entries(scope).filter(key=key).first()
    if row is None:
        raise NotFoundError(f"There is no key {key!r} in {scope}.")
    _record(Action.REVEALED, scope, key, writer, "")
    kept = _kept(row).filter(version__lt=row.version)
    older = kept.order_by("-version").values_list("version", "value")
    return [
        Revealed(row.version, row.value),
        *(Revealed(number, text) for number, text in older if _found_in(row, [text])),
    ]


def _record(action: Action, scope: Scope, key: str, writer: Writer, detail: str) -> None:
    audit_record(
        action=action, who=writer.name, scope=scope, key=key, detail=detail, reason=writer.reason
    )


def _entries(scope: Scope) -> Any:
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=datetime.now(UTC))
    if isinstance(scope, AssetScope):
        return AssetEntry.objects.filter(asset=scope.asset_id)
    return Entry.objects.filter(alive, task_instance__scope_digest=scope.digest)
