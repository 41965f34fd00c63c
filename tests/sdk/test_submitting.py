"""The moments around a submission: two attempts at once, ids that are missing, hooks that fail."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import (
    DeferrableJobMixin,
    InvalidValueError,
    JobActiveError,
    StaleAttemptError,
    StateStore,
    TaskContext,
    UnknownSubmissionError,
)
from tests.faults.job_system import CautiousJob, FindableJob, Job, JobSystem
from tests.proxy import Proxy
from tests.server import Server

Attempt = Callable[[], TaskContext]


@pytest.fixture
def attempt(store: StateStore, scope: TaskScope) -> Attempt:
    """Starts the next attempt of the test's task."""
    return lambda: store.task(scope.dag_id, scope.run_id, scope.task_id).__enter__()


@pytest.fixture
def system(tmp_path: Path) -> JobSystem:
    return JobSystem(tmp_path)


class SlowJob(FindableJob):
    """Its system takes a while until a submitted job can be found, and takes a token twice."""

    poll_interval = 0.02
    submit_seconds = 2.0

    def submit_job(self, context: Any) -> str:
        time.sleep(0.2)
        return super().submit_job(context)


class Interrupted(Exception):  # noqa: N818 - stands for whatever ends a worker
    """The worker is gone."""


class Doomed(SlowJob):
    """Its worker is gone before it submits."""

    def submit_job(self, context: Any) -> str:
        raise Interrupted


def test_of_two_attempts_that_submit_at_once_the_newer_one_waits_for_the_older_ones_job(
    system: JobSystem, attempt: Attempt
) -> None:
    def execute(context: TaskContext) -> Any:
        try:
            return SlowJob(system).execute_resumable(context)
        except StaleAttemptError as error:
            return error

    with ThreadPoolExecutor(2) as workers:
        older = workers.submit(execute, attempt())
        time.sleep(0.1)  # the older one is submitting
        newer = workers.submit(execute, attempt())
        assert isinstance(older.result(), StaleAttemptError)
        assert newer.result() == {"result of": system.find(system.submissions[0])}
    assert len(system.submissions) == 1


def test_a_reservation_that_nobody_submits_is_used_once_it_is_old_enough(
    system: JobSystem, attempt: Attempt
) -> None:
    class Impatient(SlowJob):
        submit_seconds = 0.3

    with pytest.raises(Interrupted):
        Doomed(system).execute_resumable(attempt())
    context = attempt()
    reserved = context.task_store.get("remote_job_id.submission")["token"]
    begin = time.monotonic()
    Impatient(system).execute_resumable(context)
    assert time.monotonic() - begin > 0.2
    assert system.submissions == [reserved]


def test_deferred_looks_wait_no_longer_in_all(system: JobSystem, attempt: Attempt) -> None:
    class Deferred(DeferrableJobMixin, SlowJob):
        submit_seconds = 0.5

    with pytest.raises(Interrupted):
        Doomed(system).execute_resumable(attempt())
    end = time.monotonic() + 20
    while not system.submissions:  # each look takes the reservation over, and none makes it younger
        assert time.monotonic() < end
        with pytest.raises(JobActiveError):
            Deferred(system).execute_resumable(attempt())
        time.sleep(0.05)
    assert len(system.submissions) == 1


def test_who_waited_and_was_overtaken_does_not_submit(system: JobSystem, attempt: Attempt) -> None:
    class Overtaken(SlowJob):
        submit_seconds = 0.2
        looks = 0

        def find_job(self, token: str, context: Any) -> str | None:
            self.looks += 1
            if self.looks == 2:
                attempt()
            return None

    with pytest.raises(Interrupted):
        Doomed(system).execute_resumable(attempt())
    with pytest.raises(StaleAttemptError):
        Overtaken(system).execute_resumable(attempt())
    assert system.submissions == []


def test_a_submission_that_tells_no_id_is_found_by_its_token(
    system: JobSystem, attempt: Attempt
) -> None:
    class Nameless(FindableJob):
        def submit_job(self, context: Any) -> Any:
            super().submit_job(context)

    results = [Nameless(system).execute_resumable(attempt()) for _ in range(3)]
    assert results == [{"result of": system.find(system.submissions[0])}] * 3
    assert len(system.submissions) == 1


def test_a_nameless_job_is_looked_for_until_the_search_shows_it(
    system: JobSystem, attempt: Attempt
) -> None:
    class Late(SlowJob):
        looks = 0

        def submit_job(self, context: Any) -> Any:
            super().submit_job(context)

        def find_job(self, token: str, context: Any) -> str | None:
            self.looks += 1
            return None if self.looks < 4 else super().find_job(token, context)

    for _ in range(3):
        Late(system).execute_resumable(attempt())
    assert len(system.submissions) == 1


def test_a_nameless_job_that_is_not_found_is_looked_for_by_the_next_attempt(
    system: JobSystem, attempt: Attempt
) -> None:
    class Hidden(FindableJob):
        def submit_job(self, context: Any) -> Any:
            super().submit_job(context)

        def find_job(self, token: str, context: Any) -> str | None:
            return None

    with pytest.raises(UnknownSubmissionError, match="submit_seconds"):
        Hidden(system).execute_resumable(attempt())
    FindableJob(system).execute_resumable(attempt())
    assert len(system.submissions) == 1


def test_a_nameless_job_that_cannot_be_searched_for_is_unknown(
    system: JobSystem, attempt: Attempt
) -> None:
    class Cautious(CautiousJob):
        def submit_job(self, context: Any) -> Any:
            super().submit_job(context)

        def poll_until_complete(self, external_id: Any, context: Any) -> None:
            raise Interrupted

    with pytest.raises(Interrupted):
        Cautious(system).execute_resumable(attempt())
    with pytest.raises(UnknownSubmissionError, match="clear"):
        Cautious(system).execute_resumable(attempt())
    assert len(system.submissions) == 1


def test_a_reservation_whose_answer_came_late_is_made_anew_before_the_job_is_submitted(
    system: JobSystem, server: Server, proxy: Proxy, scope: TaskScope
) -> None:
    records = []

    class Watched(SlowJob):
        submit_seconds = 1.0

        def submit_job(self, context: Any) -> str:
            records.append(context["task_store"].entry("remote_job_id.submission"))
            return super().submit_job(context)

    with StateStore(proxy.url, server.token, timeout=1, retry_seconds=20) as store:
        context = store.task(scope.dag_id, scope.run_id, scope.task_id).__enter__()
        proxy.lose_answers_to = b"PUT "
        threading.Timer(0.5, lambda: setattr(proxy, "lose_answers_to", b"")).start()
        Watched(system).execute_resumable(context)
    assert proxy.lost
    assert records[0].version > 1  # the first was too old when its answer came
    assert len(system.submissions) == 1


def test_a_stale_attempt_that_is_killed_cancels_nothing(
    system: JobSystem, attempt: Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    cancelled = []

    class Endless(FindableJob):
        def poll_until_complete(self, external_id: Any, context: Any) -> None:
            raise Interrupted

        def cancel_job(self, external_id: Any, context: Any) -> None:
            cancelled.append(external_id)

    job, older = Endless(system), attempt()
    with pytest.raises(Interrupted):
        job.execute_resumable(older)
    newer = attempt()
    with pytest.raises(Interrupted):
        job.execute_resumable(newer)
    caplog.set_level(logging.INFO)
    job.on_kill(older)
    assert cancelled == []
    assert "a newer attempt's" in caplog.text
    job.on_kill(newer)
    assert cancelled == [system.find(system.submissions[0])]


def test_a_stale_attempt_cancels_nothing_where_the_id_alone_is_known(
    system: JobSystem, attempt: Attempt
) -> None:
    cancelled = []

    class Endless(FindableJob):
        def cancel_job(self, external_id: Any, context: Any) -> None:
            cancelled.append(external_id)

    older = attempt()
    older.task_store.set("remote_job_id", "by hand")
    newer = attempt()
    Endless(system).on_kill(older)
    assert cancelled == []
    Endless(system).on_kill(newer)
    assert cancelled == ["by hand"]


def test_a_hook_must_not_be_a_coroutine(
    system: JobSystem, attempt: Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    class Measured(Job):
        async def on_submission_event(self, event: str, context: Any) -> None:  # type: ignore[override]
            """Nobody would await it."""

    Measured(system).execute_resumable(attempt())
    assert "must not be coroutines" in caplog.text


def test_a_hook_that_fails_costs_no_job(
    system: JobSystem, attempt: Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    class Measured(Job):
        def on_submission_event(self, event: str, context: Any) -> None:
            raise ConnectionError("statsd is down")

    for _ in range(2):
        Measured(system).execute_resumable(attempt())
    assert len(system.submissions) == 1
    assert "statsd is down" in caplog.text


def test_a_job_whose_id_cannot_be_stored_is_cancelled_for_nobody_could_find_it_again(
    system: JobSystem, attempt: Attempt
) -> None:
    cancelled = []

    class Unstorable(Job):
        def submit_job(self, context: Any) -> Any:
            super().submit_job(context)
            return uuid.UUID(int=7)

        def cancel_job(self, external_id: Any, context: Any) -> None:
            cancelled.append(external_id)

    with pytest.raises(InvalidValueError, match="UUID"):
        Unstorable(system).execute_resumable(attempt())
    assert cancelled == [uuid.UUID(int=7)]


def test_an_error_inside_a_search_is_no_missing_search(system: JobSystem, attempt: Attempt) -> None:
    class Broken(FindableJob):
        def find_job(self, token: str, context: Any) -> str | None:
            raise NotImplementedError("deep inside a library")

    with pytest.raises(Interrupted):
        Doomed(system).execute_resumable(attempt())
    with pytest.raises(NotImplementedError, match="deep inside"):
        Broken(system).execute_resumable(attempt())
    assert system.submissions == []


def test_what_a_status_means_must_not_be_a_coroutine(system: JobSystem, attempt: Attempt) -> None:
    class Wrong(FindableJob):
        async def is_job_succeeded(self, status: str) -> bool:  # type: ignore[override]
            return False

    with pytest.raises(TypeError, match="must not be coroutines"):
        Wrong(system).execute_resumable(attempt())


def test_a_decision_is_logged_with_the_status_and_the_key(
    system: JobSystem, attempt: Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    failed = JobSystem(system.folder, ends_as="failed")
    for _ in range(2):
        with pytest.raises(Exception, match="failed"):
            FindableJob(failed).execute_resumable(attempt())
    (line,) = [record for record in caplog.records if "terminal_resubmit" in record.getMessage()]
    assert line.levelname == "WARNING"
    assert "remote_job_id: job-" in line.getMessage()
    assert "status before: failed" in line.getMessage()
