"""What Live makes again, and what it keeps from the reading before."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from dashboard import table
from dashboard.kept import Kept
from dashboard.pace import Pace
from dashboard.progress import Progress
from dashboard.table import Row
from dashboard.templatetags.rows import task_row
from dashboard.watch import watcher
from statestore import queries
from statestore.models import Entry, ProgressSample
from statestore.protocol import TaskScope
from statestore.queries import LiveRow, Sample, Section, StateCounts, TaskState
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
    get(1, "c")
    get(3, "d")  # one place too many: the older half goes
    assert [get(1, "c"), get(3, "d")] == ["C", "D"]
    assert made == ["a", "b", "b", "c", "d"]
    get(2, "b")
    assert made == ["a", "b", "b", "c", "d", "b"]


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


def test_samples_of_others_stay_where_there_are_too_many(
    viewing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "KEPT", 4)
    monkeypatch.setattr(table, "_sampled", {-number: [] for number in range(1, 5)})
    put("progress", {"current": 20})
    viewing.get("/")
    assert list(table._sampled) == [-3, -4, id_of()]


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


def _other_counts(row: Row) -> Row:
    return replace(row, mapped=StateCounts(running=1, done=1))


def _others_count_more(row: Row) -> Row:
    return replace(row, mapped=StateCounts(running=3))


def _another_attempt(row: Row) -> Row:
    return replace(row, mapped=None, task=replace(row.task, attempt=row.task.attempt + 7))


def _another_task(row: Row) -> Row:
    return replace(row, mapped=None, task=replace(row.task, id=row.task.id + 1))


def _another_message(row: Row) -> Row:
    return replace(row, mapped=None, progress=Progress(message="another"))


def _another_key(row: Row) -> Row:
    return replace(row, task=replace(row.task, key_count=row.task.key_count + 1))


def _stalls(row: Row) -> Row:
    return replace(row, task=replace(row.task, state=TaskState.STALLED))


@pytest.mark.parametrize(
    ("cell", "change"),
    [
        ("prog", _other_counts),
        ("prog", _another_message),
        ("keys", _another_key),
        ("rate", _stalls),
        ("state", _stalls),
        ("task", _others_count_more),
        ("act", _another_task),
    ],
)
def test_a_cell_follows_all_that_it_shows(
    viewing: Client, cell: str, change: Callable[[Row], Row]
) -> None:
    put("progress", {"current": 1, "total": 3})
    (row,) = viewing.get("/").context["page"].table.running
    row = replace(row, pace=Pace("5 rows/s", "0,12 100,12", None), mapped=StateCounts(running=2))
    assert _drawn(row, cell) == _drawn(row, cell) != _drawn(change(row), cell)


@pytest.mark.parametrize(
    ("cell", "change"), [("prog", _stalls), ("prog", _another_task), ("task", _another_attempt)]
)
def test_a_cell_of_a_task_that_is_not_mapped_follows_it(
    viewing: Client, cell: str, change: Callable[[Row], Row]
) -> None:
    put("progress", {"current": 1, "total": 3})
    (row,) = viewing.get("/").context["page"].table.running
    assert _drawn(row, cell) == _drawn(row, cell) != _drawn(change(row), cell)


def _drawn(row: Row, cell: str) -> str:
    found = re.search(rf'<t[dh] [^>]*td-{cell}".*?</t[dh]>', task_row(row), re.DOTALL)
    assert found is not None
    return found[0]


def test_a_pace_follows_the_time(viewing: Client) -> None:
    put("progress", {"current": 3, "total": 10})
    task = viewing.get("/").context["page"].table.running[0].task
    now = task.last_write
    samples = [Sample(now - timedelta(seconds=10 * n), 0, 3 - n, 10) for n in (2, 1, 0)]

    def pace(last_write: datetime, now: datetime) -> Pace:
        found = LiveRow(replace(task, last_write=last_write), Section.RUNNING)
        return table._row(found, samples, set(), now).pace

    later = now + timedelta(seconds=60)
    assert pace(now, now).eta is not None
    assert pace(now, later).eta is None  # it has been silent for long
    assert pace(later, later).eta is not None
