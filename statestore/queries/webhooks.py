"""How webhooks do."""

from django.db.models import Count

from statestore.webhook_models import DeliveryState, WebhookDelivery


def delivery_counts() -> dict[str, int]:
    """How many deliveries wait to arrive, and how many of those that are kept were given up."""
    states = [DeliveryState.WAITING.value, DeliveryState.GIVEN_UP.value]
    rows = WebhookDelivery.objects.filter(state__in=states).order_by()
    counted = dict(rows.values_list("state").annotate(Count("pk")))
    return {state: counted.get(state, 0) for state in states}
