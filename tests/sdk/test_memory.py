"""STATESTORE_MODE=off: the tests of the accessors and of jobs again, on memory instead of a server."""

import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from statestore.sdk import ConfigurationError, StateStore, TooLargeError
from statestore.sdk.memory import MemoryTransport
from tests.sdk import test_assets, test_many, test_resumable, test_retention, test_task_store
from tests.server import ROOT, Server
from tests.threads import run_async

_NEED_A_SERVER = {"server", "proxy", "behind"}

attempt = test_resumable.attempt
system = test_resumable.system
failing = test_resumable.failing
events = test_resumable.events
quick = test_resumable.quick

for _module in (test_assets, test_many, test_resumable, test_retention, test_task_store):
    for _name, _test in inspect.getmembers(_module, inspect.isfunction):
        if _name.startswith("test_") and not _NEED_A_SERVER & set(
            inspect.signature(_test).parameters
        ):
            assert _name not in globals()
            globals()[_name] = _test


@pytest.fixture
def store() -> Iterator[StateStore]:
    """A store on a memory of its own."""
    with StateStore(transport=MemoryTransport()) as opened:
        yield opened


def test_the_tests_above_were_found() -> None:
    assert len([name for name in globals() if name.startswith("test_")]) > 50


def test_a_value_that_the_server_would_not_take_is_not_taken(store: StateStore) -> None:
    task_store = store.task("dag", "run", "task").task_store
    with pytest.raises(TooLargeError):
        task_store.set("key", "x" * 65536)
    with pytest.raises(TooLargeError):
        task_store.set_many({"small": 1, "key": "x" * 65536})
    assert list(task_store.items()) == []


def test_waiting_ends_with_the_write(store: StateStore) -> None:
    task_store = store.task("dag", "run", "task").task_store

    async def work() -> Any:
        waiting = asyncio.create_task(task_store.await_("key", seconds=10))
        await asyncio.sleep(0.05)
        await task_store.aset("key", 1)
        return await waiting

    assert run_async(work()).value == 1
    assert task_store.wait("key", newer_than=1, seconds=1) == task_store.entry("key")


def test_progress_is_kept_too(store: StateStore) -> None:
    task_store = store.task("dag", "run", "task").task_store
    assert list(task_store.track([1, 2])) == [1, 2]
    assert task_store.get("progress")["status"] == "done"


# --- the variable ---


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing."""
    for name in ("STATESTORE_URL", "STATESTORE_TOKEN", "STATESTORE_MODE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_url_and_mode_the_error_names_both(without: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"STATESTORE_URL.*STATESTORE_MODE=off"):
        StateStore()
    without.setenv("STATESTORE_MODE", "on")
    with pytest.raises(ConfigurationError, match="off or django"):
        StateStore()


def test_every_store_of_a_process_shares_the_memory_and_a_warning_says_so(
    without: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without.setenv("STATESTORE_MODE", "off")
    with StateStore() as first:
        first.task("dag", "run", "shared").task_store.set("key", 1)
    assert StateStore().task("dag", "run", "shared").task_store.get("key") == 1
    assert "gone with this process" in caplog.text


IN_PROCESS = """
import asyncio, gc, sys
from statestore.sdk import StateStore
store = StateStore()
assert not gc.get_freeze_count()  # garbage of the task is not kept
with store.task("in", sys.argv[1], "process") as context:
    for key in ("a/b", "50%", "ü", "🦆"):
        context.task_store.set(key, key)
        assert context.task_store.get(key) == key
    asyncio.run(context.task_store.aset("async", 1))
    assert context.task_store.get_many(["async"]) == {"async": 1}
"""


def test_in_the_servers_own_django_no_server_is_needed(server: Server, scope: Any) -> None:
    environment = {
        **server.environment,
        "STATESTORE_MODE": "django",
        "STATESTORE_TOKEN": server.token,
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("STATESTORE_URL", None)
    subprocess.run(
        [sys.executable, "-c", IN_PROCESS, scope.run_id],
        env={**os.environ, **environment}, check=True, timeout=60,
    )  # fmt: skip
    with StateStore(server.url, server.token) as reached:
        assert reached.task("in", scope.run_id, "process").task_store.get("🦆") == "🦆"


def test_a_task_token_is_made_too(store: StateStore) -> None:
    assert store.task("dag", "run", "task").task_token().startswith("stt_")
    assert store.task("dag", "run", "task").task_token(assets=["a"]).startswith("stt_")
    with pytest.raises(TypeError, match=r"\['a'\]"):
        store.task("dag", "run", "task").task_token(assets="a")
