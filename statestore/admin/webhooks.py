"""Webhooks in the admin site: made, tested, paused and deleted; and what became of each delivery."""

from typing import Any, ClassVar

import httpx
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import display_for_value
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from statestore import services
from statestore.admin.base import FiltersAlone, ForUnlimited, ReadOnlyAdmin, is_unlimited
from statestore.jsonpretty import pretty
from statestore.services.deliveries import allowed
from statestore.webhook_models import DeliveryState, Webhook, WebhookDelivery
from statestore.webhooks.addresses import RefusedAddressError, check_url
from statestore.webhooks.events import CHOICES, Event


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in its stubs alone
    """Where to, of what, and of which dags."""

    events = forms.MultipleChoiceField(choices=CHOICES, widget=forms.CheckboxSelectMultiple)

    class Meta:
        """What can be filled in."""

        model = Webhook
        fields = ("name", "url", "events", "dag_patterns", "active")
        widgets: ClassVar = {
            "dag_patterns": forms.TextInput(attrs={"class": "vTextField"}),
            "url": forms.TextInput(attrs={"class": "vTextField", "type": "url"}),
        }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.instance.pk:
            self.initial["events"] = self.instance.events.split(",")

    def clean_url(self) -> str:
        """Somewhere that this deployment lets webhooks go."""
        text = str(self.cleaned_data["url"])
        try:
            check_url(text, allowed())
        except RefusedAddressError as refusal:
            raise forms.ValidationError(str(refusal)) from None
        return text

    def clean_events(self) -> str:
        """As the table has them."""
        return ",".join(self.cleaned_data["events"])


class NewWebhookForm(WebhookForm):
    """The same, and whether it signs."""

    signed = forms.BooleanField(
        required=False,
        initial=True,
        label="Sign what is sent",
        help_text="The secret is shown once, on the next page.",
    )


@admin.register(Webhook)
class WebhookAdmin(ForUnlimited, FiltersAlone, admin.ModelAdmin):  # type: ignore[type-arg]  # generic in its stubs alone
    """Who is told when a task fails or stalls, when a secret is found, when the sweep is late."""

    list_display = (
        "name", "host", "active", "waiting", "problem", "told_of", "dag_patterns", "signed",
        "delivered_at", "failed_at",
    )  # fmt: skip
    list_filter = ("active",)
    search_fields = ("name", "url")
    show_facets = admin.ShowFacets.NEVER
    actions = ("send_test", "pause", "resume", "renew_secret")
    readonly_fields = ("signed", "recent", "created_at", "delivered_at", "failed_at", "problem")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The webhooks, and how much waits for each."""
        rows: QuerySet[Webhook] = super().get_queryset(request)
        waiting = Count("deliveries", Q(deliveries__state=DeliveryState.WAITING.value))
        counted: QuerySet[Any] = rows.annotate(count=waiting)
        return counted

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form of a new webhook asks whether it signs."""
        kwargs["form"] = WebhookForm if change else NewWebhookForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is filled in, and of one that exists how it does."""
        return (*WebhookForm.Meta.fields, *(self.readonly_fields if obj else ("signed",)))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """How it does."""
        return self.readonly_fields if obj else ()

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:
        """Through the services; a new secret is kept for the answer alone."""
        filled: dict[str, Any] = {
            "name": obj.name,
            "url": obj.url,
            "events": [Event(word) for word in obj.events.split(",")],
            "dag_patterns": obj.dag_patterns,
            "active": obj.active,
        }
        if change:
            services.webhook_change(webhook_id=obj.pk, **filled)
            return
        row, secret = services.webhook_create(**filled, signed=form.cleaned_data["signed"])
        obj.pk = row.pk
        request.webhook_secret = secret  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: Webhook, post_url_continue: Any = None
    ) -> HttpResponse:
        """The page that shows the secret, this once."""
        secret: str = request.webhook_secret  # type: ignore[attr-defined]
        if not secret:
            return super().response_add(request, obj, post_url_continue)
        return self._shown_once(request, obj, secret)

    def _shown_once(self, request: HttpRequest, webhook: Webhook, secret: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "The secret",
            "opts": self.opts,
            "webhook": webhook,
            "secret": secret,
        }
        response = TemplateResponse(request, "admin/statestore/webhook_secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    # --- deleting ---

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What is lost: the webhooks, and their deliveries, which are counted, not listed."""
        rows = list(objs)
        deliveries = WebhookDelivery.objects.filter(webhook__in=[row.pk for row in rows]).count()
        missing = set() if self.has_delete_permission(request) else {self.opts.verbose_name}
        counts = {"webhooks": len(rows), "webhook deliveries": deliveries}
        return [str(row) for row in rows], counts, missing, []

    def delete_model(self, request: HttpRequest, obj: Webhook) -> None:
        """Through the service."""
        services.webhook_delete(webhook_id=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        """Through the service, one by one."""
        for row in queryset:
            services.webhook_delete(webhook_id=row.pk)

    # --- actions ---

    @admin.action(description="Send a test", permissions=["change"])
    def send_test(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        """Have Celery send one, and say where to see what came of it."""
        for row in queryset:
            services.webhook_test(webhook_id=row.pk)
        where = format_html(
            '{} on the way: Celery sends them within seconds. <a href="{}">Deliveries</a>'
            " shows what the receiver answered.",
            "1 test is" if len(queryset) == 1 else f"{len(queryset)} tests are",
            reverse("admin:statestore_webhookdelivery_changelist"),
        )
        self.message_user(request, where, messages.SUCCESS)

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        """Send nothing; what happens meanwhile is not told later."""
        self._switch(request, queryset, active=False, done="Paused")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        """Tell of what happens from now on."""
        self._switch(request, queryset, active=True, done="Resumed")

    def _switch(
        self, request: HttpRequest, rows: QuerySet[Webhook], *, active: bool, done: str
    ) -> None:
        changed = [row for row in rows if services.webhook_switch(webhook_id=row.pk, active=active)]
        for row in changed:
            self.log_change(request, row, f"{done}.")
        self.message_user(request, f"{done} {len(changed)} webhooks.", messages.SUCCESS)

    @admin.action(description="Make a new secret", permissions=["change"])
    def renew_secret(
        self, request: HttpRequest, queryset: QuerySet[Webhook]
    ) -> HttpResponse | None:
        """Show a new one, once."""
        rows = list(queryset[:2])
        if len(rows) != 1:
            self.message_user(request, "Tick a single webhook.", messages.ERROR)
            return None
        secret = services.webhook_renew_secret(webhook_id=rows[0].pk)
        self.log_change(request, rows[0], "A new secret.")
        return self._shown_once(request, rows[0], secret)

    # --- columns ---

    @admin.display(description="host")
    def host(self, webhook: Webhook) -> str:
        """Where to; the rest of the URL may be a secret of the receiver."""
        return str(httpx.URL(webhook.url).host)

    @admin.display(description="events", ordering="events")
    def told_of(self, webhook: Webhook) -> str:
        """In the words of the form."""
        chosen = webhook.events.split(",")
        return ", ".join(label for event, label in CHOICES if event in chosen)

    @admin.display(description="signed", boolean=True)
    def signed(self, webhook: Webhook) -> bool:
        """Whether it has a secret."""
        return bool(webhook.secret)

    @admin.display(description="waiting", ordering="count")
    def waiting(self, webhook: Webhook) -> int:
        """How many deliveries have still to arrive."""
        return int(webhook.count)  # type: ignore[attr-defined]  # annotated

    @admin.display(description="deliveries")
    def recent(self, webhook: Webhook) -> SafeString:
        """Where they are listed."""
        url = reverse("admin:statestore_webhookdelivery_changelist")
        return format_html('<a href="{}?webhook__id__exact={}">Its deliveries</a>', url, webhook.pk)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ForUnlimited, ReadOnlyAdmin):
    """What was sent, what waits, what was given up."""

    list_display = (
        "created_at", "event", "webhook", "state", "tries", "said", "next_try", "finished_at",
    )  # fmt: skip
    list_filter = ("state", "event", "webhook")
    list_select_related = ("webhook",)
    ordering = ("-pk",)
    search_fields = ("message_id__exact",)
    search_help_text = "Finds a webhook-id."
    actions = ("send_again",)
    fields = (
        "webhook", "event", "message_id", "state", "tries", "said",
        "created_at", "next_try", "give_up_at", "finished_at", "payload",
    )  # fmt: skip
    readonly_fields = ("next_try", "payload")

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether the user may change webhooks."""
        may = bool(request.user.has_perm("statestore.change_webhook"))
        return may and is_unlimited(request)

    @admin.action(description="Send again what was given up", permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """Try it for another day."""
        done = [row for row in queryset if services.delivery_send_again(delivery_id=row.pk)]
        self.message_user(request, f"{len(done)} are due again.", messages.SUCCESS)

    @admin.display(description="next try")
    def next_try(self, delivery: WebhookDelivery) -> Any:
        """When, while there is one."""
        waits = delivery.state == DeliveryState.WAITING
        return display_for_value(delivery.due_at if waits else None, "-")

    @admin.display(description="body")
    def payload(self, delivery: WebhookDelivery) -> SafeString:
        """In lines."""
        return format_html('<pre class="value" tabindex="0">{}</pre>', pretty(delivery.body))
