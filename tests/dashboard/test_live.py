"""Live: every task instance, those in trouble first."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from dashboard.watch import watcher
from statestore import queries, services
from statestore.models import Entry, TaskInstance
from statestore.protocol import AssetScope, TaskScope
from tests.dashboard.data import EVIL, SCOPE, id_of, put, silence
from tests.storage import expire

MAPPED = TaskScope("d", "r", "part")


def names(html: str) -> list[str]:
    return re.findall(r'<a class="name mono"[^>]*>([^<]*)</a>', html)


def test_a_task_is_a_row_with_its_progress(viewing: Client) -> None:
    put("progress", {"current": 12000, "total": 50000, "unit": "rows"})
    put("last_page", 3)
    html = viewing.get("/").content.decode()
    assert names(html) == ["ingest"]
    assert "<b>12,000</b> of 50,000 rows" in html
    assert '<progress class="" max="100" value="24"' in html
    assert "last_page" in html
    assert f'href="/t/{id_of()}/"' in html


def test_a_retry_is_told_by_its_number(viewing: Client) -> None:
    put("progress", {"current": 1})
    services.attempt_start(scope=SCOPE)
    assert "attempt 1" not in viewing.get("/").content.decode()
    services.attempt_start(scope=SCOPE)
    watcher.forget()
    assert '<span class="tag">attempt 2</span>' in viewing.get("/").content.decode()


def test_failed_and_stalled_tasks_come_first(viewing: Client) -> None:
    failed, stalled = TaskScope("d", "r", "failed"), TaskScope("d", "r", "stalled")
    put("progress", {"status": "failed"}, failed)
    put("progress", {"current": 1}, stalled)
    put("progress", {"current": 1})
    silence(failed, minutes=10)
    silence(stalled, minutes=20)
    html = viewing.get("/").content.decode()
    assert names(html) == ["failed", "stalled", "ingest"]
    assert "2 need attention, 1 running" in html


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=failed", ["broken"]),
        ("state=nonsense", ["broken", "ingest"]),
        ("q=dag:sal", ["ingest"]),
        ("q=run:run-1+task:ing", ["ingest"]),
        ('q=task:"ingest"', ["ingest"]),
        ("q=key:job", ["broken"]),
        ("q=OKE", ["broken"]),
        ("q=sal+bro", []),
        ("q=%00", ["broken", "ingest"]),
        ("after=99", ["broken", "ingest"]),
        ("after=W10", ["broken", "ingest"]),
        ("after=WzUwXQ", []),
        ("sort=name", ["broken", "ingest"]),
        ("sort=nonsense", ["broken", "ingest"]),
    ],
)
def test_the_query_string_filters(viewing: Client, query: str, found: list[str]) -> None:
    put("progress", {"current": 1})
    put("progress", {"status": "failed"}, TaskScope("hr", "r", "broken"))
    put("job_id", 7, TaskScope("hr", "r", "broken"))
    answer = viewing.get(f"/?{query}")
    assert answer.status_code == 200
    assert names(answer.content.decode()) == found


def test_pages_follow_each_other(viewing: Client) -> None:
    for number in range(55):
        put("progress", {"current": 1}, TaskScope("d", "r", f"task-{number:02}"))
    for sort in ("", "newest", "oldest", "name"):
        first = viewing.get(f"/?sort={sort}").content.decode()
        found = re.search(r'rel="next" href="([^"]+)"', first)
        assert found is not None
        second = viewing.get("/" + found[1].replace("&amp;", "&")).content.decode()
        assert len(names(first)) == 50
        assert sorted(names(first) + names(second)) == [f"task-{number:02}" for number in range(55)]
        assert 'rel="next"' not in second
        assert 'rel="first"' in second


def test_a_mapped_task_is_one_row_with_its_states(viewing: Client) -> None:
    for index, status in enumerate(["done", "done", "failed", "running"]):
        put("progress", {"status": status}, TaskScope("d", "r", "part", index))
    put("progress", {"current": 1})
    html = viewing.get("/").content.decode()
    assert names(html) == ["part", "ingest"]
    assert "4 mapped" in html
    assert "<b>2</b> of 4 indices done, 1 failed" in html
    assert 'aria-label="2 done, 1 running, 1 failed of 4"' in html
    assert names(viewing.get("/?state=running").content.decode()).count("part") == 1


def test_the_row_of_a_mapped_task_stays_the_same_whichever_index_wrote_last(
    viewing: Client,
) -> None:
    named = []
    for index in (0, 1, 2, 1):
        put("progress", {"current": 1}, MAPPED.at(index))
        TaskInstance.objects.exclude(map_index=index).update(
            active_at=datetime.now(UTC) - timedelta(hours=1)
        )
        watcher.forget()
        html = viewing.get("/").content.decode()
        named += re.findall('<tr role="row" id="(t-[^"]+)"', html)
    assert len(named) == 4
    assert len(set(named)) == 1


def test_each_map_index_has_a_row_of_its_own_where_they_are_listed(viewing: Client) -> None:
    for index in (0, 1, 2):
        put("progress", {"current": 1}, MAPPED.at(index))
    html = viewing.get(f"/runs/{id_of(MAPPED.at(0))}/?task={MAPPED.task_id}").content.decode()
    named = re.findall('<tr role="row" id="(t-[^"]+)"', html)
    assert sorted(named) == sorted(f"t-{id_of(MAPPED.at(index))}" for index in (0, 1, 2))


def test_an_instance_without_a_map_index_counts_for_itself(viewing: Client) -> None:
    for index in (-1, 0, 1):
        put("progress", {"status": "done"}, MAPPED.at(index))
    html = viewing.get("/").content.decode()
    assert names(html) == [MAPPED.task_id, MAPPED.task_id]
    assert "2 mapped" in html
    assert "<b>2</b> of 2 indices done" in html


def test_a_mapped_task_has_the_rate_of_its_indices(viewing: Client) -> None:
    for index in range(8):
        put("progress", {"status": "done"}, MAPPED.at(index))
        then = datetime.now(UTC) - timedelta(seconds=20 * index)
        TaskInstance.objects.filter(scope_digest=MAPPED.at(index).digest).update(active_at=then)
    put("progress", {"status": "running"}, MAPPED.at(8))
    html = viewing.get("/").content.decode()
    assert "3 indices/min" in html
    assert "ETA" in html


def test_a_mapped_task_is_on_one_page_alone(viewing: Client) -> None:
    for number in range(60):
        put("progress", {"current": 1}, TaskScope("d", "r", f"task-{number:02}"))
    for index in (0, 1, 2):
        put("progress", {"current": 1}, TaskScope("d", "r", "part", index))
    silence(TaskScope("d", "r", "part", 0), minutes=3)  # the oldest of all
    for sort in ("", "newest", "oldest", "name"):
        seen, url = [], f"/?sort={sort}"
        while url:
            html = viewing.get(url).content.decode()
            seen += names(html)
            found = re.search(r'rel="next" href="([^"]+)"', html)
            url = "/" + found[1].replace("&amp;", "&") if found else ""
        assert len(seen) == 61, sort
        assert seen.count("part") == 1


def test_nothing_running_tells_of_the_last_write(viewing: Client) -> None:
    put("progress", {"status": "done"})
    assert "Nothing is running" in viewing.get("/").content.decode()
    assert "Nothing is running" in viewing.get("/?state=running").content.decode()
    put("progress", {"status": "running"})
    watcher.forget()
    assert "Nothing is running" not in viewing.get("/").content.decode()


def test_the_first_run_shows_how_to_write_a_key(viewing: Client) -> None:
    html = viewing.get("/").content.decode()
    assert "http://testserver/api/v2/dags/demo/dagRuns/run-1/taskInstances/hello" in html


def test_counts_stand_only_where_they_lead_to_as_many(viewing: Client) -> None:
    put("progress", {"status": "failed"}, TaskScope("hr", "r", "broken"))
    put("progress", {"current": 1})
    html = viewing.get("/?q=dag:sales&sort=name").content.decode()
    assert re.findall(r'<a class="stat(?: here)?" href="(\?[^"]+)"', html) == [
        *(f"?sort=name&amp;state={state}" for state in ("running", "stalled", "failed", "done")),
        "?sort=newest",
    ]  # fmt: skip
    tab = r'<a href="(\?[^"]+)"[^>]*><svg [^>]*><use [^>]*></svg>Failed(?: <b>(\d+)</b>)?</a>'
    assert re.findall(tab, html) == [("?q=dag%3Asales&amp;sort=name&amp;state=failed", "")]
    assert re.findall(tab, viewing.get("/?state=done").content.decode()) == [("?state=failed", "1")]
    assert 'class="stat here"' in viewing.get("/?state=failed").content.decode()
    assert 'class="stat here"' not in viewing.get("/?state=failed&q=sales").content.decode()


def test_keys_of_assets_are_not_counted_among_those_of_tasks(viewing: Client) -> None:
    put("progress", 1)
    put("watermark", 1, AssetScope(services.asset_register(name="orders", uri="")[0].id))
    html = viewing.get("/").content.decode()
    assert 'Keys of tasks</span><span class="v" id="n-keys">1</span>' in html


def test_no_match_offers_to_clear_the_filters(viewing: Client) -> None:
    put("progress", 1)
    assert "No task matches these filters" in viewing.get("/?q=nothing").content.decode()


def test_the_fragment_is_empty_while_nothing_changes(viewing: Client) -> None:
    put("progress", {"current": 1})
    first = viewing.get("/fragments/live/")
    found = re.search(r'data-cursor="(\w+)"', first.content.decode())
    assert found is not None
    again = viewing.get("/fragments/live/", {"cursor": found[1]})
    assert (again.status_code, again.content) == (204, b"")


def test_the_fragment_shows_what_has_changed(viewing: Client) -> None:
    put("progress", {"current": 1})
    found = re.search(r'data-cursor="(\w+)"', viewing.get("/").content.decode())
    assert found is not None
    put("progress", {"current": 2})
    watcher.forget()
    again = viewing.get("/fragments/live/", {"cursor": found[1]})
    assert again.status_code == 200
    assert b"<b>2</b>" in again.content


def test_markup_in_names_and_values_is_text(viewing: Client) -> None:
    evil = TaskScope(EVIL, EVIL, EVIL)
    put("progress", {"current": 1, "unit": EVIL, "message": EVIL}, evil)
    put(EVIL, EVIL, evil)
    put("progress", EVIL, SCOPE)
    for path in ("/", f"/t/{id_of(evil)}/", f"/t/{id_of(SCOPE)}/", f"/?q={EVIL}"):
        assert "<script>alert" not in viewing.get(path).content.decode()


def test_what_has_ended_counts_by_its_last_write_and_the_tile_says_so(viewing: Client) -> None:
    put("progress", {"status": "failed"})
    put("config", 1)
    silence(SCOPE, minutes=3 * 24 * 60)
    assert viewing.get("/?state=failed").context["page"].counts.failed == 0
    put("config", 2)
    watcher.forget()
    html = viewing.get("/?state=failed").content.decode()
    tile = re.search(r"Failed, 24 h.*?</li>", html, re.DOTALL)
    assert tile is not None
    assert 'id="n-failed" data-watch>1<' in tile[0]
    assert "wrote in the last 24 h" in tile[0]


def test_running_tasks_stand_before_those_that_have_ended(viewing: Client) -> None:
    for task, status in (("running", "running"), ("failed", "failed"), ("done", "done")):
        put("progress", {"status": status}, TaskScope("sales", "run-1", task))
    table = viewing.get("/").context["page"].table
    names = [[row.task.scope.task_id for row in part] for part in
             (table.urgent, table.running, table.rows)]  # fmt: skip
    assert names == [["failed"], ["running"], ["done"]]


STATUSES = ("running", "stalled", "failed", "done")


@pytest.mark.parametrize("late", [(), *((status,) for status in STATUSES), STATUSES])
def test_progress_that_has_expired_counts_for_nothing_before_the_sweep(
    viewing: Client, late: tuple[str, ...]
) -> None:
    old = TaskScope("sales", "run-0", "old")
    put("progress", {"status": "done"}, old)
    silence(old, minutes=3 * 24 * 60)
    expire(old, "progress")
    scopes = {status: TaskScope("sales", "run-1", status) for status in STATUSES}
    for status, scope in scopes.items():
        put("progress", {"status": "running" if status == "stalled" else status}, scope)
    silence(scopes["stalled"], minutes=20)
    for status in late:
        expire(scopes[status], "progress")

    assert queries.is_swept(datetime.now(UTC)) is not bool(late)
    page = viewing.get("/").context["page"]
    assert {status: getattr(page.counts, status) for status in STATUSES} == {
        status: int(status not in late) for status in STATUSES
    }
    shown = [row.task.scope.task_id for row in (*page.table.urgent, *page.table.running)]
    assert shown == [name for name in ("failed", "stalled", "running") if name not in late]
    assert page.table.size == 5
    for status in STATUSES:
        found = names(viewing.get(f"/?state={status}").content.decode())
        assert found == [status] * (status not in late)
    none = names(viewing.get("/?state=none&sort=name").content.decode())
    assert none == ["old", *sorted(late)]


@pytest.mark.django_db
def test_where_the_sweep_is_very_late_nobody_looks_for_what_it_leaves() -> None:
    now = datetime.now(UTC)
    ended = now - timedelta(days=3)
    tasks = TaskInstance.objects.bulk_create(
        TaskInstance(
            scope_digest=number.to_bytes(16), dag_id="d", run_id="r", task_id=str(number),
            status="done", active_at=ended,
        )
        for number in range(501)
    )  # fmt: skip
    hour = int(ended.timestamp() // 3600)
    Entry.objects.bulk_create(
        Entry(task_instance=task, key="progress", value="1", expires_at=ended, expires_hour=hour)
        for task in tasks
    )
    assert not queries.is_swept(now)
    Entry.objects.filter(task_instance=tasks[0]).delete()
    assert queries.is_swept(now)


def test_other_keys_are_shown_with_short_values_and_never_with_secrets(viewing: Client) -> None:
    put("progress", {"current": 1})
    put("a", {"host": "x"})
    put("last_page", 381)
    put("db_password", "hunter2hunter2")
    html = viewing.get("/").content.decode()
    assert "last_page <b>381</b>" in html
    assert "hunter2" not in html
    services.scan_secrets()
    watcher.forget()
    html = viewing.get("/").content.decode()
    assert "hunter2" not in html
    assert "possible secret: " in html


@pytest.mark.parametrize(
    ("sort", "heads"),
    [("", {"State": "other"}), ("name", {"Task": "ascending"}),
     ("newest", {"Last write": "descending"}), ("oldest", {"Last write": "ascending"})],
)  # fmt: skip
def test_the_head_of_a_column_says_how_it_is_sorted(
    viewing: Client, sort: str, heads: dict[str, str]
) -> None:
    put("progress", 1)
    html = viewing.get(f"/?sort={sort}").content.decode()
    found = re.findall(r'<th [^>]*aria-sort="(\w+)"><a [^>]*>([^<]+)<', html)
    assert {word: order for order, word in found} == heads


@pytest.mark.parametrize(
    ("path", "is_pushed"), [("/", True), ("/runs/", True), ("/secrets/", False)]
)
def test_pages_for_all_are_pushed_by_a_server_that_can(
    viewing: Client, path: str, is_pushed: bool
) -> None:
    for pushes, pushed in ((False, False), (True, is_pushed)):
        viewing.defaults["statestore.pushes"] = "1" if pushes else ""
        region = re.search('<div id="live"[^>]*>', viewing.get(path).content.decode())
        assert region
        assert (" data-push" in region[0]) == pushed
