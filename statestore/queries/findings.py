"""What was found to look like a secret, as a list: a key once, whatever number of places it has."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import RowNumber
from django.db.models.lookups import IsNull

from statestore.access import Principal
from statestore.models import Asset, AssetEntry, SecretFinding
from statestore.models import Entry as EntryRow
from statestore.protocol import TaskScope
from statestore.queries.counting import COUNTED, nth_values
from statestore.queries.figures import Amount
from statestore.queries.keyset import begins, decode, encode
from statestore.queries.patterns import reached, reached_assets
from statestore.secrets_scan import fingerprint, secrets_in_text

_COLUMNS: Final = ("-id",)
_ENTRY: Final = ("of_asset", "owner_id", "entry_id")  # as an index orders them
_LOOKED_AT: Final = 5_000  # places that are looked at for one page
_COUNTED_AT: Final = 20_000  # the same for the count, which every page shows
RULES_SHOWN: Final = 5  # of one key


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings: open ones, or those found to be no secret; beginnings of a dag and of a key, a
    part of a rule's name."""

    dismissed: bool = False
    dag: str = ""
    key: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """An entry in which something looks like a secret: where, by which rules, and what became of it."""

    owner_id: int  # number of the task instance or of the asset
    scope: TaskScope | None
    asset: str
    key: str
    rules: list[str]
    """The first few, each with its place."""
    places: int
    """How many there are."""
    found_at: datetime
    dismissed_by: str
    version: int = field(repr=False)
    """Of the entry, with what looks like a secret in its value now: who says that it is none has seen
    these. A page that shows them is the same one while nothing else has changed."""
    seen: str = field(repr=False)

    @property
    def more(self) -> int:
        """How many places are not named."""
        return self.places - len(self.rules)


@dataclass(frozen=True, slots=True)
class FindingPage:
    """Some findings, newest first. `next_after` begins the next page; empty: there is none."""

    findings: list[Finding]
    next_after: str
    looked_at: int = 0
    """How many places were looked at, where the page ended before it was full."""


def any_secret() -> bool:
    """Whether anything is open at all, whoever may see it."""
    return SecretFinding.objects.filter(dismissed_at=None).exists()


def secret_count(principal: Principal) -> Amount:
    """In how many keys that the principal reaches something looks like a secret: of the newest places,
    where there are very many. Then it is the least that it can be, as it is beyond COUNTED."""
    rows = _of_state(FindingFilter())
    (older,) = nth_values(_COLUMNS, [rows.order_by("-pk")], _COUNTED_AT + 1)
    within = rows.filter(
        _matches(FindingFilter(), principal), Q() if older is None else Q(pk__gt=older[0])
    )
    count = within.order_by(*_ENTRY).values(*_ENTRY).distinct()[: COUNTED + 1].count()
    return Amount(min(count, COUNTED), more=count > COUNTED or (older is not None and count > 0))


def finding_page(
    *, where: FindingFilter, principal: Principal, limit: int = 50, position: str = ""
) -> FindingPage:
    """What the principal reaches; `position` is a page's `next_after`."""
    _, start = decode(position, _COLUMNS)
    rows = _of_state(where).filter(Q() if start is None else Q(pk__lt=start[0]))
    (end,) = nth_values(_COLUMNS, [rows.order_by("-pk")], _LOOKED_AT)
    within = rows.filter(_matches(where, principal), Q() if end is None else Q(pk__gte=end[0]))
    by_entry: Any = within.order_by().values(*_ENTRY).annotate(newest=Max("pk"))
    if start is not None:
        # Beside what is known of a whole entry it is asked once of each, not of each of its places.
        by_entry = by_entry.filter(Q(newest__gte=start[0]) | _not_shown(where, start[0]))
    keys = list(by_entry.order_by("-newest")[: limit + 1])
    more = len(keys) > limit
    last = (keys[limit - 1]["newest"],) if more else end
    looked_at = _LOOKED_AT if end is not None and not more else 0
    return FindingPage(_findings(where, keys[:limit]), encode(0, last) if last else "", looked_at)


def _not_shown(where: FindingFilter, start: int) -> Q:
    """Whether no page before has listed the entry, by a place that is newer than those of this page."""
    newer = _of_state(where).filter(_of_rule(where), pk__gte=start)
    of_entry = newer.filter(**{name: OuterRef(name) for name in _ENTRY})
    return Q(IsNull(Subquery(of_entry.values("pk")[:1]), True))


def _findings(where: FindingFilter, keys: list[Any]) -> list[Finding]:
    """The findings of these entries, in their order."""
    each = [F("of_asset"), F("entry_id")]
    any_of = Q(pk__in=[])
    for key in keys:
        any_of |= Q(**{name: key[name] for name in _ENTRY})
    places: Any = _of_state(where).annotate(
        number=Window(RowNumber(), each, order_by="-pk"),
        places=Window(Count("pk"), each),
    )
    by_entry: dict[tuple[bool, int], list[Any]] = {
        (key["of_asset"], key["entry_id"]): [] for key in keys
    }
    for row in places.filter(any_of, number__lte=RULES_SHOWN).order_by("-pk"):
        by_entry[row.of_asset, row.entry_id].append(row)
    heads = [rows[0] for rows in by_entry.values() if rows]  # none: decided or gone since
    entries: dict[bool, Any] = {
        False: EntryRow.objects.select_related("task_instance").in_bulk(
            [row.entry_id for row in heads if not row.of_asset]
        ),
        True: AssetEntry.objects.select_related("asset").in_bulk(
            [row.entry_id for row in heads if row.of_asset]
        ),
    }
    return [
        Finding(
            owner_id=head.owner_id,
            scope=None if head.of_asset else entry.task_instance.scope,
            asset=entry.asset.name if head.of_asset else "",
            key=head.key,
            rules=[
                f"{row.rule} at {row.place}" if row.place else row.rule
                for row in by_entry[head.of_asset, head.entry_id]
            ],
            places=head.places,
            found_at=head.found_at,
            dismissed_by=head.dismissed_by,
            version=entry.version,
            seen="" if where.dismissed else _seen(entry, of_asset=head.of_asset),
        )
        for head in heads
        if (entry := entries[head.of_asset].get(head.entry_id)) is not None
    ]


def _seen(entry: Any, *, of_asset: bool) -> str:
    return fingerprint(secrets_in_text(entry.key, entry.value), (of_asset, entry.pk))


def _of_state(where: FindingFilter) -> QuerySet[SecretFinding]:
    return SecretFinding.objects.filter(dismissed_at__isnull=not where.dismissed)


def _matches(where: FindingFilter, principal: Principal) -> Q:
    """Of entries that exist and that the principal reaches."""
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=datetime.now(UTC))
    entries = EntryRow.objects.filter(alive, reached(principal, prefix="task_instance__"))
    if where.dag:
        entries = entries.filter(begins("task_instance__dag_id", where.dag))
    found = Q(of_asset=False) & _is_one_of(entries.filter(pk=OuterRef("entry_id")))
    if not where.dag:
        mine = Asset.objects.filter(reached_assets(principal), pk=OuterRef("owner_id"))
        kept = AssetEntry.objects.filter(pk=OuterRef("entry_id"))
        found |= Q(of_asset=True) & _is_one_of(kept) & _is_one_of(mine)
    if where.key:
        found &= begins("key", where.key)
    return found & _of_rule(where)


def _of_rule(where: FindingFilter) -> Q:
    return Q(rule__icontains=where.rule) if where.rule else Q()


def _is_one_of(rows: QuerySet[Any]) -> Q:
    """A value instead of EXISTS: beside an OR, PostgreSQL would read every entry for that."""
    return Q(IsNull(Subquery(rows.values("pk")[:1]), False))
