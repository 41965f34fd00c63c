"""Attempts at a task with a real job, each in a process of its own, which may kill itself at a step."""

import asyncio
import functools
import inspect
import json
import multiprocessing
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from statestore import sdk
from statestore.jobs.polling import PollingJob
from statestore.protocol import TaskScope
from statestore.sdk import JobActiveError, StateStore
from statestore.sdk.transport import HttpTransport
from tests.faults.job_system import PRELOADED, Fuse, FusedTransport

RESUMABLE, DEFERRED, ASYNC = MODES = ("resumable", "deferred", "async")
PATIENCE = 120  # seconds until an attempt that does not end fails its test

_processes = multiprocessing.get_context("forkserver")  # forks without the threads of the tests
_processes.set_forkserver_preload([*PRELOADED, "tests.jobs.attempts"])


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait for the condition; what it gives then."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return value


@dataclass(frozen=True)
class Attempts:
    """One task; what becomes of its job is decided by the attempts at it."""

    url: str
    token: str
    scope: TaskScope
    folder: Path

    def start(
        self, job: PollingJob, mode: str = RESUMABLE, *, killed: str | None = None
    ) -> "Attempt":
        """Begin an attempt. `killed`: the step that it is killed at, such as "after submit_job"."""
        attempt = Attempt(self.folder / f"outcome-{uuid.uuid4().hex[:8]}")
        args = (self, job, mode, killed, attempt.outcome_file)
        attempt.process = _processes.Process(target=_run, args=args, daemon=True)
        attempt.process.start()
        return attempt

    def run(self, job: PollingJob, mode: str = RESUMABLE) -> "Outcome":
        """How an attempt ends."""
        return self.start(job, mode).outcome()

    def run_killed(self, job: PollingJob, at: str, mode: str = RESUMABLE) -> None:
        """An attempt that is killed (SIGKILL) at a step."""
        process = self.start(job, mode, killed=at).process
        process.join(PATIENCE)
        assert process.exitcode == -signal.SIGKILL, f"it never came to: {at}"

    @property
    def steps(self) -> list[str]:
        """The steps of all attempts: "before submit_job", "after submit_job", …"""
        return _lines(self.folder / "steps")

    @property
    def events(self) -> list[str]:
        """The decisions of all attempts."""
        return _lines(self.folder / "events")

    def has_come_to(self, step: str, times: int = 1) -> None:
        """Wait until the attempts have taken a step so often."""
        until(lambda: self.steps.count(step) >= times)

    def keys(self) -> dict[str, Any]:
        """Everything that is stored."""
        with StateStore(self.url, self.token, retry_seconds=20) as store:
            scope = self.scope
            context = store.task(scope.dag_id, scope.run_id, scope.task_id)
            return {entry.key: entry.value for entry in context.task_store.items()}

    def set(self, key: str, value: Any) -> None:
        """Store a value, as an earlier attempt could have."""
        with StateStore(self.url, self.token, retry_seconds=20) as store:
            scope = self.scope
            store.task(scope.dag_id, scope.run_id, scope.task_id).task_store.set(key, value)

    def kill(self, job: PollingJob) -> None:
        """What a scheduler calls when it kills the task for good."""
        with StateStore(self.url, self.token, retry_seconds=20) as store:
            scope = self.scope
            job.on_kill(store.task(scope.dag_id, scope.run_id, scope.task_id))


@dataclass(frozen=True)
class Outcome:
    """How an attempt has ended."""

    result: str | None
    error: str | None
    """The name of the exception that ended it, as the SDK knows it."""
    message: str = ""


@dataclass
class Attempt:
    """An attempt that runs."""

    outcome_file: Path
    process: Any = field(init=False)

    def outcome(self) -> Outcome:
        """Wait for its end."""
        self.process.join(PATIENCE)
        assert self.process.exitcode == 0, f"the attempt ended with {self.process.exitcode}"
        return Outcome(**json.loads(self.outcome_file.read_text()))

    def sigkill(self) -> None:
        """Kill its process."""
        self.process.kill()
        self.process.join(PATIENCE)


def _run(
    task: Attempts, job: PollingJob, mode: str, killed: str | None, outcome_file: Path
) -> None:
    fuse = Fuse(task.folder, killed)
    names = ["submit_job", "find_job", "get_job_status", "get_job_result", "cancel_job"]
    for name in [*names, *(["reserve_job"] if job.offers("reserve_job") else [])]:
        for method in (name, f"a{name}"):
            if hasattr(job, method):
                setattr(job, method, _with_steps(getattr(job, method), fuse, name))

    def note(event: str, context: Any) -> None:
        with (task.folder / "events").open("a") as lines:
            lines.write(f"{event}\n")

    job.on_submission_event = note  # type: ignore[method-assign]
    try:
        result = _execute(task, job, mode, fuse)
        outcome = {"result": str(result), "error": None}
    except Exception as error:  # noqa: BLE001 - whatever it is, the test asks for it
        public = [kind.__name__ for kind in type(error).__mro__ if kind.__name__ in sdk.__all__]
        name = public[0] if public else type(error).__name__
        outcome = {"result": None, "error": name, "message": str(error)}
    outcome_file.write_text(json.dumps(outcome))


def _execute(task: Attempts, job: PollingJob, mode: str, fuse: Fuse) -> Any:
    plain = httpx.HTTPTransport(verify=False)  # certificates would take most of the time
    transport: HttpTransport
    if mode == ASYNC:
        transport = HttpTransport(task.url, task.token, retry_seconds=20)
    else:
        transport = FusedTransport(task.url, task.token, retry_seconds=20, http=plain)
        transport.fuse = fuse
    store, scope = StateStore(transport=transport), task.scope
    ids = (scope.dag_id, scope.run_id, scope.task_id)

    async def run() -> Any:
        async with store, store.task(*ids) as context:
            return await job.aexecute_resumable(context)

    if mode == ASYNC:
        return asyncio.run(run())  # noqa: TID251 - a process of its own
    while True:
        with store.task(*ids) as context:
            if mode == RESUMABLE:
                return job.execute_resumable(context)
            try:
                return job.execute_deferred(context)
            except JobActiveError:
                time.sleep(job.poll_interval)


def _with_steps(method: Callable[..., Any], fuse: Fuse, name: str) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def acall(*args: Any) -> Any:
            fuse.step(f"before {name}")
            result = await method(*args)
            fuse.step(f"after {name}")
            return result

        return acall

    @functools.wraps(method)
    def call(*args: Any) -> Any:
        fuse.step(f"before {name}")
        result = method(*args)
        fuse.step(f"after {name}")
        return result

    return call


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
