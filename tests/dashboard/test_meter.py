"""Writes per minute, and how they went."""

from types import SimpleNamespace

import pytest
from django.db import connection

from dashboard.meter import Meter
from statestore.models import TaskInstance
from statestore.protocol import TaskScope
from statestore.queries import Amount
from statestore.sql import store
from tests.dashboard.data import SCOPE, put, silence


def test_the_pace_is_drawn_once_there_are_enough_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    now, written = 1000.0, 0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("dashboard.meter.time", clock)
    monkeypatch.setattr("dashboard.meter.queries.writes", lambda: ({1: written}, 1))
    meter = Meter()
    for count in (0, 10, 20, 20, 0):
        meter.per_minute()
        assert meter.spark() == ""
        now, written = now + 2, written + count
    meter.per_minute()
    assert meter.spark() == "0,23 25,12 50,1 75,1 100,23"


def test_a_burst_is_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now, written = 1000.0, 0
    monkeypatch.setattr("dashboard.meter.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("dashboard.meter.queries.writes", lambda: ({1: written}, 1))
    meter, told = Meter(), {}
    for second in range(0, 62, 2):
        now, written = 1000.0 + second, 20 if second else 0
        told[second] = meter.per_minute()
    assert [told[second] for second in (0, 4, 28, 30, 40, 60)] == [
        None, None, None, Amount(40, about=True), Amount(30, about=True), Amount(20),
    ]  # fmt: skip


def test_there_were_no_writes_once_a_minute_has_passed_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("dashboard.meter.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("dashboard.meter.queries.writes", lambda: ({1: 20}, 1))
    meter = Meter()
    meter.per_minute()
    now += 30
    assert meter.per_minute() is None  # there may have been some just before the first look
    now += 30
    assert str(meter.per_minute()) == "0"


@pytest.mark.django_db
def test_what_is_written_again_after_long_counts_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where task instances tell: PostgreSQL, which counts by itself, is asked as SQLite is."""
    monkeypatch.setitem(store._WRITES, connection.vendor, store._WRITES["sqlite"])
    now, told = 1000.0, []
    monkeypatch.setattr("dashboard.meter.time", SimpleNamespace(monotonic=lambda: now))
    for number in range(20):
        put("progress", number)
    silence(SCOPE, minutes=10)
    others = [TaskScope("d", "r", "part", index) for index in range(500)]
    TaskInstance.objects.bulk_create(
        TaskInstance(
            scope_digest=scope.digest, dag_id="d", run_id="r", task_id="part",
            map_index=scope.map_index,
        )
        for scope in others
    )  # fmt: skip
    new = TaskScope("d", "r", "new")
    meter = Meter()
    for writes in ((), (SCOPE,), (SCOPE,), (new, new), (new, others[-1])):
        for scope in writes:
            put("progress", now, scope)
        told.append(meter.per_minute())
        now += 30
    assert told == [None, None, Amount(1), Amount(3), Amount(4)]
