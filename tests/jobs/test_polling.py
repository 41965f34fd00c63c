"""PollingJob: what it does beside submitting once, with a system that answers as it is told."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from statestore.jobs.polling import JobStatus, NotSentError
from statestore.protocol import TaskScope
from statestore.sdk import (
    JobActiveError,
    JobDeadlineError,
    JobFailedError,
    JobSystemUnreachableError,
    StateStore,
    TaskContext,
)
from tests.jobs.told import AWAY, Findable, Told
from tests.server import Server
from tests.threads import run_async

Attempt = Callable[[], TaskContext]


class Reserving(Findable):
    """Its system gives an id before anything is submitted."""

    def reserve_job(self, context: Any) -> Any:
        return self._answer("reserve")

    def submit_job(self, context: Any) -> Any:
        self._answer(f"submit {context['submission'].external_id}")
        return context["submission"].external_id

    def find_job(self, token: str, context: Any) -> Any:
        return self._answer(f"find {context['submission'].external_id}")


def test_what_the_system_tells_is_the_progress_of_the_task(attempt: Attempt) -> None:
    context = attempt()
    seen: list[Any] = []

    class Watched(Told):
        def get_job_status(self, external_id: Any, context: Any) -> Any:
            seen.append(context["task_store"].get("progress"))
            return super().get_job_status(external_id, context)

    half = JobStatus("RUNNING", current=5, total=10, unit="stages")
    Watched("job", half, half, JobStatus("DONE", current=10, total=10, unit="stages")).execute_resumable(
        context
    )  # fmt: skip
    told = {"current": 5, "total": 10, "unit": "stages", "status": "running"}
    assert seen == [None, told, told]
    entry = context.task_store.entry("progress")
    assert entry is not None
    assert entry.value == {**told, "current": 10, "status": "done"}
    assert entry.version == 2  # written where it was news


def test_a_failed_job_says_why(attempt: Attempt) -> None:
    context = attempt()
    with pytest.raises(JobFailedError, match=r"'job' ended as 'DEAD': out of memory"):
        Told("job", JobStatus("DEAD", message="out of memory")).execute_resumable(context)
    assert context.task_store.get("progress") == {"message": "out of memory", "status": "failed"}


def test_a_deadline_counts_from_the_first_attempt_s_reservation(attempt: Attempt) -> None:
    with pytest.raises(JobActiveError):
        Findable("job", "RUNNING").execute_deferred(attempt())
    late = Findable("RUNNING", "RUNNING", deadline=timedelta(0))
    with pytest.raises(JobDeadlineError, match="it was cancelled"):
        late.execute_resumable(attempt())
    assert late.calls[-1] == "cancel"


def test_a_job_may_be_left_to_itself_at_its_deadline(attempt: Attempt) -> None:
    left = Findable("job", "RUNNING", deadline=timedelta(0), cancel_at_deadline=False)
    with pytest.raises(JobDeadlineError, match="it goes on"):
        left.execute_resumable(attempt())
    assert "cancel" not in left.calls
    with pytest.raises(JobDeadlineError, match="Told cannot cancel"):
        Told("RUNNING", "RUNNING", deadline=timedelta(0)).execute_resumable(attempt())


def test_a_system_that_is_away_is_asked_again(attempt: Attempt) -> None:
    job = Told("job", AWAY, AWAY, "RUNNING", AWAY, "DONE")
    assert job.execute_resumable(attempt()) == "job"


def test_an_unanswered_submission_is_looked_for_before_the_next_one(attempt: Attempt) -> None:
    arrived = Findable(AWAY, AWAY, "job", "DONE")
    assert arrived.execute_resumable(attempt()) == "job"
    assert arrived.calls[1:] == ["submit", "find", "find", "status"]


def test_a_submission_that_did_not_arrive_is_sent_again(attempt: Attempt) -> None:
    lost = Findable(AWAY, None, "job", "DONE")
    assert lost.execute_resumable(attempt()) == "job"
    assert lost.calls[1:] == ["submit", "find", "submit", "status"]


def test_where_nothing_can_be_found_an_unanswered_submission_fails_the_attempt(
    attempt: Attempt,
) -> None:
    with pytest.raises(JobSystemUnreachableError, match="no answer"):
        Told(AWAY).execute_resumable(attempt())


def test_a_submission_that_was_never_sent_is_sent_later_also_there(attempt: Attempt) -> None:
    assert Told(NotSentError("nobody listens"), "job", "DONE").execute_resumable(attempt()) == "job"


def test_patience_has_an_end(attempt: Attempt) -> None:
    with pytest.raises(JobSystemUnreachableError, match="no answer"):
        Told("job", AWAY, patience=timedelta(0)).execute_resumable(attempt())


def test_a_deferred_job_asks_an_absent_system_once(attempt: Attempt) -> None:
    job = Findable(AWAY, AWAY, "job", "RUNNING", AWAY, "DONE", "never asked for")
    for _ in range(3):
        with pytest.raises(JobActiveError):
            job.execute_deferred(attempt())
    assert job.execute_deferred(attempt()) == "job"
    assert job.calls[1:] == ["submit", "find", "find", "status", "status", "status"]


def test_a_deferred_job_that_fails_between_two_looks_fails_the_task_once(attempt: Attempt) -> None:
    with pytest.raises(JobActiveError):
        Told("first", "RUNNING").execute_deferred(attempt())
    with pytest.raises(JobFailedError):
        Told("FAILED").execute_deferred(attempt())
    retried = Told("FAILED", "second", "DONE")
    assert retried.execute_deferred(attempt()) == "second"


@pytest.mark.parametrize("store", ["not used", "not there"])
def test_a_lost_answer_means_the_same_id_also_without_a_store(attempt: Attempt, store: str) -> None:
    context: Any = attempt() if store == "not used" else {}
    job = Reserving(AWAY, 7, AWAY, None, "taken", "DONE", durable=store != "not used")
    assert job.execute_resumable(context) == 7
    assert job.calls[1:] == ["reserve", "reserve", "submit 7", "find 7", "submit 7", "status"]


def test_an_id_given_beforehand_is_stored_before_the_job_is_submitted(attempt: Attempt) -> None:
    class KilledError(BaseException):
        """The process is gone."""

    with pytest.raises(KilledError):
        Reserving(AWAY, 7, KilledError()).execute_resumable(attempt())
    context = attempt()
    record = context.task_store.get("remote_job_id.submission")
    assert (record["state"], record["external_id"]) == ("reserved", 7)
    killed = Reserving(None)
    killed.on_kill(context)
    assert killed.calls[1:] == ["find 7"]
    again = Reserving(None, "taken", "FAILED")
    with pytest.raises(JobFailedError):
        again.execute_resumable(context)
    assert again.calls[1:] == ["find 7", "submit 7", "status"]
    afresh = Reserving("FAILED", 8, "taken", "DONE")
    assert afresh.execute_resumable(attempt()) == 8
    assert afresh.calls[1:] == ["status", "reserve", "submit 8", "status"]


def test_what_blocks_runs_in_threads_and_twins_in_the_loop(
    server: Server, scope: TaskScope
) -> None:
    class Mixed(Told):
        def submit_job(self, context: Any) -> Any:
            return threading.get_ident()

        async def aget_job_status(self, external_id: Any, context: Any) -> str:
            assert threading.get_ident() != external_id
            return "DONE"

    async def run() -> None:
        async with (
            StateStore(server.url, server.token) as store,
            store.task(scope.dag_id, scope.run_id, scope.task_id) as context,
        ):
            await Mixed().aexecute_resumable(context)

    run_async(run())


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="has no argument 'poll_intervall'"):
        Told(poll_intervall=1)
