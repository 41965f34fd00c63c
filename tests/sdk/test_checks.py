"""What is passed is checked before anything is sent, alike with a server and in memory."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from statestore.sdk import ConfigurationError, InvalidValueError, StateStore, TaskStore
from statestore.sdk.memory import MemoryTransport
from tests.ports import free_port
from tests.server import ROOT

TOO_LONG = timedelta(days=36601)


@pytest.fixture(params=["server", "memory"])
def store(request: pytest.FixtureRequest) -> StateStore:
    """A store without a server: what is refused here was refused before anything was sent."""
    if request.param == "memory":
        return StateStore(transport=MemoryTransport())
    return StateStore(f"http://127.0.0.1:{free_port()}", "token", retry_seconds=0)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda keys: keys.increment("k", "1"), "by"),
        (lambda keys: keys.increment("k", None), "by"),
        (lambda keys: keys.increment("k", True), "by"),
        (lambda keys: keys.increment("k", math.nan), "by"),
        (lambda keys: keys.increment("k", math.inf), "by"),
        (lambda keys: keys.wait("k", seconds=-1), "seconds"),
        (lambda keys: keys.wait("k", seconds=1.5), "seconds"),
        (lambda keys: keys.wait("k", seconds=True), "seconds"),
        (lambda keys: keys.update("k", [1]), "fields"),
        (lambda keys: keys.set_many(["k"]), "values"),
        (lambda keys: keys.wait("k", newer_than="3"), "newer_than"),
        (lambda keys: keys.compare_and_set("k", 1, version="x"), "version"),
        (lambda keys: keys.compare_and_set("k", 1, version=0), "version"),
        (lambda keys: keys.compare_and_set("k", 1, version=True), "version"),
        (lambda keys: keys.compare_and_set("k", 1, version=10**5000), "version"),
        (lambda keys: keys.set("k", 1, retention=TOO_LONG), "retention"),
        (lambda keys: keys.set("k", 1, retention=-TOO_LONG), "retention"),
        (lambda keys: keys.set_many({"k": 1}, retention=TOO_LONG), "retention"),
        (lambda keys: keys.increment("k", 1, retention=TOO_LONG), "retention"),
    ],
)
def test_an_argument_that_makes_no_sense_is_named(
    store: StateStore, call: Callable[[TaskStore], Any], name: str
) -> None:
    with pytest.raises(InvalidValueError, match=f"^{name} must ") as refused:
        call(store.task("dag", "run", "task").task_store)
    assert refused.value.loc == (name,)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("attempt", ["x\ny", "1", 0, -1, 1.5, True, 10**9])
def test_an_attempt_that_is_no_number_is_refused_at_once(store: StateStore, attempt: Any) -> None:
    with pytest.raises(InvalidValueError, match=r"^attempt must"):
        store.task("dag", "run", "task", attempt=attempt)
    keys = store.task("dag", "run", "task").task_store
    keys.attempt = attempt
    for call in (
        lambda: keys.set("key", 1),
        lambda: keys.set_many({"key": 1}),
        lambda: keys.delete("key"),
        lambda: keys.clear(),
    ):
        with pytest.raises(InvalidValueError, match=r"^attempt must"):
            call()


def test_none_is_refused_in_airflows_words_too(store: StateStore) -> None:
    with pytest.raises(ValueError, match=r"Cannot set value as None.* delete\(\)"):
        store.task("dag", "run", "task").task_store.set("key", None)


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "soon"])
def test_a_time_to_retry_for_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv("STATESTORE_RETRY_SECONDS", seconds)
    with pytest.raises(ConfigurationError, match="STATESTORE_RETRY_SECONDS"):
        StateStore("http://127.0.0.1:1", "token")


WITHOUT_DJANGO = """
import sys
sys.modules["django"] = None
from statestore.sdk import StateStore
try:
    StateStore()
except Exception as error:
    print(type(error).__name__, error)
"""


def test_the_servers_own_django_is_asked_for_where_it_is_missing() -> None:
    environment = {**os.environ, "STATESTORE_MODE": "django", "STATESTORE_TOKEN": "token"}
    environment.pop("STATESTORE_URL", None)
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_DJANGO], env=environment, cwd=ROOT,
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert ended.stdout.startswith("ConfigurationError STATESTORE_MODE=django")
    assert "install Statestore with its extra [server]" in ended.stdout
