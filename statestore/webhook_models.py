"""The tables of webhooks: who is told, what was told, what has happened."""

from django.db import models
from django.db.models.functions import Now

from statestore.webhooks.addresses import URL_MAX
from statestore.webhooks.events import Event


class Webhook(models.Model):
    """A URL that is told of some events."""

    name = models.CharField(max_length=100, unique=True)
    url = models.CharField(max_length=URL_MAX, verbose_name="URL")
    events = models.CharField(max_length=200, help_text="task.stalled, task.failed …, with commas")
    dag_patterns = models.TextField(
        default="*", help_text="dags that it is told of, separated by commas: sales_*, hr"
    )
    active = models.BooleanField(default=True, help_text="else it is paused, and told of nothing")
    secret = models.CharField(
        max_length=100, default="", editable=False, help_text="signs; empty: nothing does"
    )
    old_secret = models.CharField(max_length=100, default="", editable=False)
    old_secret_until = models.DateTimeField(
        null=True, editable=False, help_text="signs as well, until then"
    )
    created_at = models.DateTimeField(db_default=Now())
    since = models.DateTimeField(
        editable=False, help_text="it is told of what happens later: made or resumed then"
    )
    delivered_at = models.DateTimeField("last success", null=True, editable=False)
    failed_at = models.DateTimeField("last failure", null=True, editable=False)
    problem = models.CharField(
        max_length=300, default="", editable=False, help_text="of the last failure, until a success"
    )

    class Meta:
        """By name."""

        ordering = ["name"]

    def __str__(self) -> str:
        return str(self.name)


class DeliveryState(models.TextChoices):
    """What has become of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class WebhookDelivery(models.Model):
    """One notification for one webhook: written first, then sent until it has arrived."""

    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, db_index=False, related_name="deliveries"
    )
    message_id = models.CharField(
        max_length=40, unique=True, help_text="its webhook-id, the same at every try"
    )
    event = models.CharField(max_length=32)
    body = models.TextField(help_text="JSON text, exactly as it is sent")
    state = models.CharField(
        max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING.value
    )
    tries = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(
        help_text="next try; while one goes on, when it counts as lost with its worker"
    )
    give_up_at = models.DateTimeField(help_text="no try begins later")
    finished_at = models.DateTimeField(null=True)
    said = models.CharField(max_length=300, default="", help_text="what came of the last try")

    class Meta:
        """Newest first."""

        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        indexes = [
            # read by send_webhooks: what is due, of each webhook; and by the cascade
            models.Index(
                fields=["webhook", "due_at"],
                condition=models.Q(state="waiting"),
                name="webhook_delivery_due",
            ),
            models.Index(fields=["webhook", "-id"], name="webhook_delivery_of_webhook"),
            # read by sweep_webhooks
            models.Index(fields=["created_at"], name="webhook_delivery_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}"


class Incident(models.Model):
    """Something that webhooks were told of, or would have been: it is told once."""

    event = models.CharField(max_length=32, choices=[(event.value, event.value) for event in Event])
    subject = models.BigIntegerField(
        help_text="number of the task instance, of the finding, or of the sweep that came last"
    )
    attempt = models.IntegerField(default=-1, help_text="that failed; -1: it did not say")
    silent_since = models.DateTimeField(help_text="of who stalled; else the year 1970")
    at = models.DateTimeField()

    class Meta:
        """The constraint is what makes it once."""

        constraints = [
            # also read by happenings(): what is told already
            models.UniqueConstraint(
                fields=["event", "subject", "attempt", "silent_since"], name="incident_once"
            )
        ]
        indexes = [
            # read by sweep_webhooks
            models.Index(fields=["at"], name="incident_by_time")
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.subject}"


class FailedAttempt(models.Model):
    """An attempt that had failed when the next one started, whose progress hides it."""

    task_instance_id = models.BigIntegerField()
    attempt = models.IntegerField()
    at = models.DateTimeField(help_text="when it reported that")

    class Meta:
        """Kept for a day; read and swept by time."""

        constraints = [
            models.UniqueConstraint(fields=["task_instance_id", "attempt"], name="failed_once")
        ]
        indexes = [models.Index(fields=["at"], name="failed_attempt_by_time")]

    def __str__(self) -> str:
        return f"attempt {self.attempt} of task instance {self.task_instance_id}"


class IncidentWatch(models.Model):
    """How far incidents have been looked for: one row, held by who records some."""

    found_until = models.DateTimeField(help_text="what happened before is recorded")

    def __str__(self) -> str:
        return f"until {self.found_until:%Y-%m-%d %H:%M:%S}"
