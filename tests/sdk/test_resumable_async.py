"""AsyncResumableJobMixin: the same decisions with coroutines, and many jobs in one event loop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import (
    AsyncResumableJobMixin,
    JobFailedError,
    StaleAttemptError,
    StateStore,
    TaskContext,
    UnknownSubmissionError,
)
from statestore.sdk.resumable import Context
from tests.faults.job_system import JobSystem
from tests.server import Server
from tests.threads import run_async

Attempt = Callable[[], Awaitable[TaskContext]]
Run = Callable[[Callable[[Attempt], Awaitable[Any]]], Any]


class Job(AsyncResumableJobMixin):
    """A job of the system, which does not find its token."""

    poll_interval = 0.01

    def __init__(self, system: JobSystem) -> None:
        self.system, self.events = system, list[str]()

    async def submit_job(self, context: Context) -> Any:
        await asyncio.sleep(0)
        return self.system.submit(context["submission"].token)

    async def get_job_status(self, external_id: Any, context: Context) -> str:
        await asyncio.sleep(0)
        return self.system.status(external_id)

    def is_job_active(self, status: str) -> bool:
        return status == "running"

    def is_job_succeeded(self, status: str) -> bool:
        return status == "succeeded"

    async def get_job_result(self, external_id: Any, context: Context) -> str:
        await asyncio.sleep(0)
        return f"result of {external_id}"

    def on_submission_event(self, event: str, context: Context) -> None:
        self.events.append(event)


class FindableJob(Job):
    """One that does."""

    async def find_job(self, token: str, context: Context) -> Any:
        await asyncio.sleep(0)
        return self.system.find(token)


class Lost(Exception):  # noqa: N818 - stands for whatever ends a worker
    """The worker is gone."""


class Dying(FindableJob):
    """Dies right after it submitted."""

    async def submit_job(self, context: Context) -> Any:
        await super().submit_job(context)
        raise Lost


class Abandoned(FindableJob):
    """Dies as soon as it polls."""

    async def poll_until_complete(self, external_id: Any, context: Context) -> None:
        raise Lost


@pytest.fixture
def system(tmp_path: Path) -> JobSystem:
    return JobSystem(tmp_path)


@pytest.fixture
def run(server: Server, scope: TaskScope) -> Run:
    """Runs a coroutine function with what starts the next attempt of the test's task."""

    def start(work: Callable[[Attempt], Awaitable[Any]]) -> Any:
        async def opened() -> Any:
            async with StateStore(server.url, server.token, retry_seconds=20) as store:

                async def attempt() -> TaskContext:
                    context = store.task(scope.dag_id, scope.run_id, scope.task_id)
                    return await context.__aenter__()

                return await work(attempt)

        return run_async(opened())

    return start


def test_a_first_run_submits_and_stores_the_id_before_it_polls(run: Run, system: JobSystem) -> None:
    stored: list[Any] = []

    class Watched(FindableJob):
        async def poll_until_complete(self, external_id: Any, context: Context) -> None:
            stored.append(await context["task_store"].aget("remote_job_id"))
            await super().poll_until_complete(external_id, context)

    async def work(attempt: Attempt) -> None:
        job, context = Watched(system), await attempt()
        assert await job.execute_resumable(context) == f"result of {stored[0]}"
        assert job.events == ["fresh_submit"]
        assert system.submissions == [context["submission"].token]

    run(work)


def test_active_is_reconnected_succeeded_is_returned_and_failed_submitted_afresh(
    run: Run, system: JobSystem, tmp_path: Path
) -> None:
    async def work(attempt: Attempt) -> None:
        with pytest.raises(Lost):
            await Abandoned(system).execute_resumable(await attempt())
        again = FindableJob(system)
        result = await again.execute_resumable(await attempt())
        assert again.events == ["reconnect"]
        third = FindableJob(system)
        assert await third.execute_resumable(await attempt()) == result
        assert third.events == ["already_succeeded"]
        assert len(system.submissions) == 1
        context = await attempt()
        await context.task_store.aclear()
        with pytest.raises(JobFailedError):
            await FindableJob(JobSystem(tmp_path, "failed")).execute_resumable(context)
        last = FindableJob(system)
        await last.execute_resumable(await attempt())
        assert last.events == ["terminal_resubmit", "fresh_submit"]
        assert len(system.submissions) == 3

    run(work)


@pytest.mark.parametrize("external_id", [0, "", False, {"pod": "p"}], ids=repr)
def test_only_none_means_that_there_is_no_id(
    run: Run, system: JobSystem, external_id: object
) -> None:
    class Fixed(FindableJob):
        submitted = 0

        async def submit_job(self, context: Context) -> Any:
            self.submitted += 1
            return external_id

        async def get_job_status(self, external_id: Any, context: Context) -> str:
            return "succeeded"

    async def work(attempt: Attempt) -> None:
        job = Fixed(system)
        for _ in range(2):
            context = await attempt()
            await job.execute_resumable(context)
            assert await context.task_store.aget("remote_job_id") == external_id
        assert job.submitted == 1

    run(work)


def test_a_job_whose_id_was_never_stored_is_found_by_its_token(run: Run, system: JobSystem) -> None:
    async def work(attempt: Attempt) -> None:
        with pytest.raises(Lost):
            await Dying(system).execute_resumable(await attempt())
        job = FindableJob(system)
        await job.execute_resumable(await attempt())
        assert job.events == ["found_by_token", "reconnect"]
        assert len(system.submissions) == 1

    run(work)


def test_where_nothing_tells_the_job_is_submitted_again_or_the_attempt_fails(
    run: Run, system: JobSystem
) -> None:
    async def work(attempt: Attempt) -> None:
        with pytest.raises(Lost):
            await Dying(system).execute_resumable(await attempt())
        careful = Job(system)
        careful.on_unknown = "fail"
        with pytest.raises(UnknownSubmissionError):
            await careful.execute_resumable(await attempt())
        job = Job(system)
        await job.execute_resumable(await attempt())
        assert (careful.events, job.events) == (["unknown"], ["unknown", "fresh_submit"])

    run(work)


def test_a_status_that_cannot_be_asked_for_keeps_the_id(run: Run, system: JobSystem) -> None:
    class Deaf(FindableJob):
        async def get_job_status(self, external_id: Any, context: Context) -> str:
            raise OSError("away")

    async def work(attempt: Attempt) -> None:
        with pytest.raises(OSError, match="away"):
            await Deaf(system).execute_resumable(await attempt())
        await FindableJob(system).execute_resumable(await attempt())
        assert len(system.submissions) == 1

    run(work)


def test_an_attempt_that_was_overtaken_submits_nothing(run: Run, system: JobSystem) -> None:
    async def work(attempt: Attempt) -> None:
        old, new = await attempt(), await attempt()
        with pytest.raises(StaleAttemptError):
            await FindableJob(system).execute_resumable(old)
        await FindableJob(system).execute_resumable(new)
        assert len(system.submissions) == 1

    run(work)


def test_a_job_that_is_cancelled_while_it_polls_goes_on_in_the_next_attempt(
    run: Run, system: JobSystem
) -> None:
    endless = JobSystem(system.folder, ends_after=10**9)

    async def work(attempt: Attempt) -> None:
        context = await attempt()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(FindableJob(endless).execute_resumable(context), 0.5)
        again = FindableJob(endless)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(again.execute_resumable(await attempt()), 0.5)
        assert again.events == ["reconnect"]
        assert len(system.submissions) == 1

    run(work)


def test_without_a_store_or_not_durable_it_runs_and_leaves_nothing(
    run: Run, system: JobSystem, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(attempt: Attempt) -> None:
        with caplog.at_level(logging.WARNING):
            assert "result of" in await FindableJob(system).execute_resumable({})
        assert "crash recovery is off" in caplog.text
        job, context = FindableJob(system), await attempt()
        job.durable = False
        await job.execute_resumable(context)
        assert [entry async for entry in context.task_store.aitems()] == []

    run(work)


def test_methods_without_coroutines_will_do_too(run: Run, system: JobSystem) -> None:
    class Plain(AsyncResumableJobMixin):
        def submit_job(self, context: Context) -> str:
            return system.submit(context["submission"].token)

        def get_job_status(self, external_id: str, context: Context) -> str:
            return "succeeded"

        def is_job_active(self, status: str) -> bool:
            return False

        def is_job_succeeded(self, status: str) -> bool:
            return True

    async def work(attempt: Attempt) -> None:
        context = await attempt()
        assert await Plain().execute_resumable(context) == system.find(system.submissions[0])

    run(work)


@pytest.mark.slow
def test_a_hundred_jobs_are_polled_in_one_event_loop(
    server: Server, scope: TaskScope, tmp_path: Path
) -> None:
    async def work() -> None:
        async with StateStore(server.url, server.token, retry_seconds=60) as store:

            async def one(number: int) -> str:
                (tmp_path / str(number)).mkdir(exist_ok=True)
                job = FindableJob(JobSystem(tmp_path / str(number), ends_after=5))
                async with store.task(scope.dag_id, scope.run_id, "jobs", number) as context:
                    return str(await job.execute_resumable(context))

            results = await asyncio.gather(*(one(number) for number in range(100)))
            assert await asyncio.gather(*(one(number) for number in range(100))) == results

    run_async(work())
    for number in range(100):
        assert len(JobSystem(tmp_path / str(number)).submissions) == 1
