"""GET of a key with `wait` and `newer_than`."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from statestore.protocol import TaskScope
from statestore.queries import waiting
from tests.api.conftest import Api, problem, task_path
from tests.server import Server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client


def timed(client: httpx.Client, url: str) -> tuple[float, httpx.Response]:
    begin = time.monotonic()
    answer = client.get(url)
    return time.monotonic() - begin, answer


@pytest.mark.parametrize("exists", [True, False])
def test_a_write_ends_the_waiting(client: httpx.Client, scope: TaskScope, exists: bool) -> None:
    path = task_path(scope, "state-store/key")
    if exists:
        assert client.put(path, json={"value": 1}).status_code == 204
    writing = threading.Timer(0.7, lambda: client.put(path, json={"value": 2}))
    writing.start()
    seconds, answer = timed(client, f"{path}?wait=20&newer_than={int(exists)}")
    writing.join()
    assert answer.json()["value"] == 2
    assert 0.5 < seconds < 10


@pytest.mark.parametrize("seconds_gone", [0, 0.6])
def test_what_is_written_after_a_delete_is_newer(
    client: httpx.Client, scope: TaskScope, seconds_gone: float
) -> None:
    """It counts from 1 again: whoever waits for version 6 would not hear of it otherwise."""
    path = task_path(scope, "state-store/key")
    for value in range(5):
        client.put(path, json={"value": value})

    def replace() -> None:
        client.delete(path)
        time.sleep(seconds_gone)
        client.put(path, json={"value": "new"})

    writing = threading.Timer(0.7, replace)
    writing.start()
    seconds, answer = timed(client, f"{path}?wait=20&newer_than=5")
    writing.join()
    assert (answer.json()["value"], answer.headers["ETag"]) == ("new", '"1"')
    assert seconds < 10


def test_what_is_newer_already_is_answered_at_once(client: httpx.Client, scope: TaskScope) -> None:
    path = task_path(scope, "state-store/key")
    client.put(path, json={"value": 1})
    for query in ("wait=20", "wait=20&newer_than=0", "newer_than=7"):
        seconds, answer = timed(client, f"{path}?{query}")
        assert answer.json()["value"] == 1
        assert seconds < 5


def test_when_the_time_is_up_it_answers_like_any_get(
    client: httpx.Client, scope: TaskScope
) -> None:
    path = task_path(scope, "state-store/key")
    seconds, answer = timed(client, f"{path}?wait=1")
    assert answer.status_code == 404
    assert 0.9 < seconds < 8
    client.put(path, json={"value": 1})
    seconds, answer = timed(client, f"{path}?wait=1&newer_than=1")
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"1"')
    assert 0.9 < seconds < 8


def test_when_every_place_is_taken_it_is_503(api: Api, settings: Any) -> None:
    api.put("key", 1)
    settings.STATESTORE_WAITERS = 0
    waiting._slots.cache_clear()
    try:
        answer = api.send("GET", task_path(api.scope, "state-store/key?wait=5&newer_than=1"))
    finally:
        waiting._slots.cache_clear()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer["Retry-After"] == "1"
    assert api.value("key") == 1


@pytest.mark.parametrize("query", ["wait=x", "wait=-1", "wait=1.5", "newer_than=-1", "newer_than="])
def test_numbers_that_are_none_are_422(api: Api, query: str) -> None:
    api.put("key", 1)
    problem(api.send("GET", task_path(api.scope, f"state-store/key?{query}")))


@pytest.mark.django_db
def test_whoever_waits_reads_the_version_alone(
    api: Api, django_assert_num_queries: Any, settings: Any
) -> None:
    api.put("key", "x" * 1000)
    with django_assert_num_queries(1) as looked:
        waiting.entry_wait(scope=api.scope, key="key", newer_than=0, seconds=1)
    assert "value" not in looked.captured_queries[0]["sql"]
