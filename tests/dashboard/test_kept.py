"""What Live makes again, and what it keeps from the reading before."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from dashboard.kept import Kept
from dashboard.watch import watcher
from statestore import queries
from statestore.models import Entry, ProgressSample
from statestore.protocol import TaskScope
from tests.dashboard.data import SCOPE, id_of, put


def test_it_is_made_again_only_of_other_inputs() -> None:
    kept, made = Kept[str](2), []

    def get(place: int, inputs: str) -> str:
        def make() -> str:
            made.append(inputs)
            return inputs.upper()

        return kept.get(place, inputs, make)

    assert [get(1, "a"), get(1, "a"), get(1, "b"), get(2, "b")] == ["A", "A", "B", "B"]
    assert made == ["a", "b", "b"]
    get(3, "c")  # one place too many: all are made anew
    assert get(1, "b") == "B"
    assert made == ["a", "b", "b", "c", "b"]


def test_a_row_follows_its_task_and_the_others_stay(viewing: Client) -> None:
    other = TaskScope("sales", "run-1", "other")
    put("progress", {"current": 1}, other)
    for number in range(3):
        put("progress", {"current": number, "message": f"at {number}"})
        put("page", number)
        watcher.forget()
        html = viewing.get("/").content.decode()
        assert f"<b>{number}</b>" in html
        assert f"at {number}" in html
        assert f"page <b>{number}</b>" in html
        assert f'id="t-{id_of(other)}"' in html


def test_samples_are_read_again_only_where_one_was_taken(
    viewing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def samples_of(ids: Iterable[int], *, since: datetime) -> dict[int, list[queries.Sample]]:
        read.extend(ids)
        return original(ids, since=since)

    original = queries.samples_of
    monkeypatch.setattr(queries, "samples_of", samples_of)

    def look() -> str:
        watcher.forget()
        return viewing.get("/").content.decode()

    put("progress", {"current": 20, "unit": "rows"})
    for seconds, done in ((30, 5), (20, 10), (10, 15)):
        at = datetime.now(UTC) - timedelta(seconds=seconds)
        ProgressSample.objects.create(task_instance_id=id_of(), at=at, attempt=0, done=done)
    assert "30 rows/min" in look()
    put("progress", {"current": 21, "unit": "rows"})
    assert "30 rows/min" in look()
    assert read == [id_of()]
    Entry.objects.update(sampled_at=datetime.now(UTC) - timedelta(seconds=11))
    put("progress", {"current": 100, "unit": "rows"}, SCOPE)
    assert "30 rows/min" not in look()
    assert read == [id_of()] * 2
