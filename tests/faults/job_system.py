"""A job system that counts its submissions, and attempts that are killed at a chosen step.

It lives in files, so it outlasts whoever submits. An attempt runs in a process of its own, and each
of its steps (a request sent, its answer there, a job submitted, …) may be the one it is killed at.
"""

import json
import multiprocessing
import os
import signal
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from statestore.protocol import TaskScope
from statestore.sdk import ResumableJobMixin, StateStore
from statestore.sdk.answers import Answer
from statestore.sdk.requests import Request
from statestore.sdk.resumable import Context
from statestore.sdk.transport import HttpTransport

_processes = multiprocessing.get_context("forkserver")  # forks without the threads of the tests
# Loaded before the fork, so that a kill meets the work of a child: what it does, and what the module of the
# test that says so imports.
PRELOADED = ["httpcore", "encodings.idna", "pytest", "tests.server", "statestore.jobs.process"]
_processes.set_forkserver_preload([*PRELOADED, "tests.faults.job_system"])


@dataclass(frozen=True)
class JobSystem:
    """Runs jobs that end by themselves once they were asked about often enough."""

    folder: Path
    ends_as: str = "succeeded"
    ends_after: int = 2
    """How many questions later a job has ended."""

    @property
    def submissions(self) -> list[str]:
        """The token of every submission, in their order."""
        return _lines(self.folder / "submissions")

    def submit_once(self, token: str) -> str:
        """Take a job, or tell the id of the one that was taken with this token."""
        return self.find(token) or self.submit(token)

    def submit(self, token: str) -> str:
        """Take a job; its id."""
        external_id = f"job-{uuid.uuid4().hex[:8]}"
        job = {"token": token, "ends_as": self.ends_as, "ends_after": self.ends_after}
        unfinished = self.folder / f".{external_id}"  # a search never sees half a job
        unfinished.write_text(json.dumps(job))
        unfinished.rename(self.folder / external_id)
        _add_line(self.folder / "submissions", token)
        return external_id

    def status(self, external_id: str) -> str:
        """`running`, or how it ended."""
        job = json.loads((self.folder / external_id).read_text())
        _add_line(self.folder / f"{external_id}.asked", "?")
        asked = len(_lines(self.folder / f"{external_id}.asked"))
        return str(job["ends_as"]) if asked > job["ends_after"] else "running"

    def find(self, token: str) -> str | None:
        """The id of the job with this token."""
        for file in self.folder.glob("job-????????"):
            if json.loads(file.read_text())["token"] == token:
                return file.name
        return None


class Job(ResumableJobMixin):
    """A job of that system, which can neither be found nor recognises its token."""

    poll_interval = 0.001
    submit_seconds = 0.0  # a search finds every job as soon as it is taken

    def __init__(self, system: JobSystem, fuse: "Fuse | None" = None) -> None:
        self.system, self.fuse = system, fuse or Fuse(system.folder)

    def submit_job(self, context: Context) -> str:
        self.fuse.step("before submit")
        external_id = self.system.submit(context["submission"].token)
        self.fuse.step("after submit")
        return external_id

    def get_job_status(self, external_id: str, context: Context) -> str:
        self.fuse.step("before status")
        return self.system.status(external_id)

    def is_job_active(self, status: str) -> bool:
        return status == "running"

    def is_job_succeeded(self, status: str) -> bool:
        return status == "succeeded"

    def get_job_result(self, external_id: str, context: Context) -> dict[str, str]:
        self.fuse.step("before result")
        return {"result of": external_id}

    def on_submission_event(self, event: str, context: Context) -> None:
        _add_line(self.system.folder / "events", event)


class FindableJob(Job):
    """One that can be found by its token."""

    def find_job(self, token: str, context: Context) -> str | None:
        self.fuse.step("before find")
        return self.system.find(token)


class TokenJob(Job):
    """One whose system takes each token once; no search finds it."""

    def submit_job(self, context: Context) -> str:
        self.fuse.step("before submit")
        external_id = self.system.submit_once(context["submission"].token)
        self.fuse.step("after submit")
        return external_id


class CautiousJob(Job):
    """One that would rather fail than be submitted twice."""

    on_unknown = "fail"


class Fuse:
    """Kills its process at one step, by number or by name; writes down each step before."""

    def __init__(self, folder: Path, at: int | str | None = None) -> None:
        self._trace, self._at, self._step = folder / "steps", at, 0

    def step(self, name: str) -> None:
        """The next step, and the last one where it is the chosen."""
        _add_line(self._trace, name)
        if self._at in {self._step, name}:
            os.kill(os.getpid(), signal.SIGKILL)
        self._step += 1


class FusedTransport(HttpTransport):
    """Sends over HTTP; every request has a step before it is sent and one once it is answered."""

    fuse: Fuse

    def send(self, request: Request, *, retry_seconds: float | None = None) -> Answer:
        name = f"{request.method} {request.path.rpartition('/')[2]}"
        self.fuse.step(f"before {name}")
        answer = super().send(request, retry_seconds=retry_seconds)
        self.fuse.step(f"after {name}")
        return answer


@dataclass(frozen=True)
class Task:
    """One task with its external job: where its state is kept, and which system runs the job."""

    url: str
    token: str
    scope: TaskScope
    system: JobSystem
    job: type[Job] = FindableJob

    def attempt(self, *, killed_at: int | str | None = None) -> Any:
        """Run an attempt; one that shall be killed, in a process of its own.

        Returns its result, the name of the exception that ended it, or None where it was killed.
        """
        outcome = self.system.folder / "outcome"
        if killed_at is None:
            _attempt(self, None)
        else:
            process = _processes.Process(target=_attempt, args=(self, killed_at))
            process.start()
            process.join(60)
            if process.exitcode == -signal.SIGKILL:
                return None
            assert process.exitcode == 0
        result = json.loads(outcome.read_text())
        outcome.unlink()
        return result

    def ending_as(self, status: str) -> "Task":
        """The same task, whose next job ends so."""
        return replace(self, system=replace(self.system, ends_as=status))

    @property
    def events(self) -> list[str]:
        """The decisions of all attempts."""
        return _lines(self.system.folder / "events")

    @property
    def steps(self) -> list[str]:
        """The steps of all attempts."""
        return _lines(self.system.folder / "steps")


def _attempt(task: Task, killed_at: int | str | None) -> None:
    fuse = Fuse(task.system.folder, killed_at)
    plain = httpx.HTTPTransport(verify=False)  # certificates would take most of the time
    transport = FusedTransport(task.url, task.token, retry_seconds=20, http=plain)
    transport.fuse = fuse
    scope = task.scope
    outcome: Any
    try:
        with (
            StateStore(transport=transport) as store,
            store.task(scope.dag_id, scope.run_id, scope.task_id) as context,
        ):
            outcome = task.job(task.system, fuse).execute_resumable(context)
    except Exception as error:  # noqa: BLE001 - whatever it is, the test asks for it
        outcome = type(error).__name__
    (task.system.folder / "outcome").write_text(json.dumps(outcome))


def _add_line(file: Path, line: str) -> None:
    with file.open("a") as lines:
        lines.write(f"{line}\n")


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
