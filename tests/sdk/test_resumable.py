"""ResumableJobMixin: each decision, against a job system that counts submissions."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import (
    ConcurrentSubmissionError,
    InvalidValueError,
    JobFailedError,
    ResumableJobMixin,
    StaleAttemptError,
    StateStore,
    TaskContext,
    UnknownSubmissionError,
)
from statestore.sdk.resumable import event_counts
from tests.faults.job_system import CautiousJob, FindableJob, Job, JobSystem

Attempt = Callable[[], TaskContext]


@pytest.fixture
def attempt(store: StateStore, scope: TaskScope) -> Attempt:
    """Starts the next attempt of the test's task."""
    return lambda: store.task(scope.dag_id, scope.run_id, scope.task_id).__enter__()


@pytest.fixture
def system(tmp_path: Path) -> JobSystem:
    return JobSystem(tmp_path)


@pytest.fixture
def failing(tmp_path: Path) -> JobSystem:
    """The same system; its jobs fail."""
    return JobSystem(tmp_path, ends_as="failed")


@pytest.fixture
def events(system: JobSystem) -> Callable[[], list[str]]:
    """The decisions so far."""
    file = system.folder / "events"
    return lambda: file.read_text().split() if file.exists() else []


class Interrupted(Exception):  # noqa: N818 - stands for whatever ends a worker
    """The worker is gone."""


class Abandoned(FindableJob):
    """A job whose worker is gone as soon as it polls."""

    def poll_until_complete(self, external_id: Any, context: Any) -> None:
        raise Interrupted


def test_a_first_run_submits_stores_the_id_before_it_polls_and_returns_the_result(
    system: JobSystem, attempt: Attempt, events: Callable[[], list[str]]
) -> None:
    context = attempt()
    stored: list[Any] = []

    class Watched(FindableJob):
        def poll_until_complete(self, external_id: Any, context: Any) -> None:
            stored.append(context["task_store"].get("remote_job_id"))
            super().poll_until_complete(external_id, context)

    (job,) = [Watched(system).execute_resumable(context)["result of"]]
    assert stored == [job]
    assert events() == ["fresh_submit"]
    assert system.submissions == [context["submission"].token]


def test_the_token_is_short_and_of_harmless_characters(system: JobSystem, attempt: Attempt) -> None:
    FindableJob(system).execute_resumable(attempt())
    (token,) = system.submissions
    assert len(token) <= 40
    assert token.replace("-", "").isalnum()
    assert token == token.lower()
    assert token.endswith("-1")


def test_an_active_job_is_reconnected_to_and_its_result_returned(
    system: JobSystem, attempt: Attempt, events: Callable[[], list[str]]
) -> None:
    with pytest.raises(Interrupted):
        Abandoned(system).execute_resumable(attempt())
    job = FindableJob(system).execute_resumable(attempt())["result of"]
    assert job == system.find(system.submissions[0])
    assert len(system.submissions) == 1
    assert events() == ["fresh_submit", "reconnect"]


def test_a_job_that_has_succeeded_is_neither_submitted_nor_polled_again(
    system: JobSystem, attempt: Attempt, events: Callable[[], list[str]]
) -> None:
    first = FindableJob(system).execute_resumable(attempt())

    class NeverPolled(FindableJob):
        def poll_until_complete(self, external_id: Any, context: Any) -> None:
            raise AssertionError("polled")

    assert NeverPolled(system).execute_resumable(attempt()) == first
    assert events() == ["fresh_submit", "already_succeeded"]


def test_a_job_that_has_failed_is_submitted_afresh_under_a_new_token_and_id(
    system: JobSystem, failing: JobSystem, attempt: Attempt, events: Callable[[], list[str]]
) -> None:
    with pytest.raises(JobFailedError, match="failed"):
        FindableJob(failing).execute_resumable(attempt())
    context = attempt()
    FindableJob(system).execute_resumable(context)
    first, second = system.submissions
    assert (first[-2:], second[-2:]) == ("-1", "-2")
    assert first[:-2] == second[:-2]
    assert context.task_store.get("remote_job_id") == system.find(second)
    assert events() == ["fresh_submit", "terminal_resubmit", "fresh_submit"]


def test_every_decision_is_counted_and_logged(
    system: JobSystem, attempt: Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    before = event_counts["fresh_submit"]
    with caplog.at_level(logging.INFO, "statestore.sdk.deciding"):
        FindableJob(system).execute_resumable(attempt())
    assert event_counts["fresh_submit"] == before + 1
    assert "FindableJob: fresh_submit" in caplog.text


# --- ids ---


class Fixed(ResumableJobMixin):
    """A job with an id of one's choice, which is running until it is asked."""

    poll_interval = 0

    def __init__(self, external_id: Any, **options: Any) -> None:
        super().__init__(**options)
        self.external_id, self.submitted, self.asked = external_id, 0, []  # type: ignore[var-annotated]

    def submit_job(self, context: Any) -> Any:
        self.submitted += 1
        return self.external_id

    def get_job_status(self, external_id: Any, context: Any) -> str:
        self.asked.append(external_id)
        return "succeeded"

    def is_job_active(self, status: str) -> bool:
        return False

    def is_job_succeeded(self, status: str) -> bool:
        return status == "succeeded"


@pytest.mark.parametrize("external_id", [0, "", False, {"pod": "p", "uid": 1}, ["a"]], ids=repr)
def test_only_none_means_that_there_is_no_id(attempt: Attempt, external_id: Any) -> None:
    job = Fixed(external_id)
    assert job.execute_resumable(attempt()) == external_id
    context = attempt()
    assert context.task_store.get("remote_job_id") == external_id
    assert job.execute_resumable(context) == external_id
    assert job.submitted == 1


def test_no_id_is_not_stored_and_the_next_attempt_submits_again(attempt: Attempt) -> None:
    job = Fixed(None)
    context = attempt()
    assert job.execute_resumable(context) is None
    assert context.task_store.entry("remote_job_id") is None
    job.execute_resumable(attempt())
    assert job.submitted == 2


def test_the_id_has_the_key_of_ones_choice(attempt: Attempt) -> None:
    job = Fixed("app-1")
    job.external_id_key = "spark/app"
    context = attempt()
    job.execute_resumable(context)
    assert context.task_store.get("spark/app") == "app-1"
    keys = [entry.key for entry in context.task_store.items()]
    assert keys == ["spark/app", "spark/app.submission"]


def test_the_id_never_expires_while_the_job_runs_and_ages_once_it_has_ended(
    system: JobSystem, attempt: Attempt
) -> None:
    context = attempt()
    with pytest.raises(Interrupted):
        Abandoned(system).execute_resumable(context)
    assert [entry.expires_at for entry in context.task_store.items()] == [None, None]
    FindableJob(system).execute_resumable(context)
    for entry in context.task_store.items():
        assert entry.expires_at is not None
        assert entry.expires_at - entry.updated_at == timedelta(days=30)


def test_what_to_do_where_nobody_knows_is_one_of_two_words(
    attempt: Attempt, system: JobSystem
) -> None:
    job = CautiousJob(system)
    job.on_unknown = "Fail"
    with pytest.raises(InvalidValueError, match='"resubmit" or "fail", not \'Fail\''):
        job.execute_resumable(attempt())
    assert system.submissions == []


# --- without a store ---


def test_a_job_that_is_not_durable_leaves_the_store_alone(attempt: Attempt) -> None:
    by_attribute, by_argument = Fixed("id"), Fixed("id", durable=False)
    by_attribute.durable = False
    context = attempt()
    for job in (by_attribute, by_argument):
        for _ in range(2):
            assert job.execute_resumable(context) == "id"
        assert job.submitted == 2
    assert list(context.task_store.items()) == []
    assert Fixed("id").durable


def test_without_a_store_a_warning_says_that_recovery_is_off_and_the_job_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert Fixed("id").execute_resumable({}) == "id"
    assert "crash recovery is off" in caplog.text


@pytest.mark.parametrize("name", ["task_store", "task_state_store", "task_state"])
def test_the_store_is_found_under_each_of_its_names(attempt: Attempt, name: str) -> None:
    task_store = attempt().task_store
    Fixed("id").execute_resumable({name: task_store})
    assert task_store.get("remote_job_id") == "id"


# --- what goes wrong ---


def test_a_status_that_cannot_be_asked_for_fails_the_attempt_and_keeps_the_id(
    system: JobSystem, attempt: Attempt
) -> None:
    with pytest.raises(Interrupted):
        Abandoned(system).execute_resumable(attempt())

    class Deaf(FindableJob):
        def get_job_status(self, external_id: Any, context: Any) -> str:
            raise OSError("the job system is away")

    with pytest.raises(OSError, match="away"):
        Deaf(system).execute_resumable(attempt())
    FindableJob(system).execute_resumable(attempt())
    assert len(system.submissions) == 1


class Lost(Exception):  # noqa: N818 - stands for whatever ends a worker
    """The worker died right after it submitted."""


def dying(job: type[Job]) -> type[Job]:
    class Dying(job):  # type: ignore[valid-type,misc]
        def submit_job(self, context: Any) -> str:
            super().submit_job(context)
            raise Lost

    return Dying


def test_a_job_whose_id_was_never_stored_is_found_by_its_token(
    system: JobSystem, attempt: Attempt, events: Callable[[], list[str]]
) -> None:
    with pytest.raises(Lost):
        dying(FindableJob)(system).execute_resumable(attempt())
    context = attempt()
    assert context.task_store.get("remote_job_id") is None
    FindableJob(system).execute_resumable(context)
    assert len(system.submissions) == 1
    assert "found_by_token" in events()
    job = system.find(system.submissions[0])
    assert (context["submission"].state, context["submission"].external_id) == ("submitted", job)
    record = context.task_store.get("remote_job_id.submission")
    assert (record["state"], record["external_id"]) == ("finished", job)


def test_where_nothing_tells_the_outcome_is_unknown_and_the_job_submitted_again(
    system: JobSystem, attempt: Attempt, events: Callable[[], list[str]]
) -> None:
    with pytest.raises(Lost):
        dying(Job)(system).execute_resumable(attempt())
    Job(system).execute_resumable(attempt())
    first, second = system.submissions
    assert first == second  # a system that knows its tokens has not run it twice
    assert events() == ["unknown", "fresh_submit"]


def test_a_cautious_job_fails_there_and_says_how_to_go_on(
    system: JobSystem, attempt: Attempt, events: Callable[[], list[str]]
) -> None:
    with pytest.raises(Lost):
        dying(CautiousJob)(system).execute_resumable(attempt())
    context = attempt()
    with pytest.raises(UnknownSubmissionError) as refused:
        CautiousJob(system).execute_resumable(context)
    assert system.submissions[0] in str(refused.value)
    assert "remote_job_id" in str(refused.value)
    assert events() == ["unknown"]
    context.task_store.set("remote_job_id", system.find(system.submissions[0]))  # as it says
    CautiousJob(system).execute_resumable(attempt())
    assert len(system.submissions) == 1


def test_clearing_the_reservation_lets_a_cautious_job_submit_afresh(
    system: JobSystem, attempt: Attempt
) -> None:
    with pytest.raises(Lost):
        dying(CautiousJob)(system).execute_resumable(attempt())
    context = attempt()
    context.task_store.delete("remote_job_id.submission")
    CautiousJob(system).execute_resumable(context)
    first, second = system.submissions
    assert first != second


def test_someone_who_clears_the_id_gets_a_fresh_submission(
    system: JobSystem, attempt: Attempt
) -> None:
    first = FindableJob(system).execute_resumable(attempt())
    context = attempt()
    context.task_store.delete("remote_job_id")
    assert FindableJob(system).execute_resumable(context) != first
    assert [token[-2:] for token in system.submissions] == ["-1", "-2"]


def test_someone_who_clears_all_keys_gets_a_fresh_submission_under_another_name(
    system: JobSystem, attempt: Attempt
) -> None:
    FindableJob(system).execute_resumable(attempt())
    context = attempt()
    context.task_store.clear()
    FindableJob(system).execute_resumable(context)
    first, second = system.submissions
    assert first != second


@pytest.mark.parametrize("value", ["a string", 7, {"token": "x"}, [1]])
def test_what_somebody_else_wrote_under_the_reservations_key_does_no_harm(
    system: JobSystem, attempt: Attempt, value: Any
) -> None:
    context = attempt()
    context.task_store.set("remote_job_id.submission", value)
    FindableJob(system).execute_resumable(context)
    assert len(system.submissions) == 1


# --- two at once ---


def test_an_attempt_that_was_overtaken_submits_nothing(system: JobSystem, attempt: Attempt) -> None:
    old, new = attempt(), attempt()
    with pytest.raises(StaleAttemptError):
        FindableJob(system).execute_resumable(old)
    FindableJob(system).execute_resumable(new)
    assert len(system.submissions) == 1


def test_an_attempt_that_is_overtaken_while_it_submits_hears_of_it_and_its_job_is_found(
    system: JobSystem, attempt: Attempt, events: Callable[[], list[str]]
) -> None:
    submitted, overtaken = Event(), Event()

    class Slow(FindableJob):
        def submit_job(self, context: Any) -> str:
            external_id = super().submit_job(context)
            submitted.set()
            assert overtaken.wait(20)
            return external_id

    with ThreadPoolExecutor(1) as worker:
        old = worker.submit(Slow(system).execute_resumable, attempt())
        assert submitted.wait(20)
        FindableJob(system).execute_resumable(attempt())
        overtaken.set()
        with pytest.raises(StaleAttemptError):
            old.result(20)
    assert len(system.submissions) == 1
    assert "found_by_token" in events()


@pytest.fixture
def quick(system: JobSystem) -> JobSystem:
    """A system whose jobs end at once."""
    return JobSystem(system.folder, ends_after=0)


def test_two_executions_of_one_attempt_submit_under_one_token(
    quick: JobSystem, store: StateStore, scope: TaskScope, attempt: Attempt
) -> None:
    number = attempt().attempt
    for race in range(10):
        barrier = Barrier(2)

        def execute(_: int, key: str = f"job {race}", at: Barrier = barrier) -> Any:
            context = store.task(scope.dag_id, scope.run_id, scope.task_id, attempt=number)
            job = FindableJob(quick)
            job.external_id_key = key
            at.wait(20)
            try:
                return job.execute_resumable(context)
            except ConcurrentSubmissionError as error:
                return error

        with ThreadPoolExecutor(2) as workers:
            results = list(workers.map(execute, range(2)))
        assert any(not isinstance(result, Exception) for result in results)
        assert len(set(quick.submissions)) == race + 1, results


# --- inheritance ---


class Operator:
    """Somebody's base class."""

    poll_interval = 0.0

    def __init__(self, **options: Any) -> None:
        self.options = options

    def execute(self, context: Any) -> Any:
        return self.execute_resumable(context)  # type: ignore[attr-defined]


@pytest.mark.parametrize("bases", [(ResumableJobMixin, Operator), (Operator, ResumableJobMixin)])
def test_the_mixin_works_before_and_after_a_base_class(
    attempt: Attempt, bases: tuple[type, type]
) -> None:
    body = {name: getattr(Fixed, name) for name in ("submit_job", "get_job_status")}
    body |= {name: getattr(Fixed, name) for name in ("is_job_active", "is_job_succeeded")}
    operator = type("SparkOperator", bases, body)(retries=3)
    operator.external_id, operator.submitted, operator.asked = "id", 0, []
    assert operator.execute(attempt()) == "id"
    assert operator.options == {"retries": 3}
