"""Writes per minute, and how they went."""

from types import SimpleNamespace

import pytest

from dashboard.meter import Meter
from statestore.queries import Amount


def test_the_pace_is_drawn_once_there_are_enough_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    now, written = 1000.0, 0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("dashboard.meter.time", clock)
    monkeypatch.setattr("dashboard.meter.queries.writes", lambda: {"a": written})
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
    monkeypatch.setattr("dashboard.meter.queries.writes", lambda: {"a": written})
    meter, told = Meter(), {}
    for second in range(0, 62, 2):
        now, written = 1000.0 + second, 20 if second else 0
        told[second] = meter.per_minute()
    assert [told[second] for second in (0, 4, 28, 30, 40, 60)] == [
        None, None, None, Amount(40, about=True), Amount(30, about=True), Amount(20),
    ]  # fmt: skip
