"""How long an entry lives."""

from datetime import timedelta
from typing import Any

import pytest

from statestore.sdk import NEVER_EXPIRE, InvalidValueError, TaskStore


def lifetime(task_store: TaskStore) -> timedelta | None:
    entry = task_store.entry("key")
    assert entry is not None
    return entry.expires_at - entry.updated_at if entry.expires_at else None


def test_a_timedelta_counts_from_the_write(task_store: TaskStore) -> None:
    task_store.set("key", 1, retention=timedelta(hours=1, microseconds=1))
    assert lifetime(task_store) == timedelta(hours=1, microseconds=1)


def test_never_and_the_servers_default(task_store: TaskStore) -> None:
    task_store.set("key", 1, retention=NEVER_EXPIRE)
    assert lifetime(task_store) is None
    task_store.set("key", 1)
    assert lifetime(task_store) == timedelta(days=30)


def test_no_time_at_all_is_gone_at_once(task_store: TaskStore) -> None:
    task_store.set("key", 1, retention=timedelta(0))
    assert task_store.get("key", default="gone") == "gone"


@pytest.mark.parametrize("retention", [60, 1.5, "never", True])
def test_a_number_is_a_type_error_and_nothing_is_written(
    task_store: TaskStore, retention: Any
) -> None:
    with pytest.raises(TypeError, match="timedelta"):
        task_store.set("key", 1, retention=retention)
    assert task_store.get("key") is None


@pytest.mark.parametrize("retention", [timedelta(seconds=-1), timedelta(days=999_999_999)])
def test_a_time_that_makes_no_sense_is_a_value_error(
    task_store: TaskStore, retention: timedelta
) -> None:
    with pytest.raises(ValueError, match=r"retention|expires_in") as refused:
        task_store.set("key", 1, retention=retention)
    assert isinstance(refused.value, InvalidValueError)
    assert task_store.get("key") is None
