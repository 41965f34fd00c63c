"""Each thing that goes wrong has a class of its own, and words that help."""

from datetime import UTC, datetime
from typing import Any

import pytest

import statestore.sdk
from statestore.sdk import (
    ConfigurationError,
    ForbiddenError,
    InvalidValueError,
    StaleAttemptError,
    StateStore,
    StatestoreError,
    TaskStore,
    TooLargeError,
    UnauthorizedError,
)
from tests.ports import free_port
from tests.server import Server


def test_all_errors_are_of_one_family() -> None:
    errors = [
        getattr(statestore.sdk, name) for name in statestore.sdk.__all__ if name.endswith("Error")
    ]
    assert len(errors) >= 13
    assert all(issubclass(error, StatestoreError) for error in errors)


def test_a_token_that_is_not_valid_is_unauthorized(server: Server) -> None:
    store = StateStore(server.url, "sst_unknown")
    with store, pytest.raises(UnauthorizedError, match="token"):
        store.task("dag", "run", "task").task_store.get("key", default="not this")


def test_a_right_that_is_missing_is_forbidden(server: Server) -> None:
    viewer = server.manage("create_api_token", "viewer", "--rights", "view").strip()
    with StateStore(server.url, viewer) as store:
        task_store = store.task("dag", "run", "task").task_store
        assert task_store.get("key", default=7) == 7
        with pytest.raises(ForbiddenError, match="write"):
            task_store.set("key", 1)


def test_a_stale_attempt_hears_that_it_must_stop(store: StateStore, scope: Any) -> None:
    ids = (scope.dag_id, scope.run_id, scope.task_id)
    with store.task(*ids) as old:
        old.task_store.set("key", "old")
        with store.task(*ids) as new:
            for write in (
                lambda: old.task_store.set("key", "late"),
                lambda: old.task_store.delete("key"),
                lambda: old.task_store.clear(),
                lambda: old.task_store.compare_and_set("key", "late", version=1),
                lambda: old.task_store.compare_and_set("new key", "late", version=None),
            ):
                with pytest.raises(StaleAttemptError, match=r"attempt 2 .*has started"):
                    write()
            assert [entry.value for entry in new.task_store.items()] == ["old"]
            assert old.task_store.get("key") == "old"  # reading is harmless


@pytest.mark.parametrize("size", [70_000, 200_000, 20_000_000])
def test_a_value_over_the_limit_is_too_large(task_store: TaskStore, size: int) -> None:
    with pytest.raises(TooLargeError, match="65536"):
        task_store.set("key", "x" * size)
    assert task_store.get("key") is None


@pytest.fixture
def nowhere() -> TaskStore:
    """A store without a server: what is refused here was refused before anything was sent."""
    return (
        StateStore(f"http://127.0.0.1:{free_port()}", "token", retry_seconds=0)
        .task("dag", "run", "task")
        .task_store
    )


class _Own:
    pass


@pytest.mark.parametrize(
    ("value", "loc", "words"),
    [
        (None, ("value",), "delete"),
        (datetime.now(UTC), ("value",), "datetime"),
        ({"a": [1, float("nan")]}, ("value", "a", 1), "nan"),
        ([float("inf")], ("value", 0), "inf"),
        ({"a": {1: 2}}, ("value", "a"), "strings"),
        ({"a": b"bytes"}, ("value", "a"), "bytes"),
        ([{1, 2}], ("value", 0), "set"),
        ({"deep": _Own()}, ("value", "deep"), "_Own"),
        ("\ud800", ("value",), "surrogate"),
        (10**5000, ("value",), "4300 digits"),
    ],
    ids=[
        "None",
        "datetime",
        "nan",
        "inf",
        "int key",
        "bytes",
        "set",
        "object",
        "surrogate",
        "digits",
    ],
)
def test_a_value_without_a_json_form_is_refused_before_it_is_sent(
    nowhere: TaskStore, value: Any, loc: tuple[str | int, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        nowhere.set("key", value)
    assert isinstance(refused.value, InvalidValueError)
    assert refused.value.loc == loc


@pytest.mark.parametrize("key", ["", ".", "..", "x" * 513, "a\nb", "\ud800"])
def test_a_key_that_is_not_allowed_is_refused_before_it_is_sent(
    nowhere: TaskStore, key: str
) -> None:
    for call in (nowhere.get, nowhere.delete, lambda key: nowhere.set(key, 1)):
        with pytest.raises(InvalidValueError, match="key"):
            call(key)


@pytest.mark.parametrize(
    "ids",
    [
        ("", "r", "t"),
        ("d", "..", "t"),
        ("d", "r", "x" * 251),
        ("d", "r", "t", -2),
        ("d", "r/attempts", "t"),
    ],
)
def test_ids_that_are_not_allowed_are_refused(store: StateStore, ids: Any) -> None:
    with pytest.raises(InvalidValueError):
        store.task(*ids)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "Set STATESTORE_URL"),
        ({"STATESTORE_URL": "http://127.0.0.1:1"}, "create_api_token"),
        ({"STATESTORE_URL": "http://127.0.0.1:1", "STATESTORE_TOKEN": "two words"}, "copied whole"),
        (
            {
                "STATESTORE_URL": "http://127.0.0.1:1",
                "STATESTORE_TOKEN": "t",
                "STATESTORE_RETRY_SECONDS": "x",
            },
            "STATESTORE_RETRY_SECONDS",
        ),
    ],
)
def test_what_is_not_configured_is_named(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], words: str
) -> None:
    for name in ("STATESTORE_URL", "STATESTORE_TOKEN", "STATESTORE_RETRY_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(ConfigurationError, match=words):
        StateStore()


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "localhost:8000", "ftp://localhost", "http://", "://", "x"]
)
def test_a_url_that_is_none_is_named_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="STATESTORE_URL"):
        StateStore(url, "token", retry_seconds=0.2).task("dag", "run", "task").task_store.get("key")
