"""Sending what is due to webhooks, until it arrives or is given up.

A delivery is a row. Whoever sends it takes it for one try first, so that no two send the same; what
came of the try is written after it. A worker that is lost in between leaves a row that is due again
when its lease ends: a receiver may see it twice, with the same webhook-id.
"""

import logging
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from statestore.services.audit import Action, audit_record
from statestore.services.incidents import GIVE_UP_AFTER, OLDEST
from statestore.sql.webhooks import claim
from statestore.webhook_models import (
    DeliveryState,
    FailedAttempt,
    Incident,
    Webhook,
    WebhookDelivery,
)
from statestore.webhooks.addresses import Allowed
from statestore.webhooks.events import Event
from statestore.webhooks.sending import TIMEOUT, Outcome, Sender
from statestore.webhooks.signing import signed_headers

logger = logging.getLogger(__name__)

LANES = 4  # requests to one webhook at once
LEASE = timedelta(seconds=6 * TIMEOUT)
FIRST_WAIT = 15.0  # seconds; doubled with every try
LONGEST_WAIT = 4 * 3600.0
JITTER = 0.2
SAID_MAX = 300  # characters
SWEEP_BATCH = 1000

_waiting = Q(state=DeliveryState.WAITING.value)


@dataclass(frozen=True, slots=True)
class _Try:
    """A delivery that this process has taken for one try."""

    delivery_id: int
    number: int
    webhook: Webhook


def send_webhooks(*, seconds: float = 20.0) -> int:
    """Send what is due, and what becomes due meanwhile, for so long; how many arrived.

    Webhooks do not wait for each other, and one that fails is left alone until the next time.
    """
    if not _due().exists():
        return 0
    end, arrived, failing = time.monotonic() + seconds, 0, set[int]()
    running: dict[Future[Outcome], _Try] = {}
    with Sender(allowed()) as sender:
        while True:
            if time.monotonic() < end:
                running |= _start(sender, running, failing)
            if not running:
                return arrived
            for future in wait(running, 1, FIRST_COMPLETED).done:
                one, outcome = running.pop(future), future.result()
                _settle(one, outcome)
                arrived += outcome.delivered
                if not outcome.delivered:
                    failing.add(one.webhook.pk)


def allowed() -> Allowed:
    """What this deployment allows beside https to public addresses."""
    return Allowed(settings.STATESTORE_WEBHOOK_HTTP, settings.STATESTORE_WEBHOOK_PRIVATE)


def _due() -> QuerySet[Webhook]:
    now = datetime.now(UTC)
    due = WebhookDelivery.objects.filter(
        _waiting, webhook=OuterRef("pk"), due_at__lte=now, give_up_at__gte=now
    )
    tests = due.filter(event=Event.TEST.value)
    return Webhook.objects.filter(Q(Exists(due), active=True) | Q(Exists(tests)))


def _start(
    sender: Sender, running: dict[Future[Outcome], _Try], failing: set[int]
) -> dict[Future[Outcome], _Try]:
    """Begin as many tries as there are lanes free."""
    busy = Counter(one.webhook.pk for one in running.values())
    started = {}
    for webhook in _due().exclude(pk__in=failing):
        for one, headers, body in _claim(webhook, LANES - busy[webhook.pk]):
            started[sender.send(webhook.url, headers, body)] = one
    return started


def _claim(webhook: Webhook, limit: int) -> Iterator[tuple[_Try, dict[str, str], bytes]]:
    if limit <= 0:
        return
    now = datetime.now(UTC)
    keys = [webhook.secret] if webhook.secret else []
    if webhook.old_secret_until is not None and now < webhook.old_secret_until:
        keys.append(webhook.old_secret)
    rows = claim.rows(
        webhook=webhook.pk, active=int(webhook.active), now=now, lease=now + LEASE, limit=limit
    )
    for delivery_id, message_id, text, number in rows:
        body = text.encode()
        headers = signed_headers(
            message_id=message_id, seconds=int(now.timestamp()), body=body, keys=keys
        )
        yield _Try(delivery_id, number, webhook), headers, body


@transaction.atomic
def _settle(one: _Try, outcome: Outcome) -> None:
    """Write what came of a try; nothing where its lease has ended and another has begun."""
    now, said = datetime.now(UTC), outcome.said[:SAID_MAX]
    held = WebhookDelivery.objects.select_for_update().filter(
        _waiting, pk=one.delivery_id, tries=one.number
    )
    delivery = held.first()
    if delivery is None:
        return
    mine = WebhookDelivery.objects.filter(pk=delivery.pk)
    webhook = Webhook.objects.filter(pk=one.webhook.pk)
    if outcome.delivered:
        mine.update(state=DeliveryState.DELIVERED.value, finished_at=now, said=said)
        webhook.update(delivered_at=now, problem="")
        return
    logger.warning("webhook %r: try %s of %s: %s", one.webhook.name, one.number, delivery, said)
    webhook.update(failed_at=now, problem=said)
    due_at = now + timedelta(seconds=wait_after(one.number, outcome.wait))
    if outcome.gone:
        webhook.update(active=False)
        audit_record(
            action=Action.WEBHOOK_CHANGED,
            detail=f"{one.webhook}: paused, for its receiver answered 410 Gone",
        )
    if outcome.gone or due_at > delivery.give_up_at:
        _give_up(delivery, said, now)
    else:
        mine.update(due_at=due_at, said=said)


def wait_after(number: int, asked: float = 0.0) -> float:
    """Seconds from a try, of which there were so many, to the next; `asked` is the receiver's wish."""
    longer = min(FIRST_WAIT * 2.0 ** min(number - 1, 20), LONGEST_WAIT)
    spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    return max(longer * spread, min(asked, LONGEST_WAIT))


def _give_up(delivery: WebhookDelivery, said: str, now: datetime) -> None:
    WebhookDelivery.objects.filter(pk=delivery.pk).update(
        state=DeliveryState.GIVEN_UP.value, finished_at=now, said=said
    )
    audit_record(
        action=Action.WEBHOOK_GAVE_UP,
        detail=f"{delivery.webhook}: {delivery.event} ({delivery.message_id}): {said}",
    )


@transaction.atomic
def delivery_send_again(*, delivery_id: int) -> bool:
    """Let a delivery that was given up be due now, for another day; whether it was given up."""
    now = datetime.now(UTC)
    found = WebhookDelivery.objects.filter(pk=delivery_id, state=DeliveryState.GIVEN_UP.value)
    row = found.select_for_update().first()
    if row is None:
        return False
    found.update(
        state=DeliveryState.WAITING.value,
        due_at=now,
        give_up_at=now + GIVE_UP_AFTER,
        finished_at=None,
    )
    audit_record(
        action=Action.WEBHOOK_SENT_AGAIN, detail=f"{row.webhook}: {row.event} ({row.message_id})"
    )
    return True


def sweep_webhooks() -> int:
    """Give up what no try has reached within its day, and delete what is older than
    STATESTORE_WEBHOOK_DAYS, in small transactions; how many deliveries were deleted."""
    now = datetime.now(UTC)
    late = WebhookDelivery.objects.filter(_waiting, give_up_at__lt=now, due_at__lt=now)
    for delivery in late.select_related("webhook")[:SWEEP_BATCH]:
        with transaction.atomic():
            if late.select_for_update().filter(pk=delivery.pk).exists():
                _give_up(delivery, delivery.said or "never tried: it was paused", now)
    end = now - timedelta(days=settings.STATESTORE_WEBHOOK_DAYS)
    _sweep(Incident.objects.filter(at__lt=end).order_by("at"))
    _sweep(FailedAttempt.objects.filter(at__lt=now - 2 * OLDEST).order_by("at"))
    return _sweep(WebhookDelivery.objects.filter(created_at__lt=end).order_by("created_at"))


def _sweep(old: QuerySet[Any]) -> int:
    """Delete these rows, a batch in each transaction; how many."""
    deleted = 0
    while ids := list(old.values_list("pk", flat=True)[:SWEEP_BATCH]):
        deleted += int(old.filter(pk__in=ids).order_by().delete()[0])
    return deleted
