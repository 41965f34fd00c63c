"""Many writers of one key at once."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from statestore import queries
from statestore.errors import PreconditionFailedError
from statestore.models import Entry, ProgressSample, TaskInstance
from statestore.protocol import AssetScope, TaskScope
from statestore.services import (
    Operation,
    Precondition,
    Writer,
    asset_register,
    attempt_start,
    batch_apply,
    entries_clear,
    entry_delete,
    entry_edit,
    entry_increment,
    entry_patch,
    entry_restore,
    summaries,
    sweep_expired,
    sweep_samples,
)
from statestore.services.summaries import Written
from statestore.sql import task_instances
from tests.storage import expire, put
from tests.threads import all_at_once, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 20


def try_to_put(scope: TaskScope, number: int, precondition: Precondition) -> bool:
    try:
        put(scope, "job", str(number), precondition=precondition)
    except PreconditionFailedError:
        return False
    return True


def test_one_of_fifty_that_create_only_wins(scope: TaskScope) -> None:
    """The reservation of an external job: also where the task instance itself is new."""
    create = Precondition(absent=True)

    won = all_at_once(lambda number: try_to_put(scope, number, create), range(50))

    assert won.count(True) == 1
    entry = queries.entry_get(scope=scope, key="job")
    assert (entry.value, entry.version) == (str(won.index(True)), 1)
    assert TaskInstance.objects.filter(scope_digest=scope.digest).count() == 1


def test_one_of_many_takes_the_place_of_an_expired_entry(scope: TaskScope) -> None:
    put(scope, "job", "-1")
    expire(scope, "job")
    create = Precondition(absent=True)

    won = all_at_once(lambda number: try_to_put(scope, number, create), range(WRITERS))

    assert won.count(True) == 1
    assert queries.entry_get(scope=scope, key="job").value == str(won.index(True))


def test_one_of_many_that_expect_a_version_wins(scope: TaskScope) -> None:
    put(scope, "job", "-1")
    first = Precondition(version=1)

    won = all_at_once(lambda number: try_to_put(scope, number, first), range(WRITERS))

    assert won.count(True) == 1
    entry = queries.entry_get(scope=scope, key="job")
    assert (entry.value, entry.version) == (str(won.index(True)), 2)


def test_writes_without_a_precondition_are_all_counted(scope: TaskScope) -> None:
    versions = all_at_once(lambda number: put(scope, "job", str(number)), range(WRITERS))

    assert sorted(versions) == list(range(1, WRITERS + 1))
    last = versions.index(WRITERS)
    assert queries.entry_get(scope=scope, key="job").value == str(last)


def test_sweeps_batches_and_deletes_never_wait_for_each_other_and_leave_no_status_behind(
    scope: TaskScope,
) -> None:
    """PostgreSQL would end one of two that wait for each other, and `all_at_once` would raise it."""
    scopes = [scope.at(number) for number in range(25)]
    writer, brief = Writer("race"), timedelta(microseconds=1)
    value = {"value": '{"status": "done"}', "decoded": {"status": "done"}}

    def batch(number: int) -> None:
        order = scopes if number % 2 else scopes[::-1]
        operations = [
            Operation("set", each, key, expiry=brief, **value)  # type: ignore[arg-type]
            for each in order
            for key in ("progress", "other")
        ]
        for _ in range(12):
            batch_apply(operations=operations, writer=writer)

    def sweep(_: int) -> None:
        for _ in range(40):
            sweep_expired(batch=7)

    def delete(_: int) -> None:
        for each in scopes * 6:
            entry_delete(scope=each, key="progress", writer=writer)

    all_at_once(lambda number: (batch, batch, sweep, sweep, delete)[number](number), range(5))
    sweep_expired()

    reported = Entry.objects.filter(task_instance=OuterRef("pk"), key="progress")
    assert not TaskInstance.objects.exclude(status="").filter(~Exists(reported)).exists()


def test_a_patch_of_a_key_that_is_created_in_between_changes_it(
    scope: TaskScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a precondition it is never refused for a version that nobody asked for."""
    from statestore.services import entries

    obstacle = entries._version_now

    def created_meanwhile(*args: object) -> int | None:
        monkeypatch.undo()
        put(scope, "job", "1")
        return obstacle(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(entries, "_version_now", created_meanwhile)

    version = entry_patch(scope=scope, key="job", value="2", decoded=2, writer=Writer("late"))

    assert (version, queries.entry_get(scope=scope, key="job").value) == (2, "2")


def test_a_status_that_was_overwritten_meanwhile_is_not_reported(
    scope: TaskScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two write progress at once; the slower one reports its status after the other has."""
    from statestore.services import summaries

    update = summaries.update

    def overtaken(*args: object) -> None:
        monkeypatch.undo()
        put(scope, "progress", '{"status": "done"}')
        update(*args)  # type: ignore[arg-type]

    put(scope, "progress", '{"status": "done"}')
    monkeypatch.setattr(summaries, "update", overtaken)

    put(scope, "progress", '{"status": "running"}')

    assert TaskInstance.objects.get(scope_digest=scope.digest).status == "done"


@pytest.mark.parametrize("text", ['{"status": "running"}', '{"status": "done"}'])
def test_a_status_is_that_of_the_progress_that_a_delete_left(scope: TaskScope, text: str) -> None:
    """Each of a pair may be first; what either had read of the task instance may be old by then."""

    def pair(number: int) -> None:
        where = scope.at(number // 2)
        if number % 2:
            put(where, "progress", text)
        else:
            entry_delete(scope=where, key="progress", writer=Writer("race"))

    for _ in range(8):
        for number in range(10):
            put(scope.at(number), "progress", '{"status": "running"}')
        all_at_once(pair, range(20))
        reported = Entry.objects.filter(task_instance=OuterRef("pk"), key="progress")
        instances = TaskInstance.objects.annotate(reports=Exists(reported))
        found = {(row.reports, row.status) for row in instances if row.map_index >= 0}
        assert found <= {(True, text.split('"')[3]), (False, "")}


@pytest.mark.postgresql
def test_a_write_that_waited_for_a_batch_reports_its_own_status(scope: TaskScope) -> None:
    """Its statement saw the status from before the batch, and so that there was nothing to change."""
    put(scope, "progress", '{"status": "running"}')
    written = Event()

    def act(batch: bool) -> None:
        if not batch:
            written.wait(30)
            put(scope, "progress", '{"status": "running"}')
            return
        value = '{"status": "failed"}'
        failed = Operation("set", scope, "progress", value=value, decoded={"status": "failed"})
        with transaction.atomic():
            batch_apply(operations=[failed], writer=Writer("tests"))
            written.set()
            time.sleep(0.5)  # the other one waits by now

    all_at_once(act, [True, False])

    assert TaskInstance.objects.get(scope_digest=scope.digest).status == "running"


@pytest.mark.postgresql
def test_a_status_that_is_taken_over_while_a_write_waits_for_it_does_not_stay(
    scope: TaskScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write of an attempt saw the status from before, and afterwards the same version as then."""
    put(scope, "progress", '{"status": "running"}')
    report, held = task_instances.report, Event()

    class Reports:
        def count(self, **parameters: object) -> int:
            if not held.is_set():
                held.set()
                wait_until(someone_waits_for_me)
            return report.count(**parameters)

    def act(status: str) -> None:
        if status == "running":
            held.wait(30)
        attempt = 1 if status == "running" else None
        put(scope, "progress", f'{{"status": "{status}"}}', writer=Writer("tests", attempt))

    attempt_start(scope=scope)
    monkeypatch.setattr(task_instances, "report", Reports())

    all_at_once(act, ["done", "running"])

    assert TaskInstance.objects.get(scope_digest=scope.digest).status == "running"


@pytest.mark.postgresql
@pytest.mark.parametrize("expiry", [None, timedelta(0)])
def test_a_status_that_is_taken_over_before_the_next_write_ends_does_not_stay(
    scope: TaskScope, monkeypatch: pytest.MonkeyPatch, expiry: timedelta | None
) -> None:
    """The next write saw the status from before, and is seen only when its transaction has ended."""
    put(scope, "progress", '{"status": "running"}')
    update, written, overwritten, settled = summaries.update, Event(), Event(), Event()

    def later(entry: Written, now: datetime) -> None:
        if entry.decoded == {"status": "done"}:
            written.set()
            overwritten.wait(30)
        update(entry, now)

    def act(status: str) -> None:
        if status == "done":
            put(scope, "progress", '{"status": "done"}', expiry=expiry)
            settled.set()
            return
        written.wait(30)
        with transaction.atomic():
            put(scope, "progress", '{"status": "running"}')
            overwritten.set()
            wait_until(lambda: settled.is_set() or someone_waits_for_me())

    monkeypatch.setattr(summaries, "update", later)

    all_at_once(act, ["done", "running"])

    assert TaskInstance.objects.get(scope_digest=scope.digest).status == "running"


@pytest.mark.postgresql
def test_a_sweep_of_samples_waits_for_no_clear(scope: TaskScope) -> None:
    """It locks by age, and a clear by task: of two that wait for each other, PostgreSQL ends one."""
    old, cleared, swept = datetime.now(UTC) - timedelta(days=2), Event(), Event()
    for each in (scope, scope.at(1), scope, scope.at(1)):
        put(each, "progress", '{"current": 1}')
        task = TaskInstance.objects.get(scope_digest=each.digest)
        ProgressSample.objects.create(task_instance=task, at=old, attempt=0, done=1)
    ProgressSample.objects.filter(at__gt=old).delete()

    def act(clears: bool) -> int:
        if not clears:
            cleared.wait(30)
            deleted = sweep_samples()
            swept.set()
            return deleted
        with transaction.atomic():
            entries_clear(scope=scope, writer=Writer("tests"))
            cleared.set()
            wait_until(lambda: swept.is_set() or someone_waits_for_me())
            return swept.is_set()

    assert all_at_once(act, [True, False]) == [True, 2]
    assert not ProgressSample.objects.exists()


def someone_waits_for_me() -> bool:
    """Whether another connection waits for what this one holds."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT count(*) FROM pg_locks
            WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))""")
        return bool(cursor.fetchone()[0])


@pytest.mark.postgresql
def test_batches_that_set_and_delete_in_new_tasks_never_wait_for_each_other(
    scope: TaskScope,
) -> None:
    """A deadlock would be an error here."""
    chance = random.Random(7)
    for turn in range(20):
        scopes = [scope.at(100 * turn + number) for number in range(6)]
        batches = [
            [
                Operation("set", one, "a", value="1")
                if chance.random() < 0.5
                else Operation("delete", one, "progress")
                for one in chance.sample(scopes, 5)
            ]
            for _ in range(6)
        ]
        all_at_once(lambda batch: batch_apply(operations=batch, writer=Writer("tests")), batches)


@pytest.mark.postgresql
def test_batches_over_assets_never_wait_for_each_other() -> None:
    """Whatever the order in which they name them."""
    assets = [AssetScope(asset_register(name=f"a{n}", uri=f"s3://a{n}")[0].id) for n in range(8)]
    chance = random.Random(7)
    for _ in range(20):
        batches = [
            [Operation("set", one, "a", value="1") for one in chance.sample(assets, 8)]
            for _ in range(6)
        ]
        all_at_once(lambda batch: batch_apply(operations=batch, writer=Writer("tests")), batches)


@pytest.mark.postgresql
@pytest.mark.parametrize("by_hand", [entry_edit, entry_restore])
def test_a_change_by_hand_and_an_increment_never_wait_for_each_other(
    scope: TaskScope, monkeypatch: pytest.MonkeyPatch, by_hand: Callable[..., int]
) -> None:
    """The one has written the key of a task that was idle, and not yet the task; the other holds the
    task. A deadlock would be an error here."""
    put(scope, "n", "1")
    idle_since = datetime.now(UTC) - timedelta(minutes=5)
    TaskInstance.objects.filter(scope_digest=scope.digest).update(active_at=idle_since)
    written, update = Event(), summaries.update

    def wait_for_the_other(*args: object) -> None:
        if not written.is_set():
            written.set()
            time.sleep(0.5)  # the other one waits by now
        update(*args)  # type: ignore[arg-type]

    def act(person: bool) -> None:
        if person:
            new = {"value": "5", "decoded": 5} if by_hand is entry_edit else {}
            by_hand(scope=scope, key="n", version=1, writer=Writer("user vera"), **new)
        else:
            written.wait(30)
            entry_increment(scope=scope, key="n", by="1", writer=Writer("worker"))

    monkeypatch.setattr(summaries, "update", wait_for_the_other)

    all_at_once(act, [True, False])

    assert queries.entry_get(scope=scope, key="n").version == 3
