"""PollingJob: what it does beside submitting once, with a system that answers as it is told."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from statestore.jobs.polling import JobStatus, NotSentError, PollingJob
from statestore.protocol import TaskScope
from statestore.sdk import (
    ConcurrentSubmissionError,
    JobActiveError,
    JobDeadlineError,
    JobFailedError,
    JobSystemUnreachableError,
    StaleAttemptError,
    StateStore,
    TaskContext,
)
from tests.jobs.attempts import until
from tests.server import Server
from tests.threads import run_async

Attempt = Callable[[], TaskContext]


class Told(PollingJob):
    """Gives the answers that it was told, one after the other; what is an exception is raised."""

    active = frozenset({"RUNNING"})
    succeeded = frozenset({"DONE"})
    poll_interval = 0.01

    def __init__(self, *answers: Any, **options: Any) -> None:
        super().__init__(**options)
        self.answers, self.calls = list(answers), [""]

    def submit_job(self, context: Any) -> Any:
        return self._answer("submit")

    def get_job_status(self, external_id: Any, context: Any) -> Any:
        return self._answer("status")

    def _answer(self, call: str) -> Any:
        self.calls.append(call)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Findable(Told):
    """A system that can be searched."""

    submit_seconds = 0.0

    def find_job(self, token: str, context: Any) -> Any:
        return self._answer("find")

    def cancel_job(self, external_id: Any, context: Any) -> None:
        self.calls.append("cancel")


AWAY = JobSystemUnreachableError("no answer")


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


def test_a_held_job_of_an_overtaken_attempt_is_cancelled_and_never_let_go(
    attempt: Attempt,
) -> None:
    first = attempt()

    class Held(Findable):
        active = frozenset({"HELD", "RUNNING"})
        held = frozenset({"HELD"})

        def release_job(self, external_id: Any, context: Any) -> None:
            self.calls.append(f"release {external_id}")

    newer = Held(None, "theirs", "HELD", "RUNNING", "DONE")

    class Overtaken(Held):
        def submit_job(self, context: Any) -> Any:
            assert newer.execute_resumable(attempt()) == "theirs"
            return "ours"

        def cancel_job(self, external_id: Any, context: Any) -> None:
            self.calls.append(f"cancel {external_id}")

    older = Overtaken()
    with pytest.raises(StaleAttemptError):
        older.execute_resumable(first)
    assert older.calls[1:] == ["cancel ours"]
    assert "release theirs" in newer.calls


@pytest.mark.parametrize("stored", [True, False], ids=["stored before", "stored later"])
def test_an_overtaken_attempt_s_second_job_is_cancelled(
    attempt: Attempt,
    stored: bool,
    server: Server,
    scope: TaskScope,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, waits = attempt(), threading.Event()
    newer = Findable(None, "theirs", "DONE")

    class Overtaken(Findable):
        submit_seconds = 20.0

        def submit_job(self, context: Any) -> Any:
            if stored:
                assert newer.execute_resumable(attempt()) == "theirs"
            else:
                attempt()  # its reservation is still the older one's
                monkeypatch.setattr(first.task_store, "entry", entry_of_older)
                threading.Thread(target=store_theirs, daemon=True).start()
            return "ours"

        def cancel_job(self, external_id: Any, context: Any) -> None:
            self.calls.append(f"cancel {external_id}")

    def entry_of_older(key: str) -> Any:
        entry = type(first.task_store).entry(first.task_store, key)
        waits.set()  # it has seen that there is none yet
        return entry

    def store_theirs() -> None:
        with StateStore(server.url, server.token) as store:
            assert waits.wait(20)
            context = store.task(scope.dag_id, scope.run_id, scope.task_id)
            newer.execute_resumable(context)

    older = Overtaken()
    with pytest.raises(StaleAttemptError):
        older.execute_resumable(first)
    assert older.calls[1:] == ["cancel ours"]


@pytest.fixture
def unnumbered(server: Server, scope: TaskScope) -> Iterator[Attempt]:
    """Starts executions that no attempt's number tells apart."""
    with StateStore(server.url, server.token, retry_seconds=20) as store:
        yield lambda: store.task(scope.dag_id, scope.run_id, scope.task_id)


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "running"])
def test_without_numbers_of_attempts_the_second_job_is_cancelled_too(
    unnumbered: Attempt, ended: bool
) -> None:
    """It has stored its id over the other one's: that is stored again."""
    newer = (
        Findable(None, "theirs", "RUNNING", "DONE")
        if ended
        else Findable(None, "theirs", "RUNNING")
    )

    class Overtaken(Findable):
        def submit_job(self, context: Any) -> Any:
            if ended:
                newer.execute_resumable(unnumbered())
            else:
                with pytest.raises(JobActiveError):
                    newer.execute_deferred(unnumbered())
            return "ours"

        def cancel_job(self, external_id: Any, context: Any) -> None:
            self.calls.append(f"cancel {external_id}")

    older, context = Overtaken(), unnumbered()
    with pytest.raises(ConcurrentSubmissionError):
        older.execute_resumable(context)
    assert older.calls[1:] == ["cancel ours"]
    entry = context.task_store.entry("remote_job_id")
    assert entry is not None
    assert (entry.value, entry.expires_at is None) == ("theirs", not ended)


def test_without_numbers_the_other_one_s_submission_is_waited_for(unnumbered: Attempt) -> None:
    """This one has stored its id while the other one, which has taken over, still submits."""
    submits, is_stored = threading.Event(), threading.Event()

    class Newer(Findable):
        def submit_job(self, context: Any) -> Any:
            submits.set()
            assert is_stored.wait(20)
            return "theirs"

    class Overtaken(Findable):
        submit_seconds = 20.0

        def submit_job(self, context: Any) -> Any:
            thread.start()
            assert submits.wait(20)
            return "ours"

        def cancel_job(self, external_id: Any, context: Any) -> None:
            self.calls.append(f"cancel {external_id}")

    def await_ours() -> None:
        until(lambda: context.task_store.get("remote_job_id") == "ours")
        is_stored.set()

    newer, older, context = Newer(None, "DONE"), Overtaken(), unnumbered()
    thread = threading.Thread(target=lambda: newer.execute_resumable(unnumbered()), daemon=True)
    waiting = threading.Thread(target=await_ours, daemon=True)
    waiting.start()
    with pytest.raises(ConcurrentSubmissionError):
        older.execute_resumable(context)
    thread.join(20)
    assert older.calls[1:] == ["cancel ours"]
    assert context.task_store.get("remote_job_id") == "theirs"


def test_without_numbers_the_id_that_counts_is_stored_again_where_nothing_can_be_cancelled(
    unnumbered: Attempt,
) -> None:
    class Overtaken(Told):
        def submit_job(self, context: Any) -> Any:
            Told("theirs", "DONE").execute_resumable(unnumbered())
            return "ours"

    context = unnumbered()
    with pytest.raises(ConcurrentSubmissionError):
        Overtaken().execute_resumable(context)
    assert context.task_store.get("remote_job_id") == "theirs"


def test_an_id_that_json_changes_is_still_the_id_of_the_job_that_counts(attempt: Attempt) -> None:
    """Another attempt has found the very job by its token, and stored it."""
    newer = Findable(["cluster", 7], "RUNNING", "RUNNING")

    class Overtaken(Findable):
        def submit_job(self, context: Any) -> Any:
            with pytest.raises(JobActiveError):
                newer.execute_deferred(attempt())
            return ("cluster", 7)

    older = Overtaken()
    with pytest.raises(StaleAttemptError):
        older.execute_resumable(attempt())
    assert older.calls[1:] == []


@pytest.mark.parametrize("mode", ["execute_resumable", "execute_deferred"])
def test_a_second_job_that_cannot_be_cancelled_leaves_the_attempt_overtaken(
    attempt: Attempt, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    newer = Findable(None, "theirs", "DONE")

    class Overtaken(Findable):
        def submit_job(self, context: Any) -> Any:
            newer.execute_resumable(attempt())
            return "ours"

        def cancel_job(self, external_id: Any, context: Any) -> None:
            raise AWAY

    with pytest.raises(StaleAttemptError):
        getattr(Overtaken(patience=timedelta(0)), mode)(attempt())
    assert "job ours may go on beside another attempt's" in caplog.text


@pytest.mark.parametrize("store", ["not used", "not there"])
def test_a_lost_answer_means_the_same_id_also_without_a_store(attempt: Attempt, store: str) -> None:
    class Reserving(Findable):
        def reserve_job(self, context: Any) -> Any:
            return self._answer("reserve")

        def submit_job(self, context: Any) -> Any:
            self._answer(f"submit {context['submission'].external_id}")
            return context["submission"].external_id

        def find_job(self, token: str, context: Any) -> Any:
            return self._answer(f"find {context['submission'].external_id}")

    context: Any = attempt() if store == "not used" else {}
    job = Reserving(AWAY, 7, AWAY, None, "taken", "DONE", durable=store != "not used")
    assert job.execute_resumable(context) == 7
    assert job.calls[1:] == ["reserve", "reserve", "submit 7", "find 7", "submit 7", "status"]


def test_a_job_that_is_sent_again_is_still_this_attempt_s(attempt: Attempt) -> None:
    """While the system was away, another attempt took over, and submitted."""

    class Overtaken(Findable):
        def find_job(self, token: str, context: Any) -> Any:
            if "RUNNING" in self.answers:
                newer = Findable(None, self.answers.pop(), "DONE")
                newer.execute_resumable(attempt())
            return super().find_job(token, context)

    older = Overtaken(AWAY, None, "never sent", "RUNNING")
    with pytest.raises(StaleAttemptError):
        older.execute_resumable(attempt())
    assert older.calls[1:] == ["submit", "find"]


def test_an_id_given_beforehand_is_stored_before_the_job_is_submitted(attempt: Attempt) -> None:
    class Reserving(Findable):
        def reserve_job(self, context: Any) -> Any:
            return self._answer("reserve")

        def submit_job(self, context: Any) -> Any:
            self._answer(f"submit {context['submission'].external_id}")
            return context["submission"].external_id

        def find_job(self, token: str, context: Any) -> Any:
            return self._answer(f"find {context['submission'].external_id}")

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
