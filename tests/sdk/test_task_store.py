"""What a task reads and writes its keys with."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from statestore.sdk import NEVER_EXPIRE, PreconditionFailedError, StateStore, TaskStore


def test_a_value_that_was_set_is_there_for_the_next_attempt(store: StateStore, scope: Any) -> None:
    ids = (scope.dag_id, scope.run_id, scope.task_id)
    with store.task(*ids) as context:
        context["task_store"].set("last_page", 3)
        assert context.attempt == 1
    with store.task(*ids) as context:
        assert context["task_store"].get("last_page") == 3
        assert context.attempt == 2


def test_the_context_has_the_names_that_airflow_uses(store: StateStore) -> None:
    context = store.task("dag", "run", "task", 3)
    assert context["task_store"] is context["task_state_store"] is context["task_state"]
    ids = [context[name] for name in ("dag_id", "run_id", "task_id", "map_index")]
    assert ids == ["dag", "run", "task", 3]


@pytest.mark.parametrize(
    "value",
    [0, "", False, [], {}, "ü🦆\0", 1.5, 10**100, [None], {"a": {"b": [1, "x", True]}}, 1e-300],
    ids=repr,
)
def test_values_come_back_as_they_went(task_store: TaskStore, value: Any) -> None:
    task_store.set("value", value)
    back = task_store.get("value", default="the default")
    assert back == value
    assert type(back) is type(value)


def test_the_default_is_for_missing_keys_alone(task_store: TaskStore) -> None:
    assert task_store.get("missing") is None
    assert task_store.get("missing", default=7) == 7
    task_store.set("falsy", 0)
    assert task_store.get("falsy", default=7) == 0


@pytest.mark.parametrize(
    "key", ["a/b", "50%", "a%2Fb", "a+b c", "?x=1#y", "🦆", "x" * 512, "/", "~"]
)
def test_any_printable_key_is_a_key(task_store: TaskStore, key: str) -> None:
    task_store.set(key, key)
    assert task_store.get(key) == key
    assert [entry.key for entry in task_store.items()] == [key]
    task_store.delete(key)
    assert task_store.get(key) is None


def test_an_entry_has_its_version_and_its_times(task_store: TaskStore) -> None:
    task_store.set("key", 1)
    task_store.set("key", 2, retention=NEVER_EXPIRE)
    entry = task_store.entry("key")
    assert entry is not None
    assert (entry.value, entry.version, entry.expires_at) == (2, 2, None)
    assert abs(datetime.now(UTC) - entry.updated_at) < timedelta(seconds=30)
    assert task_store.entry("missing") is None


def test_deleting_what_is_missing_does_no_harm(task_store: TaskStore) -> None:
    task_store.delete("missing")


def test_clear_deletes_one_map_index_or_all(store: StateStore, scope: Any) -> None:
    stores = [
        store.task(scope.dag_id, scope.run_id, scope.task_id, index).task_store
        for index in (-1, 0, 1)
    ]
    for task_store in stores:
        task_store.set("key", 1)
    stores[1].clear()
    assert [task_store.get("key") for task_store in stores] == [1, None, 1]
    stores[1].clear(all_map_indices=True)
    assert [task_store.get("key") for task_store in stores] == [None, None, None]


def test_items_reads_every_page(task_store: TaskStore) -> None:
    for number in range(205):
        task_store.set(f"key {number:03}", number)
    assert [entry.value for entry in task_store.items()] == list(range(205))


def test_compare_and_set_creates_once(task_store: TaskStore) -> None:
    assert task_store.compare_and_set("lock", "mine", version=None) == 1
    with pytest.raises(PreconditionFailedError) as refused:
        task_store.compare_and_set("lock", "yours", version=None)
    assert refused.value.version == 1
    assert task_store.get("lock") == "mine"


def test_compare_and_set_writes_over_the_version_it_expects(task_store: TaskStore) -> None:
    task_store.set("counter", 1)
    assert task_store.compare_and_set("counter", 2, version=1) == 2
    with pytest.raises(PreconditionFailedError, match="version 2") as refused:
        task_store.compare_and_set("counter", 9, version=1)
    assert refused.value.version == 2
    task_store.delete("counter")
    with pytest.raises(PreconditionFailedError, match="does not exist") as gone:
        task_store.compare_and_set("counter", 9, version=2)
    assert gone.value.version is None
