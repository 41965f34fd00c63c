"""Writes per minute, and how they went."""

from types import SimpleNamespace

import pytest

from dashboard.meter import Meter


def test_the_pace_is_drawn_once_there_are_enough_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    now, written = 1000.0, 0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("dashboard.meter.time", clock)
    monkeypatch.setattr("dashboard.meter.queries.writes", lambda: {"a": written})
    meter = Meter()
    for count in (0, 10, 20, 20, 0):
        assert meter.per_minute() == (None if now < 1004 else round(written * 60 / (now - 1000)))
        assert meter.spark() == ""
        now, written = now + 2, written + count
    meter.per_minute()
    assert meter.spark() == "0,23 25,12 50,1 75,1 100,23"
