"""PollingJob: of two attempts that submit, one job counts, and the other one is not needed."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import (
    ConcurrentSubmissionError,
    JobActiveError,
    StaleAttemptError,
    StateStore,
    TaskContext,
)
from tests.jobs.attempts import until
from tests.jobs.told import AWAY, Findable, Told
from tests.server import Server

Attempt = Callable[[], TaskContext]


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
