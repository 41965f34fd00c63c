"""Webhooks in the admin site: made, tested, paused, given new secrets, deleted; all in the audit."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client

from dashboard import secret_count
from statestore import services
from statestore.models import AuditEntry
from statestore.services.incidents import delivery_of
from statestore.webhook_models import Webhook, WebhookDelivery
from statestore.webhooks.events import Event
from tests.admin.conftest import ClientOf
from tests.dashboard.data import EVIL

LIST = "/admin/statestore/webhook/"
DELIVERIES = "/admin/statestore/webhookdelivery/"
FORM = {
    "name": "oncall",
    "url": "https://hooks.example.com/services/T0/s3cret-path",
    "events": ["task.stalled", "task.failed"],
    "dag_patterns": "sales_*",
    "active": "on",
    "signed": "on",
}


@pytest.fixture
def administering(staff: ClientOf) -> Client:
    return staff(
        "view_webhook", "add_webhook", "change_webhook", "delete_webhook", "view_webhookdelivery"
    )


def secret_of(html: str) -> str:
    found = re.search(r'<pre class="secret"[^>]*>(whsec_[\w+/=]+)</pre>', html)
    assert found is not None, html
    return found[1]


def add(client: Client, **changes: Any) -> Any:
    form = {**FORM, **changes}
    return client.post(f"{LIST}add/", {k: v for k, v in form.items() if v is not None})


def act(client: Client, action: str, *rows: Any, at: str = LIST) -> Any:
    form = {"action": action, ACTION_CHECKBOX_NAME: [row.pk for row in rows]}
    return client.post(at, form, follow=True)


def audit() -> list[tuple[str, str, str]]:
    rows = AuditEntry.objects.filter(action__startswith="webhook").order_by("pk")
    return list(rows.values_list("action", "who", "detail"))


def test_one_is_made_and_its_secret_is_shown_once(administering: Client) -> None:
    answer = add(administering)
    secret = secret_of(answer.content.decode())
    assert "no-store" in answer["Cache-Control"]
    webhook = Webhook.objects.get()
    assert webhook.secret == secret
    assert (webhook.events, webhook.dag_patterns) == ("task.failed,task.stalled", "sales_*")
    for path in (LIST, f"{LIST}{webhook.pk}/change/", f"{LIST}{webhook.pk}/history/"):
        html = administering.get(path).content.decode()
        assert "oncall" in html
        assert secret not in html
    listed = administering.get(LIST).content.decode()
    assert "task stalled, task failed" in listed
    assert "s3cret-path" not in listed
    assert audit() == [
        ("webhook_created", "user sam",
         "oncall: https://hooks.example.com; task.failed task.stalled; dags sales_*"),
    ]  # fmt: skip


def test_one_may_go_without_a_signature(administering: Client) -> None:
    answer = add(administering, signed=None)
    assert answer.status_code == 302
    assert Webhook.objects.get().secret == ""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": "http://hooks.example.com/"}, "STATESTORE_WEBHOOK_HTTP=true"),
        ({"url": "https://10.0.0.7/"}, "STATESTORE_WEBHOOK_PRIVATE=true"),
        ({"url": "https://a:b@hooks.example.com/"}, "no user and password"),
        ({"events": []}, "This field is required"),
        ({"events": ["task.born"]}, "Select a valid choice"),
        ({"name": ""}, "This field is required"),
        ({"dag_patterns": ""}, "This field is required"),
    ],
)
def test_what_cannot_work_is_refused(
    administering: Client, changes: dict[str, Any], says: str
) -> None:
    assert says in add(administering, **changes).content.decode()
    assert not Webhook.objects.exists()


def test_a_name_is_given_once(administering: Client) -> None:
    add(administering)
    assert "already exists" in add(administering).content.decode()


def test_one_is_changed_and_keeps_its_secret(administering: Client) -> None:
    secret = secret_of(add(administering).content.decode())
    path = f"{LIST}{Webhook.objects.get().pk}/change/"
    html = administering.get(path).content.decode()
    assert html.count("checked") == 3  # two events, and that it is active
    administering.post(path, {**FORM, "events": ["sweep.late"], "active": ""})
    webhook = Webhook.objects.get()
    assert (webhook.events, webhook.active, webhook.secret) == ("sweep.late", False, secret)
    action, _, detail = audit()[-1]
    assert action == "webhook_changed"
    assert detail.endswith("→ oncall: https://hooks.example.com; sweep.late; dags sales_*; paused")


def test_a_test_is_on_its_way(administering: Client) -> None:
    add(administering)
    html = act(administering, "send_test", Webhook.objects.get()).content.decode()
    assert "1 test is on the way" in html
    delivery = WebhookDelivery.objects.get()
    assert (delivery.event, delivery.state) == ("webhook.test", "waiting")
    assert audit()[-1] == ("webhook_tested", "user sam", f"oncall ({delivery.message_id})")
    listed = administering.get(f"{DELIVERIES}?q={delivery.message_id}").content.decode()
    assert "webhook.test" in listed


def test_one_is_paused_and_resumed(administering: Client) -> None:
    add(administering)
    assert "Paused 1 webhook" in act(administering, "pause", Webhook.objects.get()).content.decode()
    since = Webhook.objects.get().since
    assert not Webhook.objects.get().active
    act(administering, "resume", Webhook.objects.get())
    assert Webhook.objects.get().active
    assert Webhook.objects.get().since > since
    assert [row[2] for row in audit()[1:]] == ["oncall: paused", "oncall: resumed"]


def test_a_new_secret_is_shown_once(administering: Client) -> None:
    old = secret_of(add(administering).content.decode())
    answer = act(administering, "renew_secret", Webhook.objects.get())
    new = secret_of(answer.content.decode())
    webhook = Webhook.objects.get()
    assert (webhook.secret, webhook.old_secret) == (new, old)
    assert "no-store" in answer["Cache-Control"]
    assert new not in administering.get(f"{LIST}{webhook.pk}/change/").content.decode()


def test_one_is_deleted_with_its_deliveries(administering: Client) -> None:
    add(administering)
    webhook = Webhook.objects.get()
    services.webhook_test(webhook_id=webhook.pk)
    path = f"{LIST}{webhook.pk}/delete/"
    assert "Webhook deliveries: 1" in administering.get(path).content.decode()
    administering.post(path, {"post": "yes"})
    assert not Webhook.objects.exists()
    assert not WebhookDelivery.objects.exists()
    assert audit()[-1][0] == "webhook_deleted"

    add(administering)
    administering.post(LIST, {
        "action": "delete_selected", ACTION_CHECKBOX_NAME: [Webhook.objects.get().pk],
        "post": "yes",
    })  # fmt: skip
    assert not Webhook.objects.exists()
    assert audit()[-1][0] == "webhook_deleted"


def test_what_was_given_up_is_shown_and_sent_again(administering: Client) -> None:
    add(administering)
    now = datetime.now(UTC)
    delivery = delivery_of(Webhook.objects.get(), Event.FAILED, '{"type":"task.failed"}', now)
    delivery.state, delivery.said = "given_up", "answered 500 Internal Server Error"
    delivery.save()
    html = administering.get(f"{DELIVERIES}?state__exact=given_up").content.decode()
    assert "answered 500 Internal Server Error" in html
    page = administering.get(f"{DELIVERIES}{delivery.pk}/change/").content.decode()
    assert delivery.message_id in page
    assert (
        "1 are due again"
        in act(administering, "send_again", delivery, at=DELIVERIES).content.decode()
    )
    delivery.refresh_from_db()
    assert delivery.state == "waiting"
    assert audit()[-1][0] == "webhook_sent_again"


def test_without_the_rights_nothing_is_done(staff: ClientOf) -> None:
    services.webhook_create(name="oncall", url=FORM["url"], events=[Event.FAILED])  # type: ignore[arg-type]
    webhook = Webhook.objects.get()
    client = staff("view_webhook", "view_webhookdelivery")
    html = client.get(LIST).content.decode()
    for action in ("send_test", "pause", "resume", "renew_secret"):
        assert f'value="{action}"' not in html
        act(client, action, webhook)
    assert add(client).status_code == 403
    assert client.post(f"{LIST}{webhook.pk}/change/", FORM).status_code == 403
    assert client.post(f"{LIST}{webhook.pk}/delete/", {"post": "yes"}).status_code == 403
    webhook.refresh_from_db()
    assert (webhook.active, webhook.old_secret) == (True, "")
    assert not WebhookDelivery.objects.exists()
    assert client.post(f"{DELIVERIES}add/").status_code == 403
    assert client.get("/admin/statestore/incident/").status_code == 404


def test_markup_is_text(administering: Client) -> None:
    add(administering, name=EVIL, dag_patterns=EVIL)
    webhook = Webhook.objects.get()
    Webhook.objects.update(problem=EVIL)
    services.webhook_test(webhook_id=webhook.pk)
    WebhookDelivery.objects.update(said=EVIL)
    delivery = WebhookDelivery.objects.get()
    for path in (
        LIST, f"{LIST}{webhook.pk}/change/", DELIVERIES, f"{DELIVERIES}{delivery.pk}/change/",
    ):  # fmt: skip
        html = administering.get(path).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html


def test_the_lists_cost_few_queries(
    administering: Client, django_assert_max_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_count, "FRESH_SECONDS", 3600.0)
    monkeypatch.setattr(secret_count, "_answers", {})
    administering.get(LIST)  # counts what the pill shows
    for number in range(20):
        webhook, _ = services.webhook_create(
            name=f"w{number}", url="https://example.com/", events=[Event.FAILED]
        )
        services.webhook_test(webhook_id=webhook.pk)
    for path in (LIST, DELIVERIES):
        with django_assert_max_num_queries(9):
            administering.get(path)
