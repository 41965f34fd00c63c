"""The Celery app of the tests: its workers run it, and the tests send its tasks."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import Celery

from statestore.integrations.celery import StatefulTask
from statestore.jobs.process import ProcessJob
from statestore.sdk import StaleAttemptError


def new_app(broker: str, queue: str, folder: Path) -> Celery:
    """An app on a broker; the embedded one keeps its messages in the folder."""
    created = Celery("work", broker=broker, set_as_current=False)
    created.conf.update(
        task_default_queue=queue,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        # Off, for it leaves its queues on a broker that others use.
        worker_enable_remote_control="STATESTORE_TEST_CONTROL" in os.environ,
        worker_lost_wait=0.5,  # before a task whose process is gone counts as lost
    )
    if broker.startswith("filesystem"):
        (folder / "messages").mkdir(exist_ok=True)
        folders = {
            "data_folder_in": "messages",
            "data_folder_out": "messages",
            "control_folder": "control",
        }
        (folder / "results").mkdir(exist_ok=True)
        created.conf.result_backend = f"file://{folder}/results"
        created.conf.broker_transport_options = {
            **{name: str(folder / place) for name, place in folders.items()},
            "polling_interval": 0.1,
        }
    elif broker.startswith("redis"):
        # How long Redis waits for a worker that is gone; longer than any task of these tests.
        created.conf.broker_transport_options = {
            "visibility_timeout": 5,
            "global_keyprefix": f"{queue}.",
        }
    return created


def note(folder: str, line: str) -> None:
    """Write down what happened, for the test to read."""
    with (Path(folder) / "notes").open("a") as notes:
        notes.write(f"{line}\n")


def wait_for(file: Path) -> None:
    """Wait until the test, or another delivery, has made a file."""
    end = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def define(app: Celery) -> None:
    """The tasks."""
    define_interrupted(app)
    define_main_job(app)


def define_interrupted(app: Celery) -> None:
    """Tasks that are killed, retried and delivered twice."""

    @app.task(bind=True, base=StatefulTask, name="count")
    def count(self: Any, pages: int, folder: str) -> None:
        """Load pages; stop at the third until the test goes on, or kills the worker."""
        done = self.task_store.get("last_page", default=0)
        for page in range(done + 1, pages + 1):
            if page == 3 and self.context.attempt == 1:
                (Path(folder) / "in-the-middle").write_text(str(os.getpid()))
                wait_for(Path(folder) / "go")
            self.task_store.set("last_page", page)
            note(folder, f"attempt {self.context.attempt} page {page}")
        note(folder, "done")

    @app.task(bind=True, base=StatefulTask, name="flaky")
    def flaky(self: Any, folder: str) -> None:
        """Succeed at the third try."""
        tries = self.task_store.get("tries", default=0) + 1
        self.task_store.set("tries", tries)
        note(folder, f"{self.task_store.scope} attempt {self.context.attempt} try {tries}")
        if tries < 3:
            raise self.retry(countdown=0.05)

    @app.task(bind=True, base=StatefulTask, name="overtaken")
    def overtaken(self: Any, folder: str) -> None:
        """Write once a second delivery of the same message has started."""
        attempt = self.context.attempt
        (Path(folder) / f"started-{attempt}").touch()
        wait_for(Path(folder) / "started-2")
        try:
            self.task_store.set("writer", attempt)
        except StaleAttemptError:
            note(folder, f"attempt {attempt} is stale")
            raise
        note(folder, f"attempt {attempt} wrote")


def define_main_job(app: Celery) -> None:
    """A task with checkpoints and an external job."""

    @app.task(bind=True, base=StatefulTask, name="main_job")
    def main_job(self: Any, folder: str) -> None:
        """Take checkpoints, run an external job, take more, and store the result."""
        store, script = (
            self.task_store,
            "echo run >> runs; for _ in $(seq 1000); do test -e go && break; sleep 0.02; done",
        )
        store.set("cookie", "of no use in a second", retention=timedelta(seconds=1))
        state = store.get("state", default={"page": 0, "by": []})
        for page in range(state["page"] + 1, 7):
            if page == 4:
                command = ["/bin/sh", "-c", f"{script}; echo 42"]
                jobs = Path(folder) / "jobs"
                job = ProcessJob(command, folder=jobs, cwd=folder, poll_interval=0.02)
                (Path(folder) / "in-the-middle").write_text(str(os.getpid()))
                state["answer"] = int(job.execute_resumable(self.context).output.read_text())
            state = {**state, "page": page, "by": [*state["by"], self.context.attempt]}
            store.set("state", state)
            store.set("progress", {"current": page, "total": 6})
        store.set("progress", {"current": 6, "total": 6, "status": "done"})
        note(folder, "done")


if "STATESTORE_TEST_APP" in os.environ:
    broker, queue = os.environ["STATESTORE_TEST_APP"].split("|", 1)
    app = new_app(broker, queue, Path(os.environ["STATESTORE_TEST_FOLDER"]))
    define(app)
    from tests.integrations.job_tasks import define_jobs

    define_jobs(app)
