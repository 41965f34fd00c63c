"""Figures of the whole store: keys, what of them expires, bytes."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet

from statestore.access import Principal, Right
from statestore.models import Entry
from statestore.queries.counting import COUNTED, counts
from statestore.sql import store

EXPIRING_COUNTED = 20_000
_Hours = tuple[QuerySet[Entry], QuerySet[Entry]]  # of whole hours, and of those at the ends of them


@dataclass(frozen=True, slots=True)
class Amount:
    """A number that is exact, about right, or only the least that it can be."""

    number: int
    about: bool = False
    more: bool = False

    def __str__(self) -> str:
        """`12,000`, `≈ 1,020,000` where it is estimated, `5,000+` where nobody counted further."""
        return f"{'≈ ' * self.about}{self.number:,}{'+' * self.more}"


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """Entries of task instances, all of them."""

    keys: Amount
    expire_in_a_day: Amount


@dataclass(frozen=True, slots=True)
class RetentionFigures:
    """What becomes of the entries of task instances, and what room everything takes."""

    keys: Amount
    overdue: Amount
    expire_in_a_day: Amount
    expire_in_a_week: Amount
    never_expire: Amount
    bytes_on_disk: int


def sees_everything(principal: Principal) -> bool:
    """Whether figures of the whole store tell the principal nothing that they may not know."""
    return principal.has_over_every_dag(Right.VIEW)


def store_counted() -> tuple[_Hours, QuerySet[Entry]]:
    """What store_figures needs counts of."""
    return expiring(datetime.now(UTC), timedelta(days=1)), Entry.objects.order_by("pk")


def store_figures(soon: int, keys: int) -> StoreFigures:
    """What Live shows of the store, from these counts."""
    estimate = store.estimate() if keys > COUNTED else None
    everything = Amount(estimate[0], about=True) if estimate else _amount(keys)
    return StoreFigures(everything, _amount(soon))


def retention_figures() -> RetentionFigures:
    """What Retention shows."""
    now = datetime.now(UTC)
    within = (expiring(now, timedelta(days=days)) for days in (1, 7))
    late, day, week = counts(_expired(now), *within, at_most=EXPIRING_COUNTED)
    keys, never = _all_and_never()
    return RetentionFigures(
        keys=keys,
        overdue=_amount(late, EXPIRING_COUNTED),
        expire_in_a_day=_amount(day, EXPIRING_COUNTED),
        expire_in_a_week=_amount(week, EXPIRING_COUNTED),
        never_expire=never,
        bytes_on_disk=store.size(),
    )


def _all_and_never() -> tuple[Amount, Amount]:
    """All entries and those that never expire: counted while they are few, else as estimated."""
    estimate = store.estimate()
    if estimate is not None and estimate[0] > COUNTED:
        entries, never = estimate
        return Amount(entries, about=True), Amount(round(entries * never), about=True)
    # The second is counted among the first: an entry without expiry has no index.
    first = Entry.objects.filter(pk__in=Entry.objects.order_by("pk").values("pk")[: COUNTED + 1])
    everything, never = counts(Entry.objects.order_by("pk"), first.filter(expires_hour=None))
    return _amount(everything), replace(_amount(never), more=everything > COUNTED)


def expiring(now: datetime, within: timedelta) -> _Hours:
    """Entries that expire between now and then: of the hours between, which an index alone counts,
    and of the two at the ends."""
    first, last = _hour(now), _hour(now + within)
    ends = Entry.objects.filter(expires_at__gt=now, expires_at__lte=now + within)
    return (
        Entry.objects.filter(expires_hour__gt=first, expires_hour__lt=last).order_by(
            "expires_hour"
        ),
        ends.filter(expires_hour__in=[first, last]).order_by("expires_hour"),
    )


def _expired(now: datetime) -> _Hours:
    """Entries that wait for the sweep: of the hours that are over, and of the present one."""
    return (
        Entry.objects.filter(expires_hour__lt=_hour(now)).order_by("expires_hour"),
        Entry.objects.filter(expires_hour=_hour(now), expires_at__lte=now).order_by("expires_hour"),
    )


def _hour(moment: datetime) -> int:
    return int(moment.timestamp() // 3600)


def _amount(count: int, at_most: int = COUNTED) -> Amount:
    return Amount(min(count, at_most), more=count > at_most)
