"""Recording what has happened, once, and writing the deliveries that tell of it.

Found and written in one transaction, which one process at a time holds: whatever is recorded is told,
and nothing is told twice. Where there is nothing new, nothing is written, and no writer is delayed.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from statestore.access import EVERYTHING, Grant, Principal, Right, parse_patterns
from statestore.queries.incidents import (
    FOUND_AT_ONCE,
    Happening,
    failures_that_are_over,
    happenings,
)
from statestore.webhook_models import Incident, IncidentWatch, Webhook, WebhookDelivery
from statestore.webhooks.events import Event
from statestore.webhooks.signing import new_message_id

OVERLAP = timedelta(seconds=60)  # a write is seen when it is committed, later than its time
OLDEST = timedelta(days=1)  # what happened before that is no news, however long nobody looked
MARK_EVERY = timedelta(minutes=5)  # how far the watch has come is written rarely
GIVE_UP_AFTER = timedelta(days=1)


def find_incidents() -> int:
    """Record what has happened since the last time; how many deliveries were written for it."""
    webhooks = list(Webhook.objects.filter(active=True))
    if not webhooks:
        return 0
    now, first = datetime.now(UTC), min(webhook.since for webhook in webhooks)
    watch, _ = IncidentWatch.objects.get_or_create(pk=1, defaults={"found_until": first})
    since = max(watch.found_until - OVERLAP, now - OLDEST, first)
    events = {word for webhook in webhooks for word in webhook.events.split(",")}
    marked = now - watch.found_until < MARK_EVERY
    if marked and not failures_that_are_over().exists() and not happenings(events, since, now):
        return 0
    return _record(webhooks, events, since, now)


@transaction.atomic
def _record(webhooks: list[Webhook], events: set[str], since: datetime, now: datetime) -> int:
    watch = IncidentWatch.objects.select_for_update(skip_locked=True).filter(pk=1)
    if not watch:
        return 0  # another process is at it
    failures_that_are_over().delete()
    found = happenings(events, since, now)
    Incident.objects.bulk_create(
        Incident(
            event=one.event.value,
            subject=mark.subject,
            attempt=mark.attempt,
            silent_since=mark.silent_since,
            at=now,
        )
        for one in found
        for mark in one.marks
    )
    deliveries = [
        delivery_of(webhook, one.event, body, now)
        for one in found
        for body in [_body(one)]
        for webhook in webhooks
        if _concerns(webhook, one)
    ]
    WebhookDelivery.objects.bulk_create(deliveries)
    if sum(len(one.marks) for one in found) < FOUND_AT_ONCE:  # else there may be more
        watch.update(found_until=now)
    return len(deliveries)


def delivery_of(webhook: Webhook, event: Event, body: str, now: datetime) -> WebhookDelivery:
    """A delivery that is due now; it is not stored yet."""
    return WebhookDelivery(
        webhook=webhook,
        message_id=new_message_id(),
        event=event.value,
        body=body,
        created_at=now,
        due_at=now,
        give_up_at=now + GIVE_UP_AFTER,
    )


def body_of(event: Event, at: datetime, data: dict[str, Any]) -> str:
    """What is sent, as JSON text."""
    return json.dumps(
        {"type": event.value, "timestamp": at, "data": data}, default=_time, separators=(",", ":")
    )


def link_to(page: str, *arguments: int) -> dict[str, str]:
    """The address of a page, where the deployment says how people reach it."""
    public = settings.STATESTORE_PUBLIC_URL
    return {"url": public + reverse(page, args=arguments)} if public else {}


def _concerns(webhook: Webhook, one: Happening) -> bool:
    """Whether it wants to know. What is of no dag is for those alone that are told of all dags."""
    if one.event.value not in webhook.events.split(",") or one.at < webhook.since:
        return False
    patterns = parse_patterns(webhook.dag_patterns)
    if one.scope is None:
        return EVERYTHING in patterns
    return Principal("webhook", (Grant(frozenset({Right.VIEW}), patterns),)).reaches(one.scope)


def _body(one: Happening) -> str:
    where: dict[str, Any] = {}
    if one.scope is not None:
        scope = one.scope
        where = {
            "dag_id": scope.dag_id, "run_id": scope.run_id, "task_id": scope.task_id,
            "map_index": scope.map_index,
        }  # fmt: skip
    elif one.asset:
        where = {"asset": one.asset}
    page = link_to(one.page, *([] if one.page_of is None else [one.page_of]))
    return body_of(one.event, one.at, {**where, **one.data, **page})


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
