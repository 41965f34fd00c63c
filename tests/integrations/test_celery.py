"""StatefulTask, in real Celery workers that are killed, over each broker."""

import os
import signal
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from statestore.integrations.celery import DeferrableTask, StatefulTask
from statestore.protocol import TaskScope
from statestore.sdk import ConfigurationError, StateStore
from statestore.sdk.memory import MemoryTransport
from tests.integrations.celery_app import define, new_app, wait_for
from tests.integrations.workers import Workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


RESUMED = [
    *(f"attempt 1 page {page}" for page in (1, 2)),
    *(f"attempt 2 page {page}" for page in (3, 4, 5)),
    "done",
]


@pytest.mark.parametrize("workers", ["filesystem", "redis", "rabbitmq"], indirect=True)
def test_a_task_whose_process_was_killed_resumes_from_its_checkpoint(workers: Workers) -> None:
    workers.start()
    workers.send("count", 5, str(workers.folder))
    wait_for(workers.folder / "in-the-middle")
    os.kill(int((workers.folder / "in-the-middle").read_text()), signal.SIGKILL)
    assert workers.notes(6) == RESUMED


@pytest.mark.parametrize("workers", ["redis", "rabbitmq"], indirect=True)
def test_a_task_whose_worker_was_killed_is_redelivered_and_resumes(workers: Workers) -> None:
    first = workers.start()
    scope = workers.send("count", 5, str(workers.folder))
    wait_for(workers.folder / "in-the-middle")
    workers.kill(first)
    if workers.url.startswith("redis"):
        time.sleep(5)  # the visibility timeout: a message is given back when the next worker starts
    workers.start()
    assert workers.notes(6) == RESUMED
    with StateStore(workers.server.url, workers.server.token) as store:
        task = store.task(scope.dag_id, scope.run_id, scope.task_id)
        assert task.task_store.get("last_page") == 5


@pytest.mark.parametrize("workers", ["rabbitmq"], indirect=True)
@pytest.mark.parametrize("patient", [True, False])
def test_a_worker_that_is_shut_down_keeps_the_checkpoint(workers: Workers, patient: bool) -> None:
    """A first SIGTERM lets the task end; SIGQUIT does not wait, and the next worker goes on."""
    worker = workers.start()
    workers.send("count", 5, str(workers.folder))
    wait_for(workers.folder / "in-the-middle")
    worker.send_signal(signal.SIGTERM)
    if not patient:
        worker.send_signal(signal.SIGQUIT)
        worker.wait(40)
        workers.start()
    (workers.folder / "go").touch()
    expected = [line.replace("attempt 2", "attempt 1") for line in RESUMED] if patient else RESUMED
    assert workers.notes(6) == expected
    if patient:
        assert worker.wait(40) == 0


def test_a_retry_keeps_its_scope_and_counts_as_an_attempt(workers: Workers) -> None:
    workers.start()
    scope = workers.send("flaky", str(workers.folder))
    assert workers.notes(3) == [f"{scope} attempt {n} try {n}" for n in (1, 2, 3)]


def test_of_two_deliveries_at_once_the_older_one_can_write_no_more(workers: Workers) -> None:
    workers.start(concurrency=2)
    message = str(uuid.uuid4())
    for _ in range(2):
        workers.send("overtaken", str(workers.folder), task_id=message)
    assert sorted(workers.notes(2)) == ["attempt 1 is stale", "attempt 2 wrote"]


def test_a_task_that_another_one_sent_has_keys_of_its_own_in_the_same_run(tmp_path: Path) -> None:
    app: Celery = new_app("filesystem://", "queue", tmp_path)
    define(app)
    task = app.tasks["flaky"]

    def scope(**request: str) -> TaskScope:
        task.push_request(**request)
        try:
            return task.state_scope()  # type: ignore[no-any-return]
        finally:
            task.pop_request()

    assert scope(id="root", root_id="root") == TaskScope("work", "root", "flaky")
    assert scope(id="child", root_id="root") == TaskScope("work", "root", "flaky:child")


def test_a_task_that_is_called_directly_keeps_its_state_in_memory_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app: Celery = new_app("filesystem://", "queue", tmp_path)

    @app.task(bind=True, base=StatefulTask)
    def double(self: Any, number: int) -> int:
        assert self.task_store.get("seen", default="nothing") == "nothing"
        self.task_store.set("seen", number)
        return 2 * int(self.task_store.get("seen"))

    assert [double(4), double(5)] == [8, 10]
    assert "called directly" in caplog.text
    assert "delay()" in caplog.text
    # As a worker runs them: one message, whose task calls the other for each element.
    assert app.tasks["celery.map"](double.s(), [1, 2]) == [2, 4]
    assert app.tasks["celery.starmap"](double.s(), [(1,), (2,)]) == [2, 4]


def test_a_thread_of_a_task_has_no_message_and_is_told_how_to_get_its_keys(tmp_path: Path) -> None:
    app: Celery = new_app("filesystem://", "queue", tmp_path)

    @app.task(bind=True, base=StatefulTask)
    def spread(self: Any) -> Any:
        task_store = self.task_store
        with ThreadPoolExecutor(1) as threads:
            with pytest.raises(ConfigurationError, match="before you start threads"):
                threads.submit(lambda: self.task_store).result()
            threads.submit(task_store.set, "seen", 1).result()
        return self.task_store.get("seen")

    assert spread() == 1
    with pytest.raises(ConfigurationError, match=r"not run\(\)"):
        spread.run()


class Looked(DeferrableTask):
    """A job that has ended after some looks."""

    name = "looked"
    poll_interval = 0.2
    looks = 0

    def submit_job(self, context: Any) -> str:
        return "job"

    def get_job_status(self, external_id: str, context: Any) -> bool:
        type(self).looks += 1
        return type(self).looks % 4 != 0

    def is_job_active(self, status: bool) -> bool:
        return status

    def is_job_succeeded(self, status: bool) -> bool:
        return True


@pytest.mark.parametrize("how", ["apply", "call"])
def test_without_a_worker_a_deferrable_task_waits_between_two_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    app: Celery = new_app("filesystem://", "queue", tmp_path)
    task = app.register_task(Looked())
    pauses: list[float] = []
    monkeypatch.setattr("statestore.integrations.celery.time", SimpleNamespace(sleep=pauses.append))
    monkeypatch.setattr(Looked, "looks", 0)
    with StateStore(transport=MemoryTransport()) as memory:
        monkeypatch.setattr(Looked, "state_store", memory)
        assert (task() if how == "call" else task.apply().get()) == "job"
    assert Looked.looks == 4
    assert pauses == [Looked.poll_interval] * 2  # all but the first execution look twice
