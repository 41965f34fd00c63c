"""GET /healthz, /readyz and /metrics."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError

from statestore.models import SweepRun, TaskInstance
from statestore.origin import at_shell
from statestore.services import sweep_expired
from tests.api.conftest import Api
from tests.storage import expire, put


def nobody(api: Api, path: str) -> Any:
    return api.at(token=None).send("GET", f"/api/v2/{path}")


def test_the_process_is_healthy_for_everyone(api: Api) -> None:
    assert nobody(api, "healthz").json() == {"status": "ok"}


def test_ready_tells_of_the_sweep(api: Api) -> None:
    SweepRun.objects.all().delete()
    assert nobody(api, "readyz").json()["sweep"] == "never"
    sweep_expired()
    ready = nobody(api, "readyz").json()
    assert (ready["status"], ready["sweep"]) == ("ready", "ok")
    SweepRun.objects.update(started_at=datetime.now(UTC) - timedelta(hours=1))
    late = nobody(api, "readyz")
    assert (late.status_code, late.json()["sweep"]) == (200, "late")
    assert 3590 < late.json()["last_sweep_seconds_ago"] < 3700


def test_a_sweep_by_hand_tells_nothing_of_beat(api: Api) -> None:
    SweepRun.objects.all().delete()
    with at_shell():
        sweep_expired()
    assert nobody(api, "readyz").json()["sweep"] == "never"
    assert "sweep_started" not in api.send("GET", "/api/v2/metrics").content.decode()
    sweep_expired()
    SweepRun.objects.update(started_at=datetime.now(UTC) - timedelta(hours=1))
    with at_shell():
        sweep_expired()
    late = nobody(api, "readyz").json()
    assert late["sweep"] == "late"
    assert 3590 < late["last_sweep_seconds_ago"] < 3700


def test_without_a_database_it_is_not_ready(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("statestore.queries.readiness", away)
    answer = nobody(api, "readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer["Retry-After"] == "1"
    assert nobody(api, "healthz").status_code == 200


def test_metrics_are_prometheus(api: Api) -> None:
    TaskInstance.objects.all().delete()
    put(api.scope, "progress", '{"status": "running"}')
    put(api.scope, "old", "1")
    expire(api.scope, "old")
    sweep = sweep_expired(seconds=0)
    answer = api.send("GET", "/api/v2/metrics")
    lines = answer.content.decode().splitlines()
    assert answer["Content-Type"].startswith("text/plain")
    assert 'statestore_task_instances{state="running"} 1.0' in lines
    assert "statestore_entries_overdue 1.0" in lines
    assert 'statestore_webhook_deliveries{state="waiting"} 0.0' in lines
    assert 'statestore_webhook_deliveries{state="given_up"} 0.0' in lines
    started = next(line for line in lines if line.startswith("statestore_sweep_started"))
    assert abs(float(started.split()[1]) - sweep.started_at.timestamp()) < 10
