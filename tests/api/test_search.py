"""GET /task-instances."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from statestore.access import Right
from statestore.models import Entry, TaskInstance
from statestore.protocol import TaskScope
from tests.api.conftest import Api, problem
from tests.storage import put

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _tasks(db: None) -> None:
    TaskInstance.objects.all().delete()
    values = {"a": {"status": "running"}, "b": {"status": "done"}, "c": {"status": "failed"}}
    for place, (name, value) in enumerate(values.items()):
        put(TaskScope("sales", f"run-{name}", f"load_{name}"), "progress", json.dumps(value))
        age(name, minutes=place)
    put(TaskScope("hr", "run-d", "Ünload"), "job", "7")
    age("d", minutes=9)
    put(TaskScope("hr", "run-e", "stalled", 3), "progress", '{"status": "running"}')
    age("e", minutes=60)


def age(run: str, *, minutes: int) -> None:
    then = datetime.now(UTC) - timedelta(minutes=minutes)
    TaskInstance.objects.filter(run_id=f"run-{run}").update(active_at=then)
    Entry.objects.filter(task_instance__run_id=f"run-{run}").update(updated_at=then)


def page(api: Api, query: str = "") -> Any:
    answer = api.send("GET", f"/api/v2/task-instances?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def runs(api: Api, query: str = "") -> str:
    """The runs that were found, a letter for each."""
    return "".join(row["run_id"][-1] for row in page(api, query)["task_instances"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "abcde"),
        ("dag_id=sales", "abc"),
        ("dag_id=sale", ""),
        ("dag_id=SALES", ""),
        ("run_id=run-d", "d"),
        ("task_id=load_b", "b"),
        ("dag_id=sales&task_id=load_c", "c"),
        ("dag_id=", ""),
        ("status=running", "a"),
        ("status=stalled", "e"),
        ("status=done", "b"),
        ("status=failed", "c"),
        ("status=none", "d"),
        ("q=load", "abcd"),
        ("q=LOAD+sales", "abc"),
        ("q=run-c", "c"),
        ("q=100%25", ""),
        ("q=_", "abc"),
        ("q=nosuch", ""),
        ("limit=2", "ab"),
        ("limit=1000", "abcde"),
    ],
)
def test_each_filter_finds_its_own(api: Api, query: str, found: str) -> None:
    assert runs(api, query) == found


def test_a_row_says_what_is_known(api: Api) -> None:
    (row,) = page(api, "run_id=run-e")["task_instances"]
    assert row.pop("id") == TaskInstance.objects.get(run_id="run-e").pk
    assert datetime.fromisoformat(row.pop("last_write")) < datetime.now(UTC)
    assert row == {
        "dag_id": "hr", "run_id": "run-e", "task_id": "stalled", "map_index": 3, "attempt": 0,
        "status": "stalled", "keys": 1, "progress": {"status": "running"},
    }  # fmt: skip
    (row,) = page(api, "run_id=run-d")["task_instances"]
    assert (row["progress"], row["keys"], row["status"]) == (None, 1, "none")


STATES = ("running", "stalled", "done", "failed", "none")


def test_a_progress_that_has_expired_is_gone_before_the_sweep(api: Api) -> None:
    then = datetime.now(UTC) - timedelta(hours=1)
    hour = int(then.timestamp() // 3600)
    Entry.objects.filter(key="progress").update(expires_at=then, expires_hour=hour)
    assert {row["status"] for row in page(api)["task_instances"]} == {"none"}
    assert [runs(api, f"status={state}") for state in STATES] == ["", "", "", "", "abcde"]


@pytest.mark.parametrize("seconds", [290, 310, 325, 340])
@pytest.mark.parametrize("lag", [0, 10, 29])
def test_the_filter_and_the_row_agree_about_the_state(api: Api, seconds: int, lag: int) -> None:
    then = datetime.now(UTC) - timedelta(seconds=seconds)
    Entry.objects.update(updated_at=then)
    TaskInstance.objects.update(active_at=then - timedelta(seconds=lag))
    rows = page(api)["task_instances"]
    for state in STATES:
        expected = {row["run_id"][-1] for row in rows if row["status"] == state}
        assert set(runs(api, f"status={state}")) == expected


@pytest.mark.parametrize(
    ("q", "status"),
    [("a+" * 10, 200), ("a+" * 11, 422), ("a+" * 1000, 422), ("a" * 250, 200), ("a" * 251, 422)],
)
def test_a_search_has_no_more_words_than_are_of_use(api: Api, q: str, status: int) -> None:
    assert api.send("GET", f"/api/v2/task-instances?q={q}").status_code == status


def test_pages_lead_through_all_of_them_once(api: Api) -> None:
    seen, cursor = "", ""
    while cursor is not None:
        found = page(api, f"limit=2{cursor and '&cursor=' + cursor}")
        seen += "".join(row["run_id"][-1] for row in found["task_instances"])
        cursor = found["next_cursor"]
    assert seen == "abcde"


def test_pages_miss_nothing_that_stays_while_others_move(api: Api) -> None:
    first = page(api, "limit=2")
    age("c", minutes=0)
    age("a", minutes=30)
    put(TaskScope("sales", "run-f", "new"), "progress", "1")
    TaskInstance.objects.filter(run_id="run-b").delete()
    rest = runs(api, f"cursor={first['next_cursor']}")
    assert set("de") <= set(rest)
    assert len(rest) == len(set(rest))


def test_words_are_looked_for_in_a_bounded_number_of_task_instances(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may be empty, and its cursor leads on all the same."""
    monkeypatch.setattr("statestore.queries.search.LOOKED_AT", 2)
    found, cursor = [], ""
    while cursor is not None:
        shown = page(api, "q=run-e" + (cursor and f"&cursor={cursor}"))
        found.append([row["run_id"] for row in shown["task_instances"]])
        cursor = shown["next_cursor"]
    assert found == [[], [], ["run-e"]]


def test_those_of_one_moment_are_not_lost_between_pages(api: Api) -> None:
    TaskInstance.objects.update(active_at=datetime.now(UTC))
    first = page(api, "limit=2")
    second = runs(api, f"cursor={first['next_cursor']}")
    together = {row["run_id"][-1] for row in first["task_instances"]} | set(second)
    assert (together, len(second)) == (set("abcde"), 3)


def _cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "", "x", "%00", "%F0%9F%A6%86", "a" * 5000, "====", _cursor(""), _cursor("now 1"),
        _cursor("2026-01-01T00:00:00+00:00"), _cursor("2026-01-01T00:00:00+00:00 x"),
        _cursor("2026-13-01T00:00:00+00:00 1"), _cursor("2026-01-01T00:00:00 1"),
        _cursor("2026-01-01T00:00:00+00:00 " + "9" * 30), _cursor("2026-01-01T00:00:00+00:00 -1"),
    ],
)  # fmt: skip
def test_a_cursor_that_is_none_is_422(api: Api, cursor: str) -> None:
    answer = api.send("GET", f"/api/v2/task-instances?cursor={cursor}")
    assert problem(answer)["loc"] == ["query", "cursor"]


@pytest.mark.parametrize(
    "query", ["status=new", "status=", "limit=0", "limit=x", "q=%00", "dag_id=%00"]
)
def test_a_search_that_cannot_be_is_422(api: Api, query: str) -> None:
    problem(api.send("GET", f"/api/v2/task-instances?{query}"))


@pytest.mark.parametrize(
    ("dags", "found"),
    [("sales", "abc"), ("s*,no", "abc"), ("h?", "de"), ("", ""), ("S*", ""), ("[s]*", "")],
)  # fmt: skip
def test_a_token_finds_what_it_reaches(
    api: Api, token_of: Callable[..., str], dags: str, found: str
) -> None:
    limited = api.at(token=token_of(Right.VIEW, dags=dags))
    assert runs(limited) == found
    assert runs(limited, "status=stalled") == ("e" if "e" in found else "")
