"""Making, changing, testing and deleting webhooks. All of it is in the audit, without secrets."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import httpx
from django.conf import settings
from django.db import transaction

from statestore.errors import NotFoundError
from statestore.services.audit import Action, audit_record
from statestore.services.deliveries import LEASE
from statestore.services.incidents import body_of, delivery_of, link_to
from statestore.webhook_models import Webhook
from statestore.webhooks.events import Event
from statestore.webhooks.signing import new_secret

OLD_SECRET_LIVES = timedelta(days=1)


@transaction.atomic
def webhook_create(
    *,
    name: str,
    url: str,
    events: Iterable[Event],
    dag_patterns: str = "*",
    active: bool = True,
    signed: bool = True,
) -> tuple[Webhook, str]:
    """Create a webhook, which is told of what happens from now on; its row, and the secret that is
    shown this once (empty: it does not sign)."""
    secret = new_secret() if signed else ""
    webhook = Webhook.objects.create(
        name=name,
        url=url,
        events=_joined(events),
        dag_patterns=dag_patterns,
        active=active,
        secret=secret,
        since=datetime.now(UTC),
    )
    audit_record(action=Action.WEBHOOK_CREATED, detail=_described(webhook))
    return webhook, secret


@transaction.atomic
def webhook_change(
    *,
    webhook_id: int,
    name: str,
    url: str,
    events: Iterable[Event],
    dag_patterns: str,
    active: bool,
) -> Webhook:
    """Change a webhook. One that is resumed is told of what happens from then on.

    Raises:
        NotFoundError: it is gone.
    """
    webhook = _held(webhook_id)
    before, address = _described(webhook), webhook.url
    if active and not webhook.active:
        webhook.since = datetime.now(UTC)
    webhook.name, webhook.url, webhook.dag_patterns = name, url, dag_patterns
    webhook.events, webhook.active = _joined(events), active
    webhook.save(update_fields=["name", "url", "dag_patterns", "events", "active", "since"])
    after = _described(webhook)
    if address != url:
        after += " (another URL)"
    audit_record(action=Action.WEBHOOK_CHANGED, detail=f"{before} → {after}")
    return webhook


def webhook_switch(*, webhook_id: int, active: bool) -> bool:
    """Pause a webhook, or resume it; whether that changed anything.

    Raises:
        NotFoundError: it is gone.
    """
    with transaction.atomic():
        webhook = _held(webhook_id)
        if webhook.active == active:
            return False
        webhook.active = active
        if active:
            webhook.since = datetime.now(UTC)
        webhook.save(update_fields=["active", "since"])
        audit_record(
            action=Action.WEBHOOK_CHANGED, detail=f"{webhook}: {'resumed' if active else 'paused'}"
        )
    return True


@transaction.atomic
def webhook_renew_secret(*, webhook_id: int) -> str:
    """A new secret, which is shown this once; for a day the old one signs as well.

    Raises:
        NotFoundError: the webhook is gone.
    """
    webhook = _held(webhook_id)
    old, webhook.secret = webhook.secret, new_secret()
    webhook.old_secret = old
    webhook.old_secret_until = datetime.now(UTC) + OLD_SECRET_LIVES if old else None
    webhook.save(update_fields=["secret", "old_secret", "old_secret_until"])
    audit_record(action=Action.WEBHOOK_CHANGED, detail=f"{webhook}: a new secret")
    return webhook.secret


@transaction.atomic
def webhook_delete(*, webhook_id: int) -> bool:
    """Delete a webhook, with its deliveries; whether it was there."""
    webhook = Webhook.objects.filter(pk=webhook_id).first()
    if webhook is None:
        return False
    audit_record(action=Action.WEBHOOK_DELETED, detail=_described(webhook))
    webhook.delete()
    return True


@transaction.atomic
def webhook_test(*, webhook_id: int) -> str:
    """Write a delivery that tells of nothing, also for a paused webhook; its id.

    It is tried for about a minute: who has asked for it looks now, not tomorrow.

    Raises:
        NotFoundError: the webhook is gone.
    """
    webhook, now = _held(webhook_id), datetime.now(UTC)
    data = {"webhook": webhook.name, **link_to("dashboard:live")}
    delivery = delivery_of(webhook, Event.TEST, body_of(Event.TEST, now, data), now)
    delivery.give_up_at = now + LEASE + timedelta(seconds=settings.STATESTORE_WEBHOOK_SECONDS)
    delivery.save(force_insert=True)
    audit_record(action=Action.WEBHOOK_TESTED, detail=f"{webhook} ({delivery.message_id})")
    return delivery.message_id


def _held(webhook_id: int) -> Webhook:
    webhook = Webhook.objects.select_for_update().filter(pk=webhook_id).first()
    if webhook is None:
        raise NotFoundError("This webhook is not there: it was deleted.")
    return webhook


def _joined(events: Iterable[Event]) -> str:
    return ",".join(sorted(event.value for event in events))


def _described(webhook: Webhook) -> str:
    """What it is. Of the URL the host alone: where receivers are chat rooms, its path is a secret."""
    url = httpx.URL(webhook.url)
    what = f"{webhook.events.replace(',', ' ')}; dags {webhook.dag_patterns}"
    state = "" if webhook.active else "; paused"
    return f"{webhook}: {url.scheme}://{url.host}; {what}{state}"
