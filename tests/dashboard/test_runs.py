"""Runs, and the page of one."""

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import F
from django.test import Client
from django.test.utils import override_script_prefix

from dashboard.templatetags.pages import map_cells
from dashboard.watch import watcher
from statestore.models import AuditEntry, Entry, TaskInstance
from statestore.protocol import NEVER_EXPIRE, TaskScope
from statestore.queries import MapIndex, TaskState
from tests.dashboard.data import EVIL, id_of, put, silence
from tests.dashboard.test_live import names


def test_a_run_is_a_row_with_its_figures(viewing: Client) -> None:
    put("progress", {"status": "done"})
    put("progress", {"status": "failed"}, TaskScope("sales", "run-1", "export"))
    put("job_id", "x", expiry=NEVER_EXPIRE)
    html = viewing.get("/runs/").content.decode()
    assert names(html) == ["run-1"]
    assert "<b>1</b> of 2 done, 1 failed" in html
    (run,) = viewing.get("/runs/").context["page"].runs
    assert (run.key_count, run.never_expire) == (3, 1)
    assert run.bytes_stored == len('{"status": "done"}{"status": "failed"}"x"')


@pytest.mark.parametrize(
    ("query", "found"),
    [("q=dag:hr", ["r2"]), ("q=run:run", ["run-1"]), ("q=R2", ["r2"]), ("q=nothing", [])],
)
def test_runs_are_filtered(viewing: Client, query: str, found: list[str]) -> None:
    put("progress", 1)
    put("progress", 1, TaskScope("hr", "r2", "t"))
    assert names(viewing.get(f"/runs/?{query}").content.decode()) == found


def test_runs_come_newest_first_each_once(viewing: Client) -> None:
    for number in range(60):
        put("progress", 1, TaskScope("d", f"run-{number % 30:02}", f"task-{number:02}"))
    silence(TaskScope("d", "run-07", "task-07"), minutes=60)
    seen, url = [], "/runs/"
    while url:
        page = viewing.get(url).context["page"]
        seen += [run.run_id for run in page.runs]
        url = f"/runs/?after={page.next_after}" if page.next_after else ""
    assert seen == [f"run-{number:02}" for number in reversed(range(30))]


def test_the_page_of_a_run_has_its_tasks_and_map_indices(viewing: Client) -> None:
    put("progress", {"current": 1, "total": 2})
    for index, status in enumerate(("done", "failed")):
        put("progress", {"status": status}, TaskScope("sales", "run-1", "part", index))
    put("progress", 1, TaskScope("sales", "run-2", "other"))
    answer = viewing.get(f"/runs/{id_of()}/")
    html = answer.content.decode()
    assert names(html) == ["part", "ingest"]
    assert f'class="cell bad" href="/t/{id_of(TaskScope("sales", "run-1", "part", 1))}/"' in html
    assert "1 of 3" in html
    assert names(viewing.get(f"/runs/{id_of()}/?state=done").content.decode()) == ["part"]
    assert viewing.get("/runs/9999/").status_code == 404


def test_only_who_may_clear_clears_a_run_and_types_its_name(viewing: Client, viewer: User) -> None:
    put("progress", 1)
    put("job_id", 1, TaskScope("sales", "run-1", "export"))
    put("progress", 1, TaskScope("sales", "run-2", "other"))
    page, url = f"/runs/{id_of()}/", f"/runs/{id_of()}/clear/"
    assert url not in viewing.get(page).content.decode()
    refused = viewing.post(url, {"typed": "run-1"})
    assert refused.status_code == 403
    assert "right to clear task state (statestore.delete_entry)" in refused.content.decode()
    viewer.user_permissions.add(Permission.objects.get(codename="delete_entry"))
    assert url in viewing.get(page).content.decode()
    assert "2 task instances lose their keys" in viewing.get(url).content.decode()
    assert viewing.post(url, {"typed": "run-2"}).status_code == 422
    assert Entry.objects.count() == 3
    form = {"typed": "run-1", "reason": "the source was wrong"}
    assert viewing.post(url, form)["Location"] == page
    entry = AuditEntry.objects.get(action="cleared_run")
    assert (entry.who, entry.reason) == ("user vera", "the source was wrong")
    assert [entry.task_instance.run_id for entry in Entry.objects.all()] == ["run-2"]
    assert "Cleared 2 keys" in viewing.get(page).content.decode()


def test_clearing_a_run_tells_of_the_jobs_that_are_lost(viewing: Client, viewer: User) -> None:
    viewer.user_permissions.add(Permission.objects.get(codename="delete_entry"))
    for task, key in (
        ("a", "remote_job_id"),
        ("b", "driver.submission"),
        ("b", "job_id"),
        ("c", "x"),
    ):
        put(key, {"state": "submitted"}, TaskScope("sales", "run-1", task))
        put("progress", {"status": "failed"}, TaskScope("sales", "run-1", task))
    put("remote_job_id", 1, TaskScope("sales", "run-2", "other"))
    put("x", 1, TaskScope("sales", "run-3", "other"))

    def told(run: str, task: str) -> str:
        url = f"/runs/{id_of(TaskScope('sales', run, task))}/clear/"
        return viewing.get(url).content.decode()

    assert "2 of them keep the id or the submission of an external job" in told("run-1", "a")
    assert "1 of them keeps the id or the submission" in told("run-2", "other")
    assert "external job" not in told("run-3", "other")


def test_markup_in_the_names_of_runs_is_text(viewing: Client) -> None:
    scope = TaskScope(EVIL, EVIL, EVIL, 3)
    put(EVIL, EVIL, scope)
    for path in ("/runs/", f"/runs/{id_of(scope)}/"):
        assert "<script>alert" not in viewing.get(path).content.decode()


def test_the_tabs_of_an_old_run_hold_what_they_count(viewing: Client) -> None:
    for status, task in (("done", "load"), ("failed", "export")):
        scope = TaskScope("sales", "run-1", task)
        put("progress", {"status": status}, scope)
        silence(scope, minutes=3 * 24 * 60)
    page = f"/runs/{id_of(TaskScope('sales', 'run-1', 'load'))}/"
    assert names(viewing.get(f"{page}?state=done").content.decode()) == ["load"]
    assert names(viewing.get(f"{page}?state=failed").content.decode()) == ["export"]
    all_of_it = viewing.get(page).content.decode()
    assert names(all_of_it) == ["export", "load"]
    assert "Needs attention" in all_of_it


def test_a_task_with_many_map_indices_leaves_the_others_their_strips(
    viewing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statestore.queries.strips.OF_A_TASK", 5)
    monkeypatch.setattr("statestore.queries.strips.OF_A_RUN", 8)
    many = TaskScope("sales", "run-1", "many")
    for index in range(20):
        put("progress", {"status": "failed" if index == 17 else "done"}, many.at(index))
    for index in range(2):
        put("progress", 1, TaskScope("sales", "run-1", "other", index))
    page = f"/runs/{id_of(many.at(0))}/"
    answer = viewing.get(page)
    strips = answer.context["page"].strips
    assert [(s.task_id, [cell.map_index for cell in s.cells], s.total) for s in strips] == [
        ("many", [0, 1, 2, 3, 17], 20),
        ("other", [0, 1], 2),
    ]
    html = answer.content.decode()
    assert "5 of 20, failed and stalled ones first" in html
    assert 'href="?task=many#tasks">List all 20<' in html
    failed = TaskInstance.objects.filter(task_id="many", map_index__gte=12)
    failed.update(status="failed")
    other = TaskInstance.objects.filter(task_id="other")
    other.update(map_index=F("map_index") + 1_000)
    watcher.forget()
    strips = viewing.get(page).context["page"].strips
    assert [[(cell.map_index, cell.state.value) for cell in strip.cells] for strip in strips] == [
        [(index, "failed") for index in range(12, 17)],
        [(1_000, "running"), (1_001, "running")],
    ]
    failed.exclude(map_index=17).update(status="done")
    watcher.forget()
    shown = viewing.get(f"{page}?task=many").context["page"]
    assert [row.task.scope for row in shown.table.urgent] == [many.at(17)]
    assert (shown.table.size, shown.counts.done, shown.counts.failed) == (20, 19, 1)
    done = viewing.get(f"{page}?task=many&state=done&sort=name").context["page"].table
    assert [row.task.scope.map_index for row in done.rows] == [*range(17), 18, 19]


def test_every_map_index_of_a_task_can_be_reached(viewing: Client) -> None:
    for index in range(120):
        put("progress", 1, TaskScope("sales", "run-1", "part", index))
    put("progress", 1, TaskScope("sales", "run-1", "partly"))
    page = f"/runs/{id_of(TaskScope('sales', 'run-1', 'partly'))}/?task=part"
    for sort in ("", "name", "oldest"):
        seen, after = [], ""
        while True:
            table = viewing.get(f"{page}&sort={sort}&after={after}").context["page"].table
            seen += [row.task.scope.map_index for row in (*table.running, *table.rows)]
            after = table.next_after
            if not after:
                break
        assert sorted(seen) == list(range(120)), sort


def test_cells_lead_to_their_tasks_below_any_prefix() -> None:
    with override_script_prefix("/state0/v10/"):
        drawn = map_cells([MapIndex(703, 0, TaskState.DONE)])
    assert 'href="/state0/v10/t/703/"' in drawn
