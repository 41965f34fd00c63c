"""The server is away under fifty running tasks: none fails, and no checkpoint is lost.

STATESTORE_TEST_OUTAGE says for how many seconds (3).
"""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from statestore.sdk import StateStore
from tests.server import Server

TASKS = 50
OUTAGE = float(os.environ.get("STATESTORE_TEST_OUTAGE") or 3)


class Work:
    """A task that takes checkpoints until it is told to stop; every tenth step it reads its last one."""

    def __init__(self, store: StateStore, number: int) -> None:
        self.context = store.task("outage", f"{time.time_ns()}", f"task_{number}")
        self.acknowledged = 0

    def run(self, stop: threading.Event) -> None:
        with self.context as context, context["task_store"].progress(unit="steps") as progress:
            while not stop.wait(0.05):
                context["task_store"].set("checkpoint", self.acknowledged + 1)
                self.acknowledged += 1
                progress.update()
                if self.acknowledged % 10 == 0:
                    assert context["task_store"].get("checkpoint") == self.acknowledged


@pytest.mark.slow
@pytest.mark.timeout(OUTAGE + 120)
def test_no_task_fails_and_no_checkpoint_is_lost(server: Server) -> None:
    stop = threading.Event()
    with (
        StateStore(server.url, server.token, retry_seconds=OUTAGE + 90) as store,
        ThreadPoolExecutor(TASKS) as threads,
    ):
        tasks = [Work(store, number) for number in range(TASKS)]

        def all_have_stepped_on() -> None:
            before = [task.acknowledged for task in tasks]
            end = time.monotonic() + 60
            while any(
                task.acknowledged < count + 3 for task, count in zip(tasks, before, strict=True)
            ):
                failed = [run for run in running if run.done()]
                assert not failed, failed[0].exception()
                assert time.monotonic() < end
                time.sleep(0.05)

        running = [threads.submit(task.run, stop) for task in tasks]
        try:
            all_have_stepped_on()
            server.kill()
            time.sleep(OUTAGE)
            server.start()
            all_have_stepped_on()
        finally:
            stop.set()
        for task, run in zip(tasks, running, strict=True):
            run.result(60)
            assert task.context.task_store.get("checkpoint") == task.acknowledged
            assert task.context.task_store.get("progress")["status"] == "done"
