"""Deliveries: signed, tried again until they arrive or are given up, never sent twice at once."""

import contextlib
import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest

from statestore import services
from statestore.celery import app
from statestore.models import AuditEntry
from statestore.protocol import TaskScope
from statestore.services import deliveries
from statestore.services.deliveries import wait_after
from statestore.services.incidents import delivery_of
from statestore.sql.webhooks import claim
from statestore.webhook_models import DeliveryState, Webhook, WebhookDelivery
from statestore.webhooks.events import Event
from statestore.webhooks.sending import Outcome
from statestore.webhooks.signing import SECRET_PREFIX, new_secret, signed_headers
from tests.ports import free_port
from tests.receiver import Receiver, receiving
from tests.storage import put
from tests.threads import all_at_once
from tests.webhooks.conftest import Hook, pass_time

TASK = '{"type":"task.failed"}'


def due(webhook: Webhook, number: int = 1) -> list[str]:
    """The ids of so many deliveries that are due now."""
    now = datetime.now(UTC)
    rows = [delivery_of(webhook, Event.FAILED, TASK, now) for _ in range(number)]
    WebhookDelivery.objects.bulk_create(rows)
    return [row.message_id for row in rows]


def state() -> tuple[str, int, str]:
    row = WebhookDelivery.objects.get()
    return row.state, row.tries, row.said


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


def test_the_signature_is_that_of_the_specification() -> None:
    headers = signed_headers(
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        seconds=1614265330,
        body=b'{"test": 2432232314}',
        keys=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],  # of the specification's own tests
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    secrets = {new_secret() for _ in range(10)}
    assert len(secrets) == 10
    assert all(secret.startswith(SECRET_PREFIX) and len(secret) == 50 for secret in secrets)


@pytest.mark.django_db
class TestTries:
    def test_it_is_tried_again_after_a_failure_with_the_same_id_and_a_new_time(
        self, hook: Hook, receiver: Receiver
    ) -> None:
        webhook = hook()
        (name,) = due(webhook)
        receiver.answers = [500, 503]
        assert services.send_webhooks() == 0
        assert state() == ("waiting", 1, "answered 500 Internal Server Error")
        assert services.send_webhooks() == 0
        assert len(receiver.received) == 1  # not before its time
        webhook.refresh_from_db()
        assert webhook.problem == "answered 500 Internal Server Error"
        for _ in range(2):
            pass_time(hours=1)
            services.send_webhooks()
        assert state() == ("delivered", 3, "answered 204 No Content")
        assert [one.id for one in receiver.received] == [name] * 3
        assert all(one.signed_by(webhook.secret) for one in receiver.received)
        webhook.refresh_from_db()
        assert (webhook.problem, webhook.delivered_at is not None) == ("", True)

    def test_it_is_tried_again_after_a_refused_connection(self, hook: Hook) -> None:
        port = free_port()
        due(hook(url=f"http://127.0.0.1:{port}/hook"))
        assert services.send_webhooks() == 0
        assert state()[:2] == ("waiting", 1)
        assert state()[2].startswith("no answer")
        pass_time(minutes=1)
        with receiving(port) as late:
            assert services.send_webhooks() == 1
        assert len(late.received) == 1

    def test_the_waits_double_and_spread_and_end_within_a_day(self) -> None:
        for number in range(1, 40):
            usual = min(15 * 2 ** (number - 1), 4 * 3600)
            waits = [wait_after(number) for _ in range(50)]
            assert 0.8 * usual <= min(waits) < max(waits) <= 1.2 * usual
        assert wait_after(1, 600) == 600
        assert wait_after(1, 10**9) == 4 * 3600

    def test_it_waits_as_long_as_the_receiver_asks(self, hook: Hook, receiver: Receiver) -> None:
        due(hook())
        receiver.answers, receiver.headers = [429], {"Retry-After": "900"}
        services.send_webhooks()
        row = WebhookDelivery.objects.get()
        assert row.due_at - datetime.now(UTC) > timedelta(seconds=880)

    def test_after_a_day_it_is_given_up_and_in_the_audit(
        self, hook: Hook, receiver: Receiver
    ) -> None:
        (name,) = due(hook())
        receiver.answers = [500] * 100
        for _ in range(100):
            services.send_webhooks()
            services.sweep_webhooks()  # gives up what came due when its day was over
            pass_time(minutes=30)
        assert state()[0] == "given_up"
        assert 10 <= len(receiver.received) <= 16
        entry = AuditEntry.objects.latest("pk")
        assert (entry.action, entry.who) == ("webhook_gave_up", "server")
        assert entry.detail == (f"oncall: task.failed ({name}): answered 500 Internal Server Error")
        receiver.answers = []
        assert services.delivery_send_again(delivery_id=WebhookDelivery.objects.get().pk)
        assert services.send_webhooks() == 1
        assert receiver.received[-1].id == name
        assert actions()[-1] == "webhook_sent_again"

    def test_a_redirect_is_not_followed(self, hook: Hook, receiver: Receiver) -> None:
        due(hook())
        receiver.answers, receiver.headers = [302], {"Location": f"{receiver.url}/elsewhere"}
        services.send_webhooks()
        assert state() == ("waiting", 1, "answered 302 Found (redirects are not followed)")
        assert [one.path for one in receiver.received] == ["/hook"]

    def test_who_answers_gone_is_paused(self, hook: Hook, receiver: Receiver) -> None:
        webhook = hook()
        due(webhook)
        receiver.answers = [410]
        services.send_webhooks()
        webhook.refresh_from_db()
        assert (webhook.active, state()[0]) == (False, "given_up")
        assert actions()[-2:] == ["webhook_changed", "webhook_gave_up"]

    def test_a_paused_webhook_is_sent_tests_alone(self, hook: Hook, receiver: Receiver) -> None:
        webhook = hook()
        due(webhook)
        services.webhook_switch(webhook_id=webhook.pk, active=False)
        name = services.webhook_test(webhook_id=webhook.pk)
        assert services.send_webhooks() == 1
        (told,) = receiver.received
        assert (told.id, told.json["type"], told.json["data"]) == (
            name, "webhook.test", {"webhook": "oncall"},
        )  # fmt: skip
        pass_time(hours=25)
        services.sweep_webhooks()
        row = WebhookDelivery.objects.get(event="task.failed")
        assert (row.state, row.said) == ("given_up", "never tried: it was paused")

    def test_for_a_day_both_secrets_sign(self, hook: Hook, receiver: Receiver) -> None:
        webhook = hook()
        new = services.webhook_renew_secret(webhook_id=webhook.pk)
        due(webhook)
        services.send_webhooks()
        assert receiver.received[0].signed_by(webhook.secret)
        assert receiver.received[0].signed_by(new)
        Webhook.objects.update(old_secret_until=datetime.now(UTC))
        due(webhook)
        services.send_webhooks()
        assert receiver.received[1].signed_by(new)
        assert not receiver.received[1].signed_by(webhook.secret)

    def test_without_a_secret_there_is_no_signature(self, hook: Hook, receiver: Receiver) -> None:
        due(hook(signed=False))
        services.send_webhooks()
        assert "webhook-signature" not in receiver.received[0].headers
        assert receiver.received[0].id

    def test_what_a_lost_worker_had_taken_is_sent_by_another_under_the_same_id(
        self, hook: Hook, receiver: Receiver
    ) -> None:
        webhook = hook()
        (name,) = due(webhook)
        now = datetime.now(UTC)
        taken = claim.rows(
            webhook=webhook.pk, active=1, now=now, lease=now + deliveries.LEASE, limit=4
        )
        assert [row[1] for row in taken] == [name]
        assert services.send_webhooks() == 0
        pass_time(seconds=61)
        assert services.send_webhooks() == 1
        assert [one.id for one in receiver.received] == [name]

    def test_what_comes_of_a_try_whose_lease_has_ended_is_not_written(
        self, hook: Hook, receiver: Receiver
    ) -> None:
        webhook = hook()
        due(webhook)
        row = WebhookDelivery.objects.get()
        stale = deliveries._Try(row.pk, 1, webhook)
        WebhookDelivery.objects.update(tries=2)
        deliveries._settle(stale, Outcome(False, "no answer"))
        assert state() == ("waiting", 2, "")

    def test_old_deliveries_and_incidents_are_swept(self, hook: Hook, receiver: Receiver) -> None:
        webhook = hook()
        due(webhook, 3)
        services.send_webhooks()
        pass_time(days=29)
        assert services.sweep_webhooks() == 0
        pass_time(days=2)
        assert services.sweep_webhooks() == 3
        assert not WebhookDelivery.objects.exists()


@pytest.mark.django_db
class TestSlowReceivers:
    def test_a_slow_one_does_not_delay_the_others(self, hook: Hook, receiver: Receiver) -> None:
        with receiving() as slow:
            slow.hold.clear()
            due(hook("slow", url=slow.url), 20)
            due(hook("quick"), 40)
            ended = threading.Event()

            def release() -> None:
                for _ in range(40):
                    receiver.wait()
                ended.set()  # all of the quick one's, while the slow one answers nothing
                slow.answers = [500] * 20
                slow.hold.set()

            thread = threading.Thread(target=release)
            thread.start()
            assert services.send_webhooks() == 40
            thread.join()
            assert ended.is_set()
            assert len(slow.received) == deliveries.LANES  # and no more, since it fails

    def test_a_receiver_that_never_ends_its_answer_is_left(
        self, hook: Hook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("statestore.webhooks.sending.TIMEOUT", 0.3)
        end = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as server:

            def trickle() -> None:
                connection, _ = server.accept()
                with connection, contextlib.suppress(OSError):  # when the sender has left
                    connection.sendall(b"HTTP/1.1 200 OK\r\n")
                    while not end.wait(0.05):
                        connection.sendall(b"X-Header: 1\r\n")

            thread = threading.Thread(target=trickle)
            thread.start()
            due(hook(url=f"http://127.0.0.1:{server.getsockname()[1]}/"))
            services.send_webhooks()
            end.set()
            thread.join()
        assert state()[0] == "waiting"
        assert state()[2].startswith("no answer within")


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_send_the_same_try(hook: Hook, receiver: Receiver) -> None:
    names = due(hook(), 60)

    def work(_: int) -> int:
        return int(services.send_webhooks())

    assert sum(all_at_once(work, range(4))) == 60
    assert sorted(one.id for one in receiver.received) == sorted(names)
    rows = set(WebhookDelivery.objects.values_list("state", "tries"))
    assert rows == {(DeliveryState.DELIVERED.value, 1)}


@pytest.mark.django_db(transaction=True)
def test_two_watches_record_an_incident_once(hook: Hook, receiver: Receiver) -> None:

    hook()
    for number in range(30):
        put(TaskScope("sales", "once", "t", number), "progress", '{"status": "failed"}')
    all_at_once(lambda _: services.find_incidents(), range(4))
    assert WebhookDelivery.objects.count() == 30


def test_beat_knows_every_task_by_its_name() -> None:
    app.loader.import_default_modules()
    names = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {f"statestore.tasks.{name}" for name in ("find_incidents", "send_webhooks")} <= names
    assert names <= set(app.tasks)
