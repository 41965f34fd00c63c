"""StatefulTask, in real Celery workers that are killed, over each broker."""

import os
import signal
import time
import uuid
from pathlib import Path

import pytest
from celery import Celery

from statestore.protocol import TaskScope
from statestore.sdk import StateStore
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
