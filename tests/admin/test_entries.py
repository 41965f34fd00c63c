"""Entries in the admin site: found, read, cleared after a confirmation, never edited."""

import logging
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils.formats import date_format

from statestore.models import Entry, TaskInstance
from statestore.protocol import NEVER_EXPIRE, TaskScope
from tests.admin.conftest import ClientOf
from tests.dashboard.data import EVIL, SCOPE, put
from tests.storage import expire

LIST = "/admin/statestore/entry/"
OTHER = TaskScope("hr", "run-2", "export")


def keys(scope: TaskScope = SCOPE) -> list[str]:
    rows = Entry.objects.filter(task_instance__scope_digest=scope.digest)
    return sorted(rows.values_list("key", flat=True))


def act(client: Client, action: str, *rows: Any, confirmed: bool = False, at: str = LIST) -> str:
    form = {"action": action, ACTION_CHECKBOX_NAME: [row.pk for row in rows]}
    if confirmed:
        form["confirmed"] = "yes"
    return client.post(at, form, follow=True).content.decode()


@pytest.fixture
def clearing(staff: ClientOf) -> Client:
    return staff("view_entry", "delete_entry", "view_taskinstance")


def listed(client: Client, query: str) -> list[str]:
    return [entry.key for entry in client.get(f"{LIST}?{query}").context["cl"].result_list]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=ingest", ["late", "last_page"]),
        ("q=job", ["job_id"]),
        ("q=last+sales", ["last_page"]),
        ("q=sales+job", []),
        ("q=hr+run-2+job", ["job_id"]),
        ("q=gest", []),
        ("dag=sales&run=run-2", []),
        ("o=1", ["job_id", "late", "last_page"]),
        ("expired=yes", ["late"]),
        ("expired=no", ["job_id", "last_page"]),
        ("expiry=never", ["job_id"]),
        ("expiry=some", ["late", "last_page"]),
        ("dag=h", ["job_id"]),
        ("run=run-1", ["late", "last_page"]),
        ("task=exp&key=job", ["job_id"]),
        ("key=%00", ["job_id", "late", "last_page"]),
    ],
)
def test_entries_are_found(clearing: Client, query: str, found: list[str]) -> None:
    put("last_page", 1)
    put("late", 2)
    put("job_id", 3, OTHER, expiry=NEVER_EXPIRE)
    expire(SCOPE, "late")
    assert listed(clearing, query) == found


def test_a_value_is_shown_pretty_and_cannot_be_changed(staff: ClientOf) -> None:
    client = staff("view_entry", "change_entry", "add_entry", "delete_entry")
    put("config", {"a": [1]})
    path = f"{LIST}{Entry.objects.get().pk}/change/"
    html = client.get(path).content.decode()
    assert '<pre class="value" tabindex="0">{\n  &quot;a&quot;: [\n    1\n  ]\n}</pre>' in html
    assert 'name="_save"' not in html
    assert client.post(path, {"value": "2"}).status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{Entry.objects.get().pk}/delete/").status_code == 403


def test_times_are_said_alike(clearing: Client) -> None:
    put("config", 1)
    entry = Entry.objects.get()
    assert entry.expires_at is not None
    for path in (LIST, f"{LIST}{entry.pk}/change/"):
        html = clearing.get(path).content.decode()
        for moment in (entry.updated_at, entry.expires_at):
            assert date_format(moment, "DATETIME_FORMAT") in html


def test_nothing_is_cleared_before_the_confirmation(clearing: Client) -> None:
    put("progress", {"current": 1})
    put("job_id", 7)
    html = act(clearing, "clear_tasks", Entry.objects.get(key="job_id"))
    assert "2 keys of 1 task instance will be deleted" in html
    assert "1 of these task instances last reported that it runs" in html
    assert "may submit a second external job" in html
    assert "<code>job_id</code>" in html
    assert keys() == ["job_id", "progress"]


def test_selected_keys_are_cleared(clearing: Client, caplog: pytest.LogCaptureFixture) -> None:
    put("a", 1)
    put("b", 2)
    put("c", 3)
    with caplog.at_level(logging.INFO, "statestore"):
        html = act(clearing, "clear_keys", *Entry.objects.filter(key__in="ab"), confirmed=True)
    assert "Cleared 2 keys." in html
    assert keys() == ["c"]
    assert {str(entry) for entry in LogEntry.objects.all()} == {
        f"Deleted “{SCOPE} · a.”",
        f"Deleted “{SCOPE} · b.”",
    }
    assert "user sam deleted key 'a'" in caplog.text


def test_all_keys_of_a_task_are_cleared(clearing: Client) -> None:
    for scope in (SCOPE, SCOPE.at(0), OTHER):
        put("a", 1, scope)
        put("b", 1, scope)
    html = act(clearing, "clear_tasks", Entry.objects.filter(key="a").first(), confirmed=True)
    assert "Cleared 2 keys." in html
    assert (keys(), keys(SCOPE.at(0)), keys(OTHER)) == ([], ["a", "b"], ["a", "b"])
    assert LogEntry.objects.get().change_message == "Cleared all keys: 2."


def test_all_map_indices_are_cleared(clearing: Client) -> None:
    for scope in (SCOPE.at(0), SCOPE.at(1), OTHER):
        put("a", 1, scope)
    row = TaskInstance.objects.get(scope_digest=SCOPE.at(0).digest)
    at = "/admin/statestore/taskinstance/"
    assert "2 keys of 2 task instances" in act(clearing, "clear_all_map_indices", row, at=at)
    html = act(clearing, "clear_all_map_indices", row, at=at, confirmed=True)
    assert "Cleared 2 keys." in html
    assert (keys(SCOPE.at(0)), keys(SCOPE.at(1)), keys(OTHER)) == ([], [], ["a"])


@pytest.fixture
def many(db: None) -> int:
    """So many tasks, of which each keeps a key under two map indices."""
    number = 1_050
    scopes = [
        TaskScope("big", f"run-{task % 40}", f"task-{task}", index)
        for task in range(number)
        for index in range(2)
    ]
    rows = TaskInstance.objects.bulk_create(
        TaskInstance(
            scope_digest=scope.digest, dag_id=scope.dag_id, run_id=scope.run_id,
            task_id=scope.task_id, map_index=scope.map_index,
        )
        for scope in scopes
    )  # fmt: skip
    Entry.objects.bulk_create(
        Entry(task_instance=row, key="ab"[row.map_index], value="1") for row in rows
    )
    return number


def all_of(client: Client, action: str, at: str, confirmed: str = "no") -> str:
    """Act on all rows of a list, not those of its page alone."""
    form = {"action": action, "select_across": "1", "confirmed": confirmed, "index": "0"}
    return client.post(at, form | {ACTION_CHECKBOX_NAME: "0"}, follow=True).content.decode()


@pytest.mark.parametrize("at", [LIST, "/admin/statestore/taskinstance/"])
def test_what_one_request_cannot_clear_is_refused(clearing: Client, many: int, at: str) -> None:
    actions = ["clear_tasks", "clear_all_map_indices", *(["clear_keys"] if at == LIST else [])]
    for action in actions:
        for confirmed in ("no", "yes"):
            html = all_of(clearing, action, at, confirmed)
            assert "Nothing was cleared: more than 2,000 rows are selected." in html
            assert "will be deleted" not in html
    assert Entry.objects.count() == 2 * many


@pytest.mark.parametrize("action", ["clear_tasks", "clear_all_map_indices", "clear_keys"])
def test_a_thousand_tasks_are_cleared_at_once(clearing: Client, many: int, action: str) -> None:
    Entry.objects.filter(task_instance__map_index=1, task_instance__run_id="run-7").delete()
    TaskInstance.objects.filter(map_index=0, run_id="run-7").update(status="running")
    total, at = Entry.objects.count(), f"{LIST}?key=a"
    gone = total if action == "clear_all_map_indices" else many
    html = all_of(clearing, action, at)
    assert f"{gone} keys of {gone} task instances will be deleted" in html
    assert "27 of these task instances last reported that they run" in html
    assert f"and {gone - 200:,} more" in html
    assert f"Cleared {gone:,} keys." in all_of(clearing, action, at, "yes")
    assert Entry.objects.count() == total - gone


def test_a_loss_is_counted_no_further_than_anybody_reads(
    clearing: Client, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statestore.admin.clear.MOST", 3_000)
    for name in ("admin.clear", "admin.lists", "queries.counting"):
        monkeypatch.setattr(f"statestore.{name}.COUNTED", 1_000)
    monkeypatch.setattr("statestore.queries.counting.counts.__kwdefaults__", {"at_most": 1_000})
    html = all_of(clearing, "clear_keys", LIST)
    assert "more than 1,000 keys of more than 1,000 task instances" in html
    assert "and many more" in html


def test_without_the_right_there_is_no_action(staff: ClientOf) -> None:
    client = staff("view_entry")
    put("a", 1)
    assert 'value="clear_keys"' not in client.get(LIST).content.decode()
    act(client, "clear_keys", Entry.objects.get(), confirmed=True)
    assert keys() == ["a"]


def test_markup_is_text(clearing: Client) -> None:
    scope = TaskScope(EVIL, EVIL, EVIL)
    put(EVIL, EVIL, scope)
    pages = [LIST, f"{LIST}{Entry.objects.get().pk}/change/", "/admin/statestore/taskinstance/"]
    html = [clearing.get(path).content.decode() for path in pages]
    html.append(act(clearing, "clear_keys", Entry.objects.get()))
    assert all("<script>alert" not in text for text in html)
    assert all("&lt;script&gt;alert" in text for text in html)


def test_the_list_costs_few_queries(clearing: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(60):
        put("a", 1, SCOPE.at(number))
    with django_assert_max_num_queries(8):
        clearing.get(LIST)


def test_a_list_counts_no_further_than_anybody_reads(
    clearing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statestore.admin.lists.COUNTED", 60)
    for number in range(60):
        put("a", 1, SCOPE.at(number))
    assert "60 entries" in clearing.get(LIST).content.decode()
    put("a", 1, SCOPE.at(60))
    html = clearing.get(LIST).content.decode()
    assert "more than 60 entries" in html
    assert clearing.get(f"{LIST}?p=3").status_code == 302
