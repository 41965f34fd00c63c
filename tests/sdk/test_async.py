"""The twins for asyncio: each method, many tasks over one pool, a server that is restarted."""

import asyncio
import gc
import inspect
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import (
    AssetStore,
    InvalidValueError,
    NotFoundError,
    PreconditionFailedError,
    StaleAttemptError,
    StateStore,
    TaskStore,
    UnreachableError,
)
from statestore.sdk.transport import HttpTransport
from tests.ports import free_port
from tests.server import Server
from tests.threads import run_async

Work = Callable[[TaskStore], Awaitable[Any]]


@pytest.fixture
def run(server: Server, scope: TaskScope) -> Callable[[Work], Any]:
    """Runs a coroutine function with the task's store, in an event loop of its own."""

    def start(work: Work) -> Any:
        async def opened() -> Any:
            async with StateStore(server.url, server.token, retry_seconds=20) as store:
                return await work(store.task(scope.dag_id, scope.run_id, scope.task_id).task_store)

        return run_async(opened())

    return start


@pytest.mark.parametrize("kind", [TaskStore, AssetStore])
def test_every_method_that_asks_the_server_has_a_twin(kind: type) -> None:
    local = {"progress"}  # for `with` and `async with`
    names = {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}
    sync = {name for name in names if not (name[0] == "a" and name[1:] in names)} - local
    assert {f"a{name}" for name in sync if name != "await_"} - {"await"} <= names
    assert "await_" in names


def test_each_twin_does_the_same(run: Callable[[Work], Any]) -> None:
    async def work(store: TaskStore) -> None:
        assert await store.aget("page", default=7) == 7
        await store.aset("page", 1, retention=timedelta(hours=1))
        entry = await store.aentry("page")
        assert entry is not None
        assert (entry.value, entry.version) == (1, 1)
        assert await store.aincrement("page", 4) == 5
        assert await store.acompare_and_set("lock", "mine", version=None) == 1
        with pytest.raises(PreconditionFailedError):
            await store.acompare_and_set("lock", "yours", version=None)
        await store.aset("object", {"a": 1, "b": 2})
        assert await store.aupdate("object", {"b": None, "c": 3}) == {"a": 1, "c": 3}
        with pytest.raises(NotFoundError):
            await store.aupdate("missing", {"b": 1})
        await store.aset_many({"x": 1, "y": 2})
        assert await store.aget_many(["x", "none", "y"]) == {"x": 1, "y": 2}
        assert [e.key async for e in store.aitems()] == ["lock", "object", "page", "x", "y"]
        waited = await store.await_("page", newer_than=1, seconds=5)
        assert waited is not None
        assert waited.version == 2
        await store.adelete("x")
        assert await store.aget("x") is None
        await store.aclear()
        assert [e.key async for e in store.aitems()] == []

    run(work)


def test_aitems_reads_every_page(run: Callable[[Work], Any]) -> None:
    async def work(store: TaskStore) -> list[int]:
        await store.aset_many({f"key {number:03}": number for number in range(205)})
        return [entry.value async for entry in store.aitems()]

    assert run(work) == list(range(205))


def test_what_cannot_be_stored_is_refused_before_it_is_sent(scope: TaskScope) -> None:
    async def work() -> None:
        async with StateStore(f"http://127.0.0.1:{free_port()}", "token") as store:
            task_store = store.task("dag", "run", "task").task_store
            for value in (None, float("nan"), {1, 2}):
                with pytest.raises(InvalidValueError):
                    await task_store.aset("key", value)
            with pytest.raises(TypeError):
                await task_store.aset("key", 1, retention=5)  # type: ignore[arg-type]

    run_async(work())


def test_async_with_starts_an_attempt_which_fences_off_the_one_before(
    server: Server, scope: TaskScope
) -> None:
    async def work() -> None:
        async with StateStore(server.url, server.token) as store:
            ids = (scope.dag_id, scope.run_id, scope.task_id)
            async with store.task(*ids) as old, store.task(*ids) as new:
                assert (old.attempt, new.attempt) == (1, 2)
                await new.task_store.aset("key", "new")
                for write in (
                    old.task_store.aset("key", "old"),
                    old.task_store.aset_many({"key": "old"}),
                    old.task_store.aincrement("count"),
                    old.task_store.aupdate("key", {"a": 1}),
                    old.task_store.adelete("key"),
                    old.task_store.aclear(),
                ):
                    with pytest.raises(StaleAttemptError):
                        await write
                assert await old.task_store.aget("key") == "new"

    run_async(work())


@pytest.mark.slow
def test_a_thousand_tasks_share_one_pool_of_connections(
    server: Server, scope: TaskScope, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> list[Any]:
        async with StateStore(server.url, server.token, retry_seconds=60) as store:

            async def one(number: int) -> Any:
                task_store = store.task(scope.dag_id, scope.run_id, "many", number).task_store
                await task_store.aset("number", number)
                return await task_store.aget("number")

            return await asyncio.gather(*(one(number) for number in range(1000)))

    assert run_async(work()) == list(range(1000))
    assert "cannot be reached" not in caplog.text  # waiting for a connection is no failure


@pytest.mark.slow
def test_a_restart_of_the_server_fails_none_of_many_tasks(
    server: Server, run: Callable[[Work], Any]
) -> None:
    async def work(store: TaskStore) -> None:
        restarted = asyncio.Event()

        async def one(number: int) -> int:
            steps = 0
            while not restarted.is_set():
                await store.aset(f"key {number:02}", steps)
                assert await store.aget(f"key {number:02}") == steps
                steps += 1
            return steps - 1

        tasks = [asyncio.create_task(one(number)) for number in range(30)]
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.start)
        await asyncio.sleep(0.5)
        restarted.set()
        last = await asyncio.gather(*tasks)
        assert [entry.value async for entry in store.aitems()] == last

    run(work)


def test_a_call_that_is_cancelled_stops_at_once_and_leaves_the_pool_whole(
    run: Callable[[Work], Any],
) -> None:
    async def work(store: TaskStore) -> None:
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await store.await_("never", seconds=3)
        assert time.monotonic() - begin < 1
        calls = [asyncio.create_task(store.aset(f"key {n}", n)) for n in range(50)]
        await asyncio.sleep(0.01)
        for call in calls[::2]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await store.aset("after", 1)
        found = await store.aget_many([f"key {n}" for n in range(1, 50, 2)])
        assert len(found) == 25

    run(work)


def test_a_cancelled_call_does_not_go_on_trying_while_the_server_is_away() -> None:
    async def work() -> float:
        async with StateStore(f"http://127.0.0.1:{free_port()}", "token") as store:
            task_store = store.task("dag", "run", "task").task_store
            begin = time.monotonic()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(task_store.aset("key", 1), 0.5)
            return time.monotonic() - begin

    assert run_async(work()) < 2


def test_a_server_that_is_not_there_is_given_up_in_time() -> None:
    async def work() -> None:
        url = f"http://127.0.0.1:{free_port()}"
        async with StateStore(url, "token", retry_seconds=0.3) as store:
            with pytest.raises(UnreachableError, match=url):
                await store.task("dag", "run", "task").task_store.aget("key", default=1)

    run_async(work())


def test_one_store_serves_one_event_loop_after_another_and_keeps_nothing_of_them(
    server: Server, scope: TaskScope
) -> None:
    transport = HttpTransport(server.url, server.token)
    store = StateStore(transport=transport)
    task_store = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store

    async def step(number: int) -> None:
        await task_store.aset("step", number)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # these loops close without aclose()
        for number in range(5):
            run_async(step(number))
            assert len(transport._async_clients) == 1
        transport._async_clients.clear()
        gc.collect()
    assert task_store.get("step") == 4
    store.close()


def test_assets_have_twins_too(server: Server, scope: TaskScope) -> None:
    async def work() -> None:
        async with StateStore(server.url, server.token) as store:
            asset = await store.aasset(f"s3://lake/{scope.run_id}")
            await asset.aset("watermark", "2026-11-20")
            assert await asset.aget("watermark") == "2026-11-20"
            assert await asset.aincrement("loads") == 1
            context = store.task(scope.dag_id, scope.run_id, scope.task_id)
            same = await context["asset_store"].aitem(f"s3://lake/{scope.run_id}")
            entries: AsyncIterator[Any] = same.aitems()
            assert [entry.key async for entry in entries] == ["loads", "watermark"]
            await same.aclear()
            assert await asset.aget("watermark") is None

    run_async(work())
