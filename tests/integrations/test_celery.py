"""StatefulTask, in real Celery workers that are killed, over each broker."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from celery import Celery

from statestore.protocol import TaskScope
from statestore.sdk import StateStore
from tests.brokers import broker, delete_queue
from tests.integrations.celery_app import define, new_app, wait_for
from tests.server import ROOT, Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@dataclass
class Workers:
    """Celery workers on one queue of a broker, which work with the server."""

    url: str
    server: Server
    folder: Path
    queue: str = field(default_factory=lambda: f"statestore-test-{uuid.uuid4().hex[:12]}")
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, concurrency: int = 1) -> subprocess.Popen[bytes]:
        """Start a worker, with a process for each task that it may run at once."""
        command = [sys.executable, "-m", "celery", "-A", "tests.integrations.celery_app", "worker"]
        command += ["--pool", "prefork", "--concurrency", str(concurrency), "--queues", self.queue]
        command += ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]
        environment = {
            **os.environ,
            "STATESTORE_URL": self.server.url,
            "STATESTORE_TOKEN": self.server.token,
            "STATESTORE_TEST_APP": f"{self.url}|{self.queue}",
            "STATESTORE_TEST_FOLDER": str(self.folder),
        }
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                command, env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        self.running.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """End a worker and its processes as a power cut would."""
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        self.running.remove(worker)

    def stop(self) -> None:
        """End what runs; nothing of it is needed any more."""
        for worker in list(self.running):
            self.kill(worker)
        if not self.url.startswith("filesystem"):
            delete_queue(self.url, self.queue)

    def send(self, task: str, *args: object, task_id: str | None = None) -> TaskScope:
        """Send a message; the scope that its task should have."""
        with new_app(self.url, self.queue, self.folder) as app:
            sent = app.send_task(task, args, task_id=task_id)
        return TaskScope("work", sent.id, task)

    def notes(self, count: int) -> list[str]:
        """What the tasks wrote down, once there are so many lines."""
        file, end = self.folder / "notes", time.monotonic() + 40
        while not file.exists() or len(lines := file.read_text().splitlines()) < count:
            assert time.monotonic() < end, (self.folder / "worker.log").read_text()
            time.sleep(0.02)
        return lines


@pytest.fixture
def workers(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Iterator[Workers]:
    with broker(getattr(request, "param", "filesystem")) as url:
        started = Workers(url, server, tmp_path)
        try:
            yield started
        finally:
            started.stop()


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
