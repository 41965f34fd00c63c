"""Many keys at once, changes of a value that is there, and answers that are lost on their way."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import (
    NEVER_EXPIRE,
    InvalidValueError,
    NotANumberError,
    NotFoundError,
    StaleAttemptError,
    StateStore,
    TaskStore,
    UnreachableError,
)
from tests.proxy import Proxy
from tests.server import Server


def test_many_keys_are_set_and_read_at_once(task_store: TaskStore) -> None:
    values = {f"key/{number:04}": {"n": number} for number in range(1000)}
    task_store.set_many(values)
    assert task_store.get_many(values) == values
    assert task_store.get_many([]) == {}
    task_store.set_many({})


def test_missing_keys_are_left_out_and_a_key_may_be_asked_for_twice(task_store: TaskStore) -> None:
    task_store.set_many({"falsy": 0, "empty": ""})
    assert task_store.get_many(["falsy", "none", "empty", "falsy"]) == {"falsy": 0, "empty": ""}


def test_more_than_a_thousand_keys_are_refused_and_none_is_written(task_store: TaskStore) -> None:
    values = {f"key {number}": number for number in range(1001)}
    with pytest.raises(InvalidValueError, match="1000"):
        task_store.set_many(values)
    with pytest.raises(InvalidValueError, match="1000"):
        task_store.get_many(values)
    assert list(task_store.items()) == []


def test_many_keys_are_written_all_or_none(task_store: TaskStore) -> None:
    with pytest.raises(InvalidValueError):
        task_store.set_many({"a": 1, "b": None})
    with pytest.raises(InvalidValueError):
        task_store.set_many({"a": 1, "..": 2})
    assert task_store.get_many(["a", "b"]) == {}


def test_many_keys_have_one_retention(task_store: TaskStore) -> None:
    task_store.set_many({"a": 1, "b": 2}, retention=NEVER_EXPIRE)
    assert [entry.expires_at for entry in task_store.items()] == [None, None]
    task_store.set_many({"a": 1, "b": 2}, retention=timedelta(hours=1))
    for entry in task_store.items():
        assert entry.expires_at is not None
        assert entry.expires_at - entry.updated_at == timedelta(hours=1)


def test_a_stale_attempt_can_change_nothing(store: StateStore, scope: TaskScope) -> None:
    ids = (scope.dag_id, scope.run_id, scope.task_id)
    with store.task(*ids) as old, store.task(*ids) as new:
        new.task_store.set_many({"number": 1, "object": {"a": 1}})
        stale = old.task_store
        for write in (
            lambda: stale.set_many({"number": 2}),
            lambda: stale.increment("number"),
            lambda: stale.update("object", {"b": 1}),
        ):
            with pytest.raises(StaleAttemptError):
                write()
        assert new.task_store.get_many(["number", "object"]) == {"number": 1, "object": {"a": 1}}


def test_update_changes_some_fields_and_removes_those_with_none(task_store: TaskStore) -> None:
    task_store.set("object", {"a": 1, "b": {"c": 2, "d": 3}}, retention=NEVER_EXPIRE)
    assert task_store.update("object", {"a": None, "b": {"c": 9}}) == {"b": {"c": 9, "d": 3}}
    entry = task_store.entry("object")
    assert entry is not None
    assert (entry.version, entry.expires_at) == (2, None)
    with pytest.raises(NotFoundError, match="missing"):
        task_store.update("missing", {"a": 1})


def test_increment_counts_from_0_and_adds_exactly(task_store: TaskStore) -> None:
    assert task_store.increment("rows") == 1
    assert task_store.increment("rows", 10**20) == 10**20 + 1
    assert task_store.increment("tenths", 0.1) == 0.1
    assert task_store.increment("tenths", 0.2) == 0.3
    task_store.set("word", "x")
    with pytest.raises(NotANumberError):
        task_store.increment("word")


def test_a_key_that_ends_like_the_path_of_an_increment_is_a_key(task_store: TaskStore) -> None:
    task_store.set("a/increment", 5)
    assert task_store.increment("a/increment", 2) == 7
    assert task_store.get_many(["a", "a/increment"]) == {"a/increment": 7}


def test_twenty_threads_lose_no_increment(task_store: TaskStore) -> None:
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda _: task_store.increment("count"), range(100)))
    assert task_store.get("count") == 100


# --- answers that are lost ---


@pytest.fixture
def behind(proxy: Proxy, server: Server, scope: TaskScope) -> Iterator[TaskStore]:
    """The same task's keys, as they are reached through the proxy."""
    with StateStore(proxy.url, server.token, timeout=1, retry_seconds=2) as store:
        yield store.task(scope.dag_id, scope.run_id, scope.task_id).task_store


def test_an_increment_whose_answer_was_lost_is_not_repeated(
    proxy: Proxy, behind: TaskStore, task_store: TaskStore
) -> None:
    assert behind.increment("count") == 1
    proxy.lose_answers_to = b"/increment"
    with pytest.raises(UnreachableError, match="not known whether"):
        behind.increment("count")
    assert proxy.lost == 1
    assert task_store.get("count") == 2


def test_any_other_write_whose_answer_was_lost_is_repeated_without_harm(
    proxy: Proxy, behind: TaskStore, task_store: TaskStore
) -> None:
    proxy.lose_answers_to = b"PUT "
    with pytest.raises(UnreachableError):
        behind.set("key", 1)
    assert proxy.lost > 1
    assert task_store.get("key") == 1
    proxy.lose_answers_to = b""
    behind.set("key", 2)
    assert task_store.get("key") == 2


def test_an_increment_is_tried_again_where_it_was_never_sent(
    server: Server, scope: TaskScope, task_store: TaskStore
) -> None:
    task_store.set("count", 1)
    server.stop()
    with StateStore(server.url, server.token, retry_seconds=20) as store:
        behind = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store
        with ThreadPoolExecutor(1) as thread:
            added: Any = thread.submit(behind.increment, "count")
            server.start()
            assert added.result(30) == 2


def test_all_entries_come_although_those_before_are_deleted_meanwhile(
    task_store: TaskStore,
) -> None:
    keys = [f"key {number:03}" for number in range(250)]
    task_store.set_many(dict.fromkeys(keys, 1))
    seen = []
    for entry in task_store.items():
        seen.append(entry.key)
        task_store.delete(entry.key)
    assert seen == keys
    assert list(task_store.items()) == []


def test_a_sum_that_no_number_can_hold_is_refused(task_store: TaskStore) -> None:
    task_store.set("number", 1e308)
    with pytest.raises(InvalidValueError):
        task_store.increment("number", 1e308)
    assert task_store.get("number") == 1e308
