"""What webhooks are told of: from a PUT over the API to the receiver, and once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from statestore import services
from statestore.models import AssetEntry, Entry, SweepRun, TaskInstance
from statestore.origin import at_shell
from statestore.protocol import AssetScope, TaskScope
from statestore.services import scan_secrets, sweep_expired
from statestore.webhook_models import Incident, WebhookDelivery
from statestore.webhooks.events import Event
from tests.api.conftest import Api
from tests.receiver import Receiver
from tests.storage import ME
from tests.webhooks.conftest import Hook, pass_time, tell

pytestmark = pytest.mark.django_db
RUNNING: dict[str, Any] = {"current": 3, "total": 9, "status": "running"}
FAILED = {"status": "failed", "message": "the value of a message"}


def numbered(api: Api, attempt: int, value: Any) -> None:
    content = json.dumps({"value": value}).encode()
    assert api.entry("PUT", "progress", content, Statestore_Attempt=str(attempt)).status_code == 204


class TestStalled:
    def test_it_is_told_with_ids_times_and_a_link(
        self,
        api: Api,
        hook: Hook,
        receiver: Receiver,
        settings: Settings,
    ) -> None:
        settings.STATESTORE_PUBLIC_URL = "https://state.example.com/store"
        webhook = hook()
        api.put("progress", RUNNING)
        api.put("last_page", "the value of a key")
        assert tell() == 0
        pass_time(minutes=10)
        assert tell() == 1

        (told,) = receiver.received
        assert told.signed_by(webhook.secret)
        assert told.headers["Content-Type"] == "application/json"
        body, row = told.json, TaskInstance.objects.get(scope_digest=api.scope.digest)
        assert body["type"] == "task.stalled"
        since = Entry.objects.get(task_instance=row, key="last_page").updated_at
        assert body["data"].pop("since") == body["data"].pop("last_write") == written(since)
        assert body["timestamp"] == written(row.active_at + timedelta(seconds=330))
        assert body["data"] == {
            "dag_id": api.scope.dag_id,
            "run_id": api.scope.run_id,
            "task_id": api.scope.task_id,
            "map_index": -1,
            "attempt": None,
            "status": "stalled",
            "last_key": "last_page",
            "url": f"https://state.example.com/store/t/{row.pk}/",
        }
        assert b"value" not in told.body

    def test_it_is_told_once_until_the_task_moves_again(
        self,
        api: Api,
        hook: Hook,
        receiver: Receiver,
    ) -> None:
        hook()
        api.put("progress", RUNNING)
        pass_time(minutes=10)
        for _ in range(3):
            tell()
            pass_time(minutes=2)
        assert receiver.types() == ["task.stalled"]
        api.put("progress", {**RUNNING, "current": 4})
        tell()
        pass_time(minutes=10)
        tell()
        assert receiver.types() == ["task.stalled"] * 2
        first, second = receiver.received
        assert first.id != second.id

    def test_who_is_done_or_reports_nothing_never_stalls(
        self,
        api: Api,
        hook: Hook,
        receiver: Receiver,
    ) -> None:
        hook()
        api.put("progress", {"status": "done"}, map_index=1)
        api.put("page", 1, map_index=2)
        pass_time(minutes=10)
        assert (tell(), receiver.received) == (0, [])


class TestFailed:
    def test_it_is_told_once_for_each_attempt(
        self,
        api: Api,
        hook: Hook,
        receiver: Receiver,
    ) -> None:
        hook()
        for attempt in (1, 2):
            assert api.start_attempt() == attempt
            tell()  # while the row still says that the attempt before has failed
            numbered(api, attempt, RUNNING)
            tell()
            for _ in range(2):
                numbered(api, attempt, FAILED)
                api.put("note", 1)
                tell()
                pass_time(minutes=1)
        told = [(one.json["type"], one.json["data"]["attempt"]) for one in receiver.received]
        assert told == [("task.failed", 1), ("task.failed", 2)]
        data = receiver.received[0].json["data"]
        assert (data["status"], data["last_key"]) == ("failed", "note")
        assert b"the value" not in receiver.received[0].body

    def test_a_failure_is_told_though_the_next_attempt_runs_already(
        self, api: Api, hook: Hook, receiver: Receiver
    ) -> None:
        hook()
        for attempt in (1, 2, 3):
            api.start_attempt()
            numbered(api, attempt, RUNNING)
            numbered(api, attempt, FAILED)
        api.start_attempt()
        for _ in range(2):
            tell()
        numbered(api, 4, RUNNING)
        tell()
        assert sorted(one.json["data"]["attempt"] for one in receiver.received) == [1, 2, 3]
        assert receiver.types() == ["task.failed"] * 3

    def test_the_same_attempt_that_fails_twice_is_told_once(
        self,
        api: Api,
        hook: Hook,
        receiver: Receiver,
    ) -> None:
        hook()
        api.start_attempt()
        for value in (FAILED, RUNNING, FAILED):
            numbered(api, 1, value)
            tell()
        assert receiver.types() == ["task.failed"]

    def test_without_numbers_it_is_told_again_after_the_task_went_on(
        self,
        api: Api,
        hook: Hook,
        receiver: Receiver,
    ) -> None:
        hook()
        for value in (FAILED, FAILED, RUNNING, FAILED, FAILED):
            api.put("progress", value)
            tell()
        assert receiver.types() == ["task.failed"] * 2

    def test_an_old_failure_is_no_news_when_the_task_is_touched(
        self,
        api: Api,
        hook: Hook,
        receiver: Receiver,
    ) -> None:
        api.put("progress", FAILED)
        pass_time(minutes=5)
        hook()
        api.put("note", 1)
        assert (tell(), receiver.received) == (0, [])


class TestSecret:
    def test_an_entry_is_told_once_and_a_new_finding_again(
        self,
        api: Api,
        hook: Hook,
        receiver: Receiver,
    ) -> None:
        hook()
        api.put("config", {"password": "correct horse", "inner": {"token": "battery staple"}})
        for _ in range(3):
            scan_secrets()
            tell()
        (told,) = receiver.received
        assert told.json["type"] == "secret.found"
        data = told.json["data"]
        assert (data["key"], data["run_id"]) == ("config", api.scope.run_id)
        assert data["rules"] == ["name of a secret"]
        for word in (b"horse", b"staple", b"inner"):
            assert word not in told.body

        api.put("config", {"password": "x", "api_key": "abcdef"})
        scan_secrets()
        tell()
        assert receiver.types() == ["secret.found"] * 2

    def test_of_an_asset_those_are_told_who_are_told_of_every_dag(
        self, hook: Hook, receiver: Receiver
    ) -> None:
        hook()
        hook("sales", dag_patterns="sales_*")
        asset, _ = services.asset_register(name="orders", uri="s3://orders")
        services.entry_set(
            scope=AssetScope(asset.id), key="config", value='{"password": "horse"}',
            decoded={}, writer=ME,
        )  # fmt: skip
        scan_secrets()
        assert (tell(), AssetEntry.objects.count()) == (1, 1)
        assert receiver.received[0].json["data"] == {
            "asset": "orders", "key": "config", "rules": ["name of a secret"],
        }  # fmt: skip


class TestSweepLate:
    @pytest.fixture(autouse=True)
    def _no_sweeps(self) -> None:
        SweepRun.objects.all().delete()

    def test_it_is_told_once_until_it_is_on_time_again(
        self, hook: Hook, receiver: Receiver
    ) -> None:
        hook()
        tell()
        sweep_expired()
        for _ in range(3):
            tell()
            pass_time(minutes=2)
        assert receiver.types() == ["sweep.late"]
        sweep_expired()
        tell()
        pass_time(minutes=4)
        tell()
        assert receiver.types() == ["sweep.late"] * 2
        assert receiver.received[0].json["data"]["sweep_every_seconds"] == 60

    def test_a_sweep_by_hand_does_not_put_it_off(self, hook: Hook, receiver: Receiver) -> None:
        hook()
        sweep_expired()
        pass_time(minutes=4)
        with at_shell():
            sweep_expired()
        tell()
        assert receiver.types() == ["sweep.late"]


class TestWhoIsTold:
    def test_dags_and_events_are_chosen(
        self,
        api: Api,
        hook: Hook,
        receiver: Receiver,
    ) -> None:
        hook("hr", dag_patterns="hr, finance_*")
        hook("stalled", events=[Event.STALLED])
        hook("mine", events=[Event.FAILED], dag_patterns="sal*")
        api.put("progress", FAILED)
        tell()
        assert [str(row.webhook) for row in WebhookDelivery.objects.all()] == ["mine"]

    def test_what_happened_before_it_was_made_or_while_it_was_paused_is_not_told(
        self,
        api: Api,
        hook: Hook,
        receiver: Receiver,
    ) -> None:
        hook("first", dag_patterns="nothing")
        api.put("progress", FAILED, map_index=1)
        pass_time(seconds=2)
        webhook = hook()
        services.webhook_switch(webhook_id=webhook.pk, active=False)
        api.put("progress", FAILED, map_index=2)
        assert tell() == 0
        pass_time(seconds=2)
        services.webhook_switch(webhook_id=webhook.pk, active=True)
        api.put("progress", FAILED, map_index=3)
        tell()
        assert [one.json["data"]["map_index"] for one in receiver.received] == [3]

    def test_without_webhooks_nothing_is_looked_for(
        self, scope: TaskScope, django_assert_num_queries: Any
    ) -> None:
        with django_assert_num_queries(1):
            services.find_incidents()

    def test_where_nothing_is_new_nothing_is_written(
        self,
        api: Api,
        hook: Hook,
        django_assert_num_queries: Any,
    ) -> None:
        hook()
        api.put("progress", FAILED)
        tell()
        with django_assert_num_queries(8) as queries:  # reads, and no transaction
            services.find_incidents()
        assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)

    def test_more_than_is_found_at_once_is_found_later(
        self,
        api: Api,
        hook: Hook,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("statestore.queries.incidents.FOUND_AT_ONCE", 3)
        monkeypatch.setattr("statestore.services.incidents.FOUND_AT_ONCE", 3)
        hook()
        for number in range(8):
            api.put("progress", FAILED, map_index=number)
        pass_time(minutes=30)
        assert [services.find_incidents() for _ in range(5)] == [3, 3, 2, 0, 0]
        assert Incident.objects.count() == WebhookDelivery.objects.count() == 8


def written(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
