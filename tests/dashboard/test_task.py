"""The page of one task instance."""

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from dashboard.snippets import curl_read, shell_read
from dashboard.watch import watcher
from statestore import services
from statestore.models import Entry, GroupReach, ProgressSample, TaskInstance
from statestore.protocol import NEVER_EXPIRE, TaskScope
from statestore.sdk import ResumableJobMixin, StateStore, UnknownSubmissionError
from statestore.sdk.memory import MemoryTransport
from statestore.sdk.records import Submission, SubmissionState
from statestore.services import Writer
from tests.dashboard.data import SCOPE, id_of, put


def test_every_key_is_shown_with_its_type_and_version(viewing: Client) -> None:
    services.attempt_start(scope=SCOPE)
    put("progress", {"current": 12, "total": 50})
    put("job_id", "app-42", expiry=NEVER_EXPIRE)
    put("job_id", "app-43", expiry=NEVER_EXPIRE)
    html = viewing.get(f"/t/{id_of()}/").content.decode()
    assert '<span class="js">&quot;app-43&quot;</span>' in html
    assert "version 2" in html
    assert "by token worker" in html
    assert "object, 2 fields" in html
    assert "never" in html
    assert "in 30 days" in html
    assert '<span id="big" data-watch>24</span>' in html


def test_a_long_value_is_folded(viewing: Client) -> None:
    put("rows", list(range(2000)))
    assert '<details class="fold"' in viewing.get(f"/t/{id_of()}/").content.decode()


def test_a_task_without_keys_says_so(viewing: Client) -> None:
    services.attempt_start(scope=SCOPE)
    html = viewing.get(f"/t/{id_of()}/").content.decode()
    assert "They were cleared or have expired" in html


def test_the_chart_ends_with_what_is_reported_now(viewing: Client) -> None:
    for current in (0, 40, 80):
        put("progress", {"current": current, "total": 100})
        Entry.objects.update(sampled_at=None)
    assert ProgressSample.objects.count() == 3
    Entry.objects.update(sampled_at=datetime.now(UTC))  # so the next is not due
    put("progress", {"current": 100, "total": 100, "status": "done"})
    (line,) = re.findall(
        r'<polyline points="([^"]+)"', viewing.get(f"/t/{id_of()}/").content.decode()
    )
    assert line.split()[-1] == "600,0"


@pytest.mark.parametrize(
    ("attempt", "days", "sampled", "started"),
    [
        (0, 3, {0: 20}, 72),
        (1, 3, {1: 20}, 72),
        (1, 3, {}, 72),
        (2, 3, {1: 20, 2: 10}, 10),
        (2, 3, {2: 20}, None),
        (2, 0.9, {2: 20}, 20),
        (2, 0.9, {}, None),
    ],
)
def test_an_attempt_has_started_when_it_did_and_not_as_long_ago_as_samples_live(
    viewing: Client, attempt: int, days: float, sampled: dict[int, int], started: int | None
) -> None:
    """`sampled` and `started` in hours ago."""
    put("progress", {"current": 1})
    now, number = datetime.now(UTC), id_of()
    TaskInstance.objects.update(attempt=attempt, created_at=now - timedelta(days=days))
    ProgressSample.objects.all().delete()
    for of, hours in sampled.items():
        at = now - timedelta(hours=hours)
        ProgressSample.objects.create(task_instance_id=number, at=at, attempt=of, done=1)
    found = viewing.get(f"/t/{number}/").context["page"].started
    assert found == (None if started is None else now - timedelta(hours=started))


def test_an_unknown_task_is_not_found(viewing: Client) -> None:
    for number in (1, 2**63, 10**30):
        answer = viewing.get(f"/t/{number}/")
        assert answer.status_code == 404
        assert "There is nothing here" in answer.content.decode()


def test_only_who_may_clear_clears_a_task_or_a_key(viewing: Client, viewer: User) -> None:
    put("progress", {"status": "running"})
    put("job_id", "app-42")
    path = f"/t/{id_of()}/"
    url, key_url = f"{path}clear/", f"{path}clear-key/?key=progress"
    assert "clear" not in viewing.get(path).content.decode()
    assert viewing.post(url, {"typed": "ingest"}).status_code == 403
    assert viewing.post(key_url).status_code == 403
    viewer.user_permissions.add(Permission.objects.get(codename="delete_entry"))
    assert url in viewing.get(path).content.decode()
    html = viewing.get(url).content.decode()
    assert "It loses job_id: a retry may submit a second job." in html
    assert "The task is running." in html
    assert viewing.post(key_url).status_code == 302
    assert viewing.post(url, {"typed": "inges"}).status_code == 422
    assert Entry.objects.count() == 1
    assert viewing.post(url, {"typed": "ingest"})["Location"] == path
    assert Entry.objects.count() == 0


def test_a_right_over_other_dags_clears_nothing(viewing: Client, viewer: User) -> None:
    put("job_id", 1)
    viewer.user_permissions.clear()
    for dags, codenames in (("*", ["view_entry"]), ("hr", ["view_entry", "delete_entry"])):
        group = Group.objects.create(name=dags)
        GroupReach.objects.create(group=group, dag_patterns=dags)
        group.permissions.set(Permission.objects.filter(codename__in=codenames))
        viewer.groups.add(group)
    path = f"/t/{id_of()}/"
    assert f"{path}clear/" not in viewing.get(path).content.decode()
    assert viewing.post(f"{path}clear/", {"typed": "ingest"}).status_code == 403
    assert Entry.objects.count() == 1


def test_a_mapped_task_has_a_switch_of_its_indices(viewing: Client) -> None:
    for index in (0, 3, 7):
        put("progress", 1, TaskScope("d", "r", "part", index))
    ids = [id_of(TaskScope("d", "r", "part", index)) for index in (0, 3, 7)]
    html = viewing.get(f"/t/{ids[1]}/").content.decode()
    assert "index <b>3</b>, 2 of 3" in html
    assert f'rel="prev" href="/t/{ids[0]}/"' in html
    assert f'rel="next" href="/t/{ids[2]}/"' in html
    assert 'rel="prev"' not in viewing.get(f"/t/{ids[0]}/").content.decode()


@pytest.mark.parametrize(
    ("state", "later_attempt", "shown"),
    [
        ("reserved", False, "reserved"),
        ("reserved", True, "unknown"),
        ("submitted", False, "submitted"),
        ("submitted", True, "reconnecting"),
        ("finished", True, "finished"),
    ],
)
def test_the_external_job_is_a_chip(
    viewing: Client, state: str, later_attempt: bool, shown: str
) -> None:
    attempt = services.attempt_start(scope=SCOPE)
    record = Submission("ss-1-1", 1, SubmissionState(state), "app-42").to_value()
    put("remote_job_id.submission", record, attempt=attempt)
    if later_attempt:
        services.attempt_start(scope=SCOPE)
    html = viewing.get(f"/t/{id_of()}/").content.decode()
    assert f"job {shown}</span>" in html
    assert "<code>app-42</code>" in html


def test_a_reservation_that_an_attempt_took_over_is_unknown(viewing: Client) -> None:
    """It has the number of that attempt, which has refused to submit."""

    class Lost(ResumableJobMixin):
        on_unknown = "fail"

        def submit_job(self, context: Any) -> Any:
            raise ConnectionResetError

    store = StateStore(transport=MemoryTransport())
    for error in (ConnectionResetError, UnknownSubmissionError):
        context = store.task(SCOPE.dag_id, SCOPE.run_id, SCOPE.task_id)
        with pytest.raises(error), context:
            Lost().execute_resumable(context)
        record = context.task_store.get("remote_job_id.submission")
        put("remote_job_id.submission", record, attempt=services.attempt_start(scope=SCOPE))
    html = viewing.get(f"/t/{id_of()}/").content.decode()
    assert "job unknown</span>" in html
    assert "about to be submitted" not in html


def test_its_jobs_are_chips_whatever_keys_are_shown(viewing: Client) -> None:
    record = Submission("ss-1-1", 1, SubmissionState.SUBMITTED, "app-42").to_value()
    put("remote_job_id.submission", record)
    for number in range(120):
        put(f"k{number:03}", number)
    for query in ("", "?key=k0", "?key=none", "?after_key=zz"):
        html = viewing.get(f"/t/{id_of()}/{query}").content.decode()
        assert html.count("<code>app-42</code>") == 1, query


def test_all_keys_can_be_cleared_though_the_filter_finds_none(
    viewing: Client, viewer: User
) -> None:
    put("page", 1)
    viewer.user_permissions.add(Permission.objects.get(codename="delete_entry"))
    path = f"/t/{id_of()}/"
    assert f"{path}clear/" in viewing.get(f"{path}?key=none").content.decode()
    services.entries_clear(scope=SCOPE, writer=Writer("user vera"))
    watcher.forget()
    assert f"{path}clear/" not in viewing.get(path).content.decode()


def test_a_submission_of_another_form_is_a_key_like_others(viewing: Client) -> None:
    for value in (1, "x", {"state": "reserved"}, {"state": [], "token": 1}):
        put("a.submission", value)
        assert viewing.get(f"/t/{id_of()}/").status_code == 200


def test_many_keys_come_in_pages(viewing: Client) -> None:
    operations = [f"key-{number:03}" for number in range(105)]
    for key in operations:
        put(key, 1)
    first = viewing.get(f"/t/{id_of()}/").context["page"]
    second = viewing.get(f"/t/{id_of()}/?after_key={first.detail.next_key}").context["page"]
    assert [item.entry.key for item in (*first.entries, *second.entries)] == operations
    assert (len(first.entries), second.detail.next_key) == (100, "")


@pytest.mark.parametrize("query", ["", "?key=k0", "?after_key=k010"])
def test_what_it_wrote_last_is_told_though_its_keys_fill_pages(viewing: Client, query: str) -> None:
    for number in range(120):
        put(f"k{number:03}", number)
    Entry.objects.update(updated_at=datetime(2026, 11, 20, tzinfo=UTC))
    put("progress", {"current": 1, "total": 2})
    put("zzz_secret", {"password": "swordfish"})
    put("zzz_last", 1)
    answer = viewing.get(f"/t/{id_of()}/{query}")
    page = answer.context["page"]
    assert page.last_key == "zzz_last"
    assert [event.what for event in page.activity[:3]] == [
        "zzz_last written", "zzz_secret written", "progress reported",
    ]  # fmt: skip
    assert "zzz_last" not in [item.entry.key for item in page.entries]
    assert "swordfish" not in answer.content.decode()


def test_the_orchestrator_is_linked_where_it_is_set(
    viewing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = TaskScope("a/b", "r", 't"x', 3)
    put("progress", 1, scope)
    path = f"/t/{id_of(scope)}/"
    assert "Open in the orchestrator" not in viewing.get(path).content.decode()
    template = "https://host/{dag_id}/{task_id}?i={map_index}"
    monkeypatch.setattr(settings, "STATESTORE_TASK_URL", template)
    assert 'href="https://host/a%2Fb/t%22x?i=3"' in viewing.get(path).content.decode()


def test_the_shell_command_survives_any_name() -> None:
    scope = TaskScope("it's", "a/b c", "$(x)%", 3)
    words = shlex.split(shell_read("http://host/", scope, "-k&'").replace("\\\n", " "))
    assert words[0] == "STATESTORE_URL=http://host/"
    assert words[1:3] == ["statestore", "get"]
    assert [unquote(part) for part in words[3].removeprefix("--task=").split("/")] == [
        "it's", "a/b c", "$(x)%", "3",
    ]  # fmt: skip
    assert words[4:] == ["--", "-k&'"]


def test_the_curl_command_survives_any_name() -> None:
    scope = TaskScope("it's", "a/b c", "$(x)", 3)
    words = shlex.split(curl_read("http://host/", scope, "k&'\"?").replace("\\\n", " "))
    assert words[0] == "curl"
    path, _, query = words[-1].partition("?")
    assert unquote(path).endswith("/dags/it's/dagRuns/a/b c/taskInstances/$(x)/state-store/k&'\"?")
    assert query == "map_index=3"


def test_it_tells_what_happened_lately(viewing: Client) -> None:
    put("progress", {"current": 3, "total": 9, "unit": "rows"})
    for number in (116, 117, 118):
        put("last_page", number)
    put("api_key", "hunter2hunter2")
    services.scan_secrets()
    services.entry_delete(scope=SCOPE, key="progress", writer=Writer("user vera", reason="x"))
    put("gone", 1)
    services.entries_clear(scope=replace(SCOPE, task_id="other"), writer=Writer("user vera"))
    services.run_clear(dag_id="nothing", run_id="run-1", writer=Writer("user vera"))
    page = viewing.get(f"/t/{id_of()}/")
    told = {event.what: event.detail for event in page.context["page"].activity}
    assert told["last_page changed"] in {"117 → 118", "116 → 117"}
    assert told["gone written"] == "1"
    assert told["api_key written"] == ""
    assert "Possible secret found in api_key" in told
    assert told["Cleared a key: user vera"] == "progress"
    assert "hunter2" not in page.content.decode()
    assert not any("all keys" in what or "run" in what for what in told)


def test_its_keys_are_found_by_their_beginnings(viewing: Client) -> None:
    for key in ("part_1", "part_2", "last_page"):
        put(key, 1)
    shown = viewing.get(f"/t/{id_of()}/", {"key": "part"}).context["page"].entries
    assert [item.entry.key for item in shown] == ["part_1", "part_2"]
    assert "No key begins with x" in viewing.get(f"/t/{id_of()}/?key=x").content.decode()


def test_an_address_is_opened_from_its_key(viewing: Client) -> None:
    put("job_url", "https://spark.example.com/app/42")
    link = '<a class="{}" href="https://spark.example.com/app/42" rel="noreferrer"'
    assert link.format("icon-btn") in viewing.get(f"/t/{id_of()}/").content.decode()
    key = viewing.get(f"/t/{id_of()}/k/?key=job_url").content.decode()
    assert link.format("btn") in key
