"""Celery tasks with an external job, for workers that are killed, many, or few."""

import base64
import os
import pickle
import time
from pathlib import Path
from typing import Any

from celery import Celery

from statestore.integrations.celery import DeferrableTask, JobTask, ResumableTask, StatefulTask
from statestore.jobs.process import ProcessJob
from tests.faults.job_system import JobSystem


def note(folder: Path, line: str) -> None:
    """Write down what happened, for the test to read."""
    with (folder / "notes").open("a") as notes:
        notes.write(f"{line}\n")


class InSystem:
    """A job of the counting system; it has ended once the file `go` is there."""

    poll_interval = 0.2
    submit_seconds = 1.0

    @property
    def folder(self) -> Path:
        return Path(os.environ["STATESTORE_TEST_FOLDER"])

    @property
    def system(self) -> JobSystem:
        return JobSystem(self.folder / "system", ends_after=0)

    def submit_job(self, context: Any) -> str:
        (self.folder / "system").mkdir(exist_ok=True)
        return self.system.submit(context["submission"].token)

    def find_job(self, token: str, context: Any) -> str | None:
        return self.system.find(token)

    def get_job_status(self, external_id: str, context: Any) -> str:
        polling = self.folder / f".polling-{os.getpid()}"
        polling.write_text(str(os.getpid()))
        polling.rename(self.folder / "polling")  # so that nobody reads half of it
        return "succeeded" if (self.folder / "go").exists() else "running"

    def is_job_active(self, status: str) -> bool:
        return status == "running"

    def is_job_succeeded(self, status: str) -> bool:
        return status == "succeeded"

    def get_job_result(self, external_id: str, context: Any) -> str:
        note(self.folder, f"result of {external_id} in attempt {context.attempt}")
        return external_id

    def cancel_job(self, external_id: str, context: Any) -> None:
        note(self.folder, f"cancelled {external_id}")


class Resumed(InSystem, ResumableTask):
    """Holds its worker."""

    name = "resumed"


class Deferred(InSystem, DeferrableTask):
    """Frees its worker."""

    name = "deferred"
    poll_interval = 2


class Searched(InSystem, ResumableTask):
    """One whose system takes a token twice, and a while: only a search tells of a job."""

    name = "searched"
    poll_interval = 0.02
    submit_seconds = 5.0

    def submit_job(self, context: Any) -> str:
        time.sleep(0.05)
        return super().submit_job(context)

    def get_job_result(self, external_id: str, context: Any) -> str:
        note(self.folder, f"done {context['run_id']}")
        return external_id


class NotedProcess(ProcessJob):
    """A process that notes its start, and ends when it may."""

    def __init__(self) -> None:
        folder = os.environ["STATESTORE_TEST_FOLDER"]
        script = "echo started >> started; while test ! -e go; do sleep 0.02; done"
        super().__init__(
            ["/bin/sh", "-c", script], folder=f"{folder}/jobs", cwd=folder, poll_interval=0.05
        )

    def get_job_result(self, external_id: str, context: Any) -> Any:
        note(Path(self.cwd), f"done {context['run_id']}")
        return None

    def cancel_job(self, external_id: str, context: Any) -> None:
        super().cancel_job(external_id, context)
        note(Path(self.cwd), "cancelled")


class Process(NotedProcess, ResumableTask):
    """A task that is that job."""

    name = "process"


def define_jobs(app: Celery) -> None:
    """The tasks."""
    for task in (Resumed, Deferred, Searched, Process):
        app.register_task(task())

    @app.task(bind=True, base=JobTask, name="described", deferred=True)
    def described(self: Any, *words: str) -> NotedProcess:
        """Describe the job by what was sent."""
        assert words == ("as", "sent")
        return NotedProcess()

    @app.task(bind=True, base=JobTask, name="pickled")
    def pickled(self: Any, job: str) -> Any:
        """Any job, as it was sent."""
        return pickle.loads(base64.b64decode(job))

    @app.task(bind=True, base=JobTask, name="pickled-deferred", deferred=True)
    def pickled_deferred(self: Any, job: str) -> Any:
        """The same, with the slot free while the job runs."""
        return pickle.loads(base64.b64decode(job))

    @app.task(bind=True, base=StatefulTask, name="member", ignore_result=False)
    def member(self: Any, number: int) -> int:
        """Note where one of a group stands, also when it is retried."""
        scope = self.task_store.scope
        self.task_store.set("number", number)
        if self.context.attempt == 1 and number == 1:
            raise self.retry(countdown=0.05)
        folder = Path(os.environ["STATESTORE_TEST_FOLDER"])
        note(folder, f"{scope.run_id} {scope.task_id} {scope.map_index} {number}")
        return number

    @app.task(bind=True, base=StatefulTask, name="collect")
    def collect(self: Any, numbers: list[int]) -> None:
        """Note what a chord came to."""
        scope = self.task_store.scope
        folder = Path(os.environ["STATESTORE_TEST_FOLDER"])
        note(folder, f"collected {sorted(numbers)} {scope.map_index}")

    @app.task(bind=True, base=StatefulTask, name="placed", ignore_result=False)
    def placed(self: Any, *results: Any, label: str) -> str:
        """Note whose keys these are, in both of its deliveries."""
        scope, folder = self.task_store.scope, Path(os.environ["STATESTORE_TEST_FOLDER"])
        found = self.task_store.get("label", default="none")
        self.task_store.set("label", label)
        note(folder, f"{label}|{self.request.id}|{scope}|{self.context.attempt}|{found}")
        if self.context.attempt == 1:
            raise self.retry(countdown=0)
        self.task_store.clear()
        return label
