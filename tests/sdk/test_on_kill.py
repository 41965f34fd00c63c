"""What becomes of the external job of a task that is killed for good."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import StateStore
from statestore.sdk.resumable import Context
from tests.faults.job_system import FindableJob, Job, JobSystem
from tests.sdk import test_resumable_async
from tests.threads import run_async


class Lost(Exception):  # noqa: N818 - stands for whatever ends a worker
    """The worker is gone."""


class Cancellable(FindableJob):
    """A job that can be cancelled; its worker dies as soon as it polls."""

    def __init__(self, system: JobSystem) -> None:
        super().__init__(system)
        self.cancelled: list[Any] = []

    def cancel_job(self, external_id: Any, context: Context) -> None:
        self.cancelled.append(external_id)

    def poll_until_complete(self, external_id: Any, context: Context) -> None:
        raise Lost


class Interrupted(Cancellable):
    """Its worker dies before it can store the id."""

    def submit_job(self, context: Context) -> str:
        super().submit_job(context)
        raise Lost


@pytest.fixture
def system(tmp_path: Path) -> JobSystem:
    return JobSystem(tmp_path)


def killed(job: Job, store: StateStore, scope: TaskScope) -> None:
    """Run the job until its worker is gone, then kill the task from elsewhere."""
    ids = (scope.dag_id, scope.run_id, scope.task_id)
    with pytest.raises(Lost):
        job.execute_resumable(store.task(*ids).__enter__())
    job.on_kill(store.task(*ids))


def test_the_job_is_cancelled(store: StateStore, scope: TaskScope, system: JobSystem) -> None:
    job = Cancellable(system)
    killed(job, store, scope)
    assert job.cancelled == [system.find(system.submissions[0])]


def test_a_job_whose_id_was_never_stored_is_found_and_cancelled(
    store: StateStore, scope: TaskScope, system: JobSystem
) -> None:
    job = Interrupted(system)
    killed(job, store, scope)
    assert job.cancelled == [system.find(system.submissions[0])]


def test_where_nothing_tells_whether_there_is_a_job_the_log_says_so(
    store: StateStore, scope: TaskScope, system: JobSystem, caplog: pytest.LogCaptureFixture
) -> None:
    class Blind(Interrupted):
        find_job = Job.find_job

    job = Blind(system)
    killed(job, store, scope)
    assert job.cancelled == []
    assert system.submissions[0] in caplog.text


def test_a_job_that_cannot_be_cancelled_goes_on_and_the_log_says_so(
    store: StateStore, scope: TaskScope, system: JobSystem, caplog: pytest.LogCaptureFixture
) -> None:
    class Unstoppable(Cancellable):
        cancel_job = Job.cancel_job

    killed(Unstoppable(system), store, scope)
    assert "Unstoppable cannot cancel job" in caplog.text


def test_where_nothing_was_submitted_or_all_is_over_nothing_is_cancelled(
    store: StateStore, scope: TaskScope, system: JobSystem
) -> None:
    job, context = Cancellable(system), store.task(scope.dag_id, scope.run_id, scope.task_id)
    job.on_kill(context)
    job.on_kill({})
    with context:
        FindableJob(system).execute_resumable(context)
    job.on_kill(context)
    assert job.cancelled == []


def test_it_works_with_coroutines(store: StateStore, scope: TaskScope, system: JobSystem) -> None:
    class Async(test_resumable_async.Abandoned):
        cancelled: Any = None

        async def cancel_job(self, external_id: Any, context: Context) -> None:
            await asyncio.sleep(0)
            self.cancelled = external_id

    async def work() -> Any:
        job = Async(system)
        async with store, store.task(scope.dag_id, scope.run_id, scope.task_id) as context:
            with pytest.raises(test_resumable_async.Lost):
                await job.execute_resumable(context)
            await job.on_kill(context)
        return job.cancelled

    assert run_async(work()) == system.find(system.submissions[0])
