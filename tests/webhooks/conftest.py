"""A receiver, a webhook that goes there, and time that has passed."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db.models import F
from pytest_django.fixtures import Settings

from statestore import services
from statestore.models import Entry, SecretFinding, SweepRun, TaskInstance
from statestore.webhook_models import IncidentWatch, Webhook, WebhookDelivery
from statestore.webhooks.events import CHOICES, Event
from tests.api.conftest import api, token_of  # noqa: F401 - fixtures
from tests.receiver import Receiver, receiving

EVERYTHING = [Event(word) for word, _ in CHOICES]
Hook = Callable[..., Webhook]


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    """Where webhooks go, which is allowed here."""
    settings.STATESTORE_WEBHOOK_HTTP = settings.STATESTORE_WEBHOOK_PRIVATE = True
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def hook(receiver: Receiver, db: None) -> Hook:
    """Makes a webhook that tells the receiver of everything; its secret is in `.secret`."""

    def make(name: str = "oncall", **options: object) -> Webhook:
        filled = {"url": receiver.url, "events": EVERYTHING, **options}
        return services.webhook_create(name=name, **filled)[0]  # type: ignore[arg-type]

    return make


def pass_time(**duration: float) -> None:
    """Let everything have happened so much earlier."""
    ago = timedelta(**duration)
    TaskInstance.objects.update(active_at=F("active_at") - ago)
    Entry.objects.update(updated_at=F("updated_at") - ago)
    SecretFinding.objects.update(found_at=F("found_at") - ago)
    SweepRun.objects.update(started_at=F("started_at") - ago)
    IncidentWatch.objects.update(found_until=F("found_until") - ago)
    Webhook.objects.update(since=F("since") - ago)
    WebhookDelivery.objects.update(
        created_at=F("created_at") - ago,
        due_at=F("due_at") - ago,
        give_up_at=F("give_up_at") - ago,
    )


def tell() -> int:
    """What beat has done every few seconds: found, then sent; how many arrived."""
    services.find_incidents()
    return services.send_webhooks()
