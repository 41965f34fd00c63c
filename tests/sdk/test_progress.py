"""Progress: the last state is always written, and the task is never held up."""

import asyncio
import math
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import InvalidValueError, Progress, StaleAttemptError, StateStore, TaskStore
from tests.proxy import Proxy
from tests.server import ROOT, Server
from tests.threads import run_async


@pytest.fixture
def written(task_store: TaskStore) -> Callable[[], Any]:
    """What is stored."""
    return lambda: task_store.get("progress")


def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_last_state_is_written_when_the_block_ends(
    task_store: TaskStore, written: Callable[[], Any]
) -> None:
    with task_store.progress(total=10, unit="rows") as progress:
        for _ in range(10):
            progress.update()
        progress.message = "all of them"
    assert written() == {
        "current": 10, "total": 10, "unit": "rows", "status": "done", "message": "all of them",
    }  # fmt: skip


def test_it_is_there_as_soon_as_the_block_begins(
    task_store: TaskStore, written: Callable[[], Any]
) -> None:
    with task_store.progress(total=3):
        until(lambda: written() == {"current": 0, "total": 3, "status": "running"})


def test_an_exception_is_written_as_a_failure_and_goes_on(
    task_store: TaskStore, written: Callable[[], Any]
) -> None:
    def work() -> None:
        with task_store.progress(total=10) as progress:
            progress.set(4, message="page 4")
            progress.set(1 // 0)

    with pytest.raises(ZeroDivisionError):
        work()
    assert written() == {"current": 4, "total": 10, "status": "failed", "message": "page 4"}


def test_without_a_block_close_writes_the_last_state_once(
    task_store: TaskStore, written: Callable[[], Any]
) -> None:
    progress = task_store.progress()
    progress.update(2.5)
    progress.close()
    entry = task_store.entry("progress")
    progress.close("failed")
    progress._due = 0.0
    progress.update()
    assert task_store.entry("progress") == entry
    assert written() == {"current": 2.5, "status": "done"}


def test_it_writes_at_most_once_a_second(task_store: TaskStore) -> None:
    begin, count = time.monotonic(), 0
    with task_store.progress(total=1) as progress:
        while time.monotonic() < begin + 2.5:
            progress.update()
            count += 1
    entry = task_store.entry("progress")
    assert entry is not None
    assert entry.version is not None
    assert 3 <= entry.version <= 4  # at 0, 1 and 2 seconds, and the last
    assert entry.value["current"] == count


def test_a_call_that_writes_nothing_is_cheap(task_store: TaskStore) -> None:
    with task_store.progress() as progress:
        begin = time.perf_counter()
        for _ in range(200_000):
            progress.update()
        each = (time.perf_counter() - begin) / 200_000
    print(f"{each * 1e6:.2f} µs a call")  # noqa: T201 - a figure for whoever looks
    assert each < 20e-6  # ten times what it is, for a machine that is busy


def test_the_task_goes_on_while_the_server_hangs_and_the_newest_state_wins(
    proxy: Proxy, server: Server, scope: TaskScope, written: Callable[[], Any]
) -> None:
    proxy.open.clear()
    with StateStore(proxy.url, server.token) as store:
        task_store = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store
        with task_store.progress(total=3) as progress:
            for _ in range(3):
                begin = time.monotonic()
                progress._due = 0.0
                progress.update()
                assert time.monotonic() - begin < 0.2
            assert written() is None
            proxy.open.set()
            until(lambda: written() == {"current": 3, "total": 3, "status": "running"})
    assert written() == {"current": 3, "total": 3, "status": "done"}


@pytest.mark.slow
def test_the_last_state_is_written_although_the_server_was_away(
    server: Server, task_store: TaskStore, written: Callable[[], Any]
) -> None:
    with task_store.progress(total=5) as progress:
        server.stop()
        for _ in range(5):
            progress._due = 0.0
            progress.update()
            time.sleep(0.05)
        server.start()
    assert written() == {"current": 5, "total": 5, "status": "done"}


def test_a_stale_attempt_hears_of_it_on_its_next_call(store: StateStore, scope: TaskScope) -> None:
    ids = (scope.dag_id, scope.run_id, scope.task_id)
    with store.task(*ids) as old:
        progress = old.task_store.progress(total=3)
        progress.update()
        until(lambda: old.task_store.get("progress") is not None)
        with store.task(*ids) as new:
            new.task_store.set("progress", "of the new one")
            progress._due = 0.0
            progress.update()
            until(lambda: progress._stale is not None)
            with pytest.raises(StaleAttemptError):
                progress.update()
            with pytest.raises(StaleAttemptError):
                progress.close()
            assert new.task_store.get("progress") == "of the new one"


def test_a_stale_attempt_that_ends_by_an_exception_of_its_own_keeps_that(
    store: StateStore, scope: TaskScope
) -> None:
    ids = (scope.dag_id, scope.run_id, scope.task_id)

    def work(divisor: int) -> None:
        with store.task(*ids) as old, old.task_store.progress():
            store.task(*ids).start_attempt()
            _ = 1 // divisor

    with pytest.raises(ZeroDivisionError):
        work(0)
    with pytest.raises(StaleAttemptError):
        work(1)


# --- track ---


def test_track_gives_the_same_elements_and_knows_how_many_a_list_has(
    task_store: TaskStore, written: Callable[[], Any]
) -> None:
    assert list(task_store.track(["a", "b", "c"])) == ["a", "b", "c"]
    assert written() == {"current": 3, "total": 3, "unit": "items", "status": "done"}


def test_track_over_a_generator_counts_without_a_total_or_with_one_that_is_given(
    task_store: TaskStore, written: Callable[[], Any]
) -> None:
    assert list(task_store.track(n for n in range(4))) == [0, 1, 2, 3]
    assert written() == {"current": 4, "unit": "items", "status": "done"}
    list(task_store.track((n for n in range(4)), total=4, unit="pages"))
    assert written() == {"current": 4, "total": 4, "unit": "pages", "status": "done"}
    assert list(task_store.track([])) == []
    assert written() == {"current": 0, "total": 0, "unit": "items", "status": "done"}


def test_a_loop_that_is_left_early_has_failed_with_what_was_done(
    task_store: TaskStore, written: Callable[[], Any]
) -> None:
    for number in task_store.track(range(10)):
        if number == 3:
            break
    assert written() == {"current": 3, "total": 10, "unit": "items", "status": "failed"}

    def work() -> None:
        for number in task_store.track(range(10)):
            _ = 1 // (5 - number)

    with pytest.raises(ZeroDivisionError):
        work()
    assert written() == {"current": 5, "total": 10, "unit": "items", "status": "failed"}


def test_an_exception_of_the_iterable_is_a_failure(
    task_store: TaskStore, written: Callable[[], Any]
) -> None:
    with pytest.raises(ZeroDivisionError):
        list(task_store.track(1 // (2 - n) for n in range(5)))
    assert written() == {"current": 2, "unit": "items", "status": "failed"}


# --- status ---


def test_a_status_of_the_tasks_own_is_not_overwritten_by_done(
    task_store: TaskStore, written: Callable[[], Any]
) -> None:
    with task_store.progress(total=3) as progress:
        progress.status("waiting for the others", message="2 of 3 are here")
        until(lambda: (written() or {}).get("status") in ("running", "waiting for the others"))
    assert written() == {
        "current": 0, "total": 3, "status": "waiting for the others", "message": "2 of 3 are here",
    }  # fmt: skip
    with task_store.progress() as progress:
        progress.status("paused")
        progress.status("running")
    assert written()["status"] == "done"
    progress = task_store.progress()
    progress.status("skipped")
    progress.close("failed")
    assert written()["status"] == "failed"


def test_an_exception_fails_whatever_the_status_was(
    task_store: TaskStore, written: Callable[[], Any]
) -> None:
    def work() -> None:
        with task_store.progress() as progress:
            progress.status("waiting")
            progress.set(1 // 0)

    with pytest.raises(ZeroDivisionError):
        work()
    assert written()["status"] == "failed"


@pytest.mark.parametrize(
    "call",
    [
        lambda progress: progress.set(math.nan),
        lambda progress: progress.set(1, total=math.inf),
        lambda progress: progress.set("7"),
        lambda progress: progress.update(math.nan),
        lambda progress: progress.update(None),
        lambda progress: progress.status(7),
        lambda progress: progress.close(status=7),
    ],
)
def test_what_cannot_be_stored_is_refused_at_once_and_changes_nothing(
    task_store: TaskStore, written: Callable[[], Any], call: Callable[[Progress], None]
) -> None:
    with task_store.progress(total=3) as progress:
        progress.update()
        with pytest.raises(InvalidValueError, match="must be"):
            call(progress)
    assert written() == {"current": 1, "total": 3, "status": "done"}
    with pytest.raises(InvalidValueError, match="total must be"):
        task_store.progress(total=math.nan)


def test_what_was_assigned_and_cannot_be_stored_is_warned_of(
    task_store: TaskStore, caplog: pytest.LogCaptureFixture
) -> None:
    with task_store.progress() as progress:
        progress.message = object()  # type: ignore[assignment]
        progress._due = 0.0
        progress.update()
        until(lambda: "cannot be stored" in caplog.text)


# --- asyncio ---


def test_a_coroutine_reports_in_the_same_way(
    server: Server, scope: TaskScope, written: Callable[[], Any]
) -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(4):
            yield number

    async def work() -> None:
        async with StateStore(server.url, server.token) as store:
            task_store = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store
            async with task_store.progress(total=3) as progress:
                progress.update(2)
            assert written() == {"current": 2, "total": 3, "status": "done"}
            with pytest.raises(ZeroDivisionError):
                async with task_store.progress() as progress:
                    progress.set(1 // 0)
            assert written() == {"current": 0, "status": "failed"}
            assert [each async for each in task_store.atrack(["a", "b"])] == ["a", "b"]
            assert written() == {"current": 2, "total": 2, "unit": "items", "status": "done"}
            assert [each async for each in task_store.atrack(numbers(), unit="n")] == [0, 1, 2, 3]
            assert written() == {"current": 4, "unit": "n", "status": "done"}

    run_async(work())


def test_the_event_loop_runs_on_while_the_last_state_waits_for_the_server(
    proxy: Proxy, server: Server, scope: TaskScope, written: Callable[[], Any]
) -> None:
    async def mend() -> None:
        for _ in range(20):
            await asyncio.sleep(0.01)
        proxy.open.set()

    async def work() -> None:
        async with StateStore(proxy.url, server.token) as store:
            task_store = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store
            proxy.open.clear()
            mending = asyncio.create_task(mend())
            async with task_store.progress(total=3) as progress:
                progress.update(3)
            await mending

    run_async(work())
    assert written() == {"current": 3, "total": 3, "status": "done"}


def test_a_stale_attempt_hears_of_it_in_a_coroutine_too(server: Server, scope: TaskScope) -> None:
    async def work(error: type[Exception] | None) -> None:
        async with StateStore(server.url, server.token) as store:
            ids = (scope.dag_id, scope.run_id, scope.task_id)
            async with store.task(*ids) as old, old.task_store.progress():
                await store.task(*ids).astart_attempt()
                if error is not None:
                    raise error

    with pytest.raises(StaleAttemptError):
        run_async(work(None))
    with pytest.raises(KeyError):
        run_async(work(KeyError))


# --- processes ---

FORK = """
import os, sys
from statestore.sdk import StateStore
store = StateStore()
task_store = store.task("forks", sys.argv[1], "task").task_store
with task_store.progress(total=3) as progress:
    progress.update()
    child = os.fork()
    if child == 0:
        progress._due = 0.0
        progress.update(10)
        progress.close("failed")
        assert task_store.get("progress")["current"] == 11
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    progress.set(3)
assert task_store.get("progress") == {"current": 3, "total": 3, "status": "done"}
store.close()
"""


def run_script(script: str, server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STATESTORE_URL": server.url, "STATESTORE_TOKEN": server.token}
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_it_works_on_both_sides_of_a_fork(server: Server, scope: TaskScope) -> None:
    ended = run_script(FORK, server, scope.run_id)
    assert (ended.returncode, ended.stderr) == (0, "")


EXIT = """
import sys
from statestore.sdk import StateStore
with StateStore() as store:
    task_store = store.task("exits", sys.argv[1], "task").task_store
    with task_store.progress(total=3) as progress:
        progress.set(2)
        sys.exit(7)
"""


def test_a_program_that_exits_in_the_middle_has_written_its_last_state(
    server: Server, store: StateStore, scope: TaskScope
) -> None:
    ended = run_script(EXIT, server, scope.run_id)
    assert (ended.returncode, ended.stderr) == (7, "")
    progress = store.task("exits", scope.run_id, "task").task_store.get("progress")
    assert progress == {"current": 2, "total": 3, "status": "failed"}
