"""Versions of keys and samples of progress: bounded, whoever writes and however; gone with their key."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from statestore import services
from statestore.access import Grant, Principal, Right
from statestore.errors import NotFoundError, StaleAttemptError
from statestore.models import (
    Asset,
    AssetEntryVersion,
    AuditEntry,
    Entry,
    EntryVersion,
    ProgressSample,
    TaskInstance,
)
from statestore.protocol import AssetScope, TaskScope
from statestore.queries import key_history, samples_of
from statestore.services import Operation, Precondition, Writer, history
from statestore.services.summaries import forget_progress
from statestore.tasks import sweep_samples, sweep_versions
from tests.storage import ME, expire, put, row_of
from tests.threads import all_at_once

ALL = Principal("tests", (Grant(frozenset(Right)),))

pytestmark = pytest.mark.django_db


def task_id(scope: TaskScope) -> int:
    return int(TaskInstance.objects.get(scope_digest=scope.digest).pk)


def values(scope: TaskScope, key: str = "k") -> list[tuple[int, str]]:
    history = key_history(task_id(scope), key, ALL)
    return [(version.version, version.value) for version in history.versions]


def samples(scope: TaskScope) -> list[tuple[int, float, float | None]]:
    since = datetime.now(UTC) - timedelta(days=2)
    found = samples_of([task_id(scope)], since=since).get(task_id(scope), [])
    return [(sample.attempt, sample.done, sample.total) for sample in found]


def age(scope: TaskScope, seconds: float) -> None:
    then = datetime.now(UTC) - timedelta(seconds=seconds)
    row_of(scope, "progress").update(sampled_at=then)


# --- versions ---


def test_every_change_is_kept_with_who_made_it(scope: TaskScope) -> None:
    put(scope, "k", "1", writer=Writer("token a"))
    put(scope, "k", "2", writer=Writer("task b", attempt=3))

    newest, oldest = key_history(task_id(scope), "k", ALL).versions

    assert (newest.version, newest.value, newest.writer, newest.attempt) == (2, "2", "task b", 3)
    assert (oldest.version, oldest.value, oldest.writer, oldest.attempt) == (
        1,
        "1",
        "token a",
        None,
    )
    assert oldest.at < newest.at


def test_twenty_changes_are_kept_and_no_more(scope: TaskScope) -> None:
    for number in range(1, 51):
        put(scope, "k", str(number))

    assert values(scope) == [(number, str(number)) for number in range(50, 30, -1)]
    assert EntryVersion.objects.count() == 20


def test_writing_the_same_again_is_no_change(scope: TaskScope) -> None:
    put(scope, "k", '"old"')
    for _ in range(40):
        put(scope, "k", '"same"')

    assert values(scope) == [(41, '"same"'), (1, '"old"')]


WRITES: dict[str, Callable[[TaskScope], Any]] = {
    "patch": lambda scope: services.entry_patch(
        scope=scope, key="k", value="5", decoded=5, writer=ME
    ),
    "increment": lambda scope: services.entry_increment(scope=scope, key="k", by="4", writer=ME),
    "compare and set": lambda scope: put(scope, "k", "5", precondition=Precondition(version=1)),
    "batch": lambda scope: services.batch_apply(
        operations=[Operation("set", scope, "k", value="5", decoded=5)], writer=ME
    ),
}


@pytest.mark.parametrize("way", WRITES)
def test_every_way_to_write_keeps_a_version(scope: TaskScope, way: str) -> None:
    put(scope, "k", "1")
    WRITES[way](scope)
    assert values(scope) == [(2, "5"), (1, "1")]


def many(scopes: list[TaskScope], number: int, *keys: str) -> None:
    """One batch that writes these keys of all scopes."""
    text = json.dumps({"current": number})
    services.batch_apply(
        operations=[
            Operation("set", scope, key, 2, value=text, decoded=json.loads(text))
            for scope in scopes
            for key in keys
        ],
        writer=ME,
    )


def test_a_batch_keeps_versions_and_samples_in_a_statement_each(scope: TaskScope) -> None:
    scopes = [scope.at(index) for index in range(5)]
    keys = ("a", "b", "progress")
    many(scopes, 1, *keys)
    many(scopes, 1, *keys)
    for one in scopes:
        age(one, 11)
    with CaptureQueriesContext(connection) as ran:
        many(scopes, 2, *keys)
    for one in scopes:
        for key in ("a", "b"):
            assert values(one, key) == [(3, '{"current": 2}'), (2, '{"current": 1}')]
        assert samples(one) == [(2, 1.0, None), (2, 2.0, None)]
    writes = [query["sql"] for query in ran if "INSERT INTO" in query["sql"]]
    tables = ["statestore_entry AS e", "statestore_entry AS e", "statestore_progresssample"]
    assert len(writes) == len(tables)
    assert all(table in text for table, text in zip(tables, writes, strict=True))


def test_a_batch_moves_the_last_write_of_its_tasks_and_their_statuses(scope: TaskScope) -> None:
    scopes = [scope.at(index) for index in range(3)]
    many(scopes, 1, "a", "progress")
    then = datetime.now(UTC) - timedelta(minutes=5)
    TaskInstance.objects.update(active_at=then, status="done")
    many(scopes[:2], 2, "a", "b")
    many(scopes[2:], 2, "progress")
    found = {one.map_index: one for one in TaskInstance.objects.all()}
    assert [found[index].status for index in range(3)] == ["done", "done", "running"]
    assert all(found[index].active_at > then + timedelta(minutes=4) for index in range(3))


def test_each_operation_of_a_numbered_batch_has_a_number_of_its_own(scope: TaskScope) -> None:
    numbered = Writer("tests", session="s", sequence=10)
    sets = [Operation("set", scope, key, value="1") for key in ("a", "b")]
    services.batch_apply(operations=sets, writer=numbered)
    late = Writer("tests", session="s", sequence=11)
    for key, version in {"a": 2, "b": None}.items():
        written = services.entry_set(scope=scope, key=key, value="2", decoded=2, writer=late)
        assert written == version


def test_progress_that_was_written_again_keeps_its_status_and_samples(scope: TaskScope) -> None:
    put(scope, "progress", '{"current": 1}')
    forget_progress([(task_id(scope), "progress")])
    assert TaskInstance.objects.get(scope_digest=scope.digest).status == "running"
    assert samples(scope)
    row_of(scope, "progress").delete()
    forget_progress([(task_id(scope), "progress")])
    assert TaskInstance.objects.get(scope_digest=scope.digest).status == ""
    assert not samples(scope)


def test_a_batch_over_assets_keeps_versions() -> None:
    found, _ = services.asset_register(name="orders", uri="s3://orders")
    for text in ("1", "2"):
        services.batch_apply(
            operations=[
                Operation("set", AssetScope(found.id), key, value=text)
                for key in ("watermark", "progress")
            ],
            writer=ME,
        )
    kept = AssetEntryVersion.objects.order_by("entry_id", "version")
    assert list(kept.values_list("version", "value")) == [(1, "1"), (2, "2")] * 2


def test_the_progress_of_an_asset_is_no_status_of_the_task_with_its_number(
    scope: TaskScope,
) -> None:
    put(scope, "progress", '{"status": "running"}')
    found, _ = services.asset_register(name="orders", uri="s3://orders")
    Asset.objects.filter(pk=found.id).update(id=task_id(scope))
    asset, failed = AssetScope(task_id(scope)), {"status": "failed"}
    value = json.dumps(failed)
    services.batch_apply(
        operations=[Operation("set", asset, "progress", value=value, decoded=failed)], writer=ME
    )
    assert TaskInstance.objects.get(scope_digest=scope.digest).status == "running"


def test_a_merge_keeps_a_version(scope: TaskScope) -> None:
    put(scope, "k", '{"a":1}')
    services.entry_merge(scope=scope, key="k", patch='{"b":2}', writer=ME)
    assert [version for version, _ in values(scope)] == [2, 1]


def test_a_write_that_was_refused_leaves_nothing(scope: TaskScope) -> None:
    put(scope, "k", "1")
    services.attempt_start(scope=scope)
    services.attempt_start(scope=scope)
    with pytest.raises(StaleAttemptError):
        put(scope, "k", "2", writer=Writer("late", attempt=1))
    assert values(scope) == [(1, "1")]


def test_what_stood_there_before_it_expired_is_gone(scope: TaskScope) -> None:
    put(scope, "k", "1")
    expire(scope, "k")
    with pytest.raises(NotFoundError):
        values(scope)
    put(scope, "k", "2")
    assert values(scope) == [(2, "2")]


def sweep(scope: TaskScope) -> None:
    expire(scope, "k")
    services.sweep_expired()


DELETIONS: dict[str, Callable[[TaskScope], Any]] = {
    "delete": lambda scope: services.entry_delete(scope=scope, key="k", writer=ME),
    "clear": lambda scope: services.entries_clear(scope=scope, writer=ME),
    "all map indices": lambda scope: services.entries_clear(
        scope=scope, writer=ME, all_map_indices=True
    ),
    "run": lambda scope: services.run_clear(dag_id=scope.dag_id, run_id=scope.run_id, writer=ME),
    "sweep": sweep,
}


@pytest.mark.parametrize("way", DELETIONS)
def test_versions_go_with_their_key(scope: TaskScope, way: str) -> None:
    put(scope.at(9), "other", "1")
    for value in ("1", "2"):
        put(scope, "k", value)
    DELETIONS[way](scope)
    left = set(EntryVersion.objects.values_list("entry_id", flat=True))
    assert left == set(Entry.objects.values_list("pk", flat=True))
    put(scope, "k", "3")
    assert values(scope) == [(1, "3")]


def test_assets_have_versions_too() -> None:
    asset, _ = services.asset_register(name="orders", uri="s3://orders")
    scope = AssetScope(asset.id)
    for value in (1, 2):
        services.entry_set(scope=scope, key="k", value=str(value), decoded=value, writer=ME)
    kept = AssetEntryVersion.objects.order_by("version").values_list("version", "value")
    assert list(kept) == [(1, "1"), (2, "2")]
    services.entry_delete(scope=scope, key="k", writer=ME)
    assert not AssetEntryVersion.objects.exists()


def test_orphans_are_swept() -> None:
    EntryVersion.objects.create(
        entry_id=10**12, slot=1, version=1, value="1", at=datetime.now(UTC), writer="x"
    )
    assert sweep_versions() == 1
    assert not EntryVersion.objects.exists()


def test_orphans_are_swept_some_entries_at_a_time(
    scope: TaskScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever they stand among the versions that stay."""
    monkeypatch.setattr(history, "SWEEP_BATCH", 3)
    for key in 2 * "abcdefgh":
        put(scope, key, "1")
        put(scope, key, "2")
    gone = Entry.objects.filter(key__in=list("adeh"))
    left = list(EntryVersion.objects.filter(entry_id__in=gone.values("pk")))
    gone.delete()
    EntryVersion.objects.bulk_create(left, ignore_conflicts=True)  # SQLite has forgotten them
    deleted, rest = services.sweep_versions(seconds=0)
    assert rest is not None  # and so a long sweep goes on behind what else a worker has to do
    with CaptureQueriesContext(connection) as ran:
        assert deleted + sweep_versions(*rest) == len(left) == 16
    kept = EntryVersion.objects.values_list("entry_id", flat=True)
    assert set(kept) == set(Entry.objects.values_list("pk", flat=True))
    assert len(kept) == 16
    assert len([query for query in ran if "DELETE" in query["sql"]]) > 3


@pytest.mark.django_db(transaction=True)
def test_of_many_writers_none_loses_a_version(scope: TaskScope) -> None:
    put(scope, "k", "-1")
    all_at_once(lambda number: put(scope, "k", str(number)), range(16))
    kept = values(scope)
    assert [version for version, _ in kept] == list(range(17, 0, -1))
    assert {int(value) for _, value in kept} == set(range(-1, 16))


# --- restoring ---


def test_an_old_value_is_restored_with_an_audit_and_its_expiry(scope: TaskScope) -> None:
    put(scope, "k", '{"a": 1.50}', expiry=timedelta(hours=5))
    put(scope, "k", "2", expiry=timedelta(hours=7))
    before = row_of(scope, "k").get().expires_at

    new = services.entry_restore(
        scope=scope, key="k", version=1, writer=Writer("user vera", reason="wrong deploy")
    )

    row = row_of(scope, "k").get()
    assert (new, row.value, row.expires_at, row.writer) == (3, '{"a": 1.50}', before, "user vera")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.who, entry.key) == ("restored", "user vera", "k")
    assert (entry.detail, entry.reason) == ("version 1, as version 3", "wrong deploy")


@pytest.mark.parametrize("version", [0, 3, 10**17])
def test_a_version_that_is_not_kept_is_not_restored(scope: TaskScope, version: int) -> None:
    put(scope, "k", "1")
    with pytest.raises(NotFoundError):
        services.entry_restore(scope=scope, key="k", version=version, writer=ME)
    assert values(scope) == [(1, "1")]
    assert not AuditEntry.objects.exists()


# --- samples ---


def test_a_sample_is_taken_at_most_every_10_seconds(scope: TaskScope) -> None:
    for current in range(30):
        put(scope, "progress", json.dumps({"current": current, "total": 100}))
    assert samples(scope) == [(0, 0.0, 100.0)]
    age(scope, 9)
    put(scope, "progress", '{"current": 40, "total": 100}')
    assert len(samples(scope)) == 1
    age(scope, 11)
    put(scope, "progress", '{"current": 50}')
    assert samples(scope) == [(0, 0.0, 100.0), (0, 50.0, None)]


def test_a_sample_names_the_attempt(scope: TaskScope) -> None:
    attempt = services.attempt_start(scope=scope)
    put(scope, "progress", '{"current": 1}', writer=Writer("w", attempt=attempt))
    services.attempt_start(scope=scope)
    age(scope, 11)
    put(scope, "progress", '{"current": 2}')
    assert [attempt for attempt, _, _ in samples(scope)] == [1, 2]


@pytest.mark.parametrize("value", ["7", '"half"', "{}", "[1]", '{"current": "x"}',
                                   '{"current": 1' + "0" * 400 + "}"])  # fmt: skip
def test_what_has_no_number_leaves_no_sample(scope: TaskScope, value: str) -> None:
    put(scope, "progress", value)
    assert samples(scope) == []


def test_progress_has_no_versions(scope: TaskScope) -> None:
    for current in range(3):
        put(scope, "progress", json.dumps({"current": current}))
    assert not EntryVersion.objects.exists()


def test_samples_go_with_the_progress(scope: TaskScope) -> None:
    put(scope.at(3), "progress", '{"current": 1}')
    put(scope, "progress", '{"current": 1}')
    services.entries_clear(scope=scope, writer=ME)
    assert samples(scope) == []
    assert len(samples(scope.at(3))) == 1


def test_samples_go_with_the_progress_that_is_swept(scope: TaskScope) -> None:
    put(scope, "progress", '{"current": 1}', expiry=timedelta(microseconds=1))
    assert len(samples(scope)) == 1
    services.sweep_expired()
    assert samples(scope) == []


def test_a_day_of_samples_is_kept(scope: TaskScope) -> None:
    put(scope, "other", "1")
    for hours in (200, 25, 23, 0):
        at = datetime.now(UTC) - timedelta(hours=hours)
        ProgressSample.objects.create(task_instance_id=task_id(scope), at=at, attempt=0, done=hours)
    assert sweep_samples() == 2
    assert [done for _, done, _ in samples(scope)] == [23, 0]


@pytest.mark.django_db(transaction=True)
def test_of_many_writers_one_takes_the_sample(scope: TaskScope) -> None:
    put(scope, "progress", '{"current": 1}')
    age(scope, 11)
    all_at_once(lambda _: put(scope, "progress", '{"current": 2}'), range(8))
    assert len(samples(scope)) == 2


@pytest.mark.parametrize("key", ["progress", "k"])
def test_the_usual_write_runs_no_further_statement(scope: TaskScope, key: str) -> None:
    put(scope, key, '{"current": 1}')
    with CaptureQueriesContext(
        connection,
    ) as ran:
        put(scope, key, '{"current": 2}')
    assert len(ran) == 1, [query["sql"] for query in ran]
