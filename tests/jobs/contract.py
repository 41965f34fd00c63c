"""What every job class promises, tested on the real system: `class TestX(JobContract)` with a `rig`.

Whoever submits, and however often it is killed, is counted by what the system itself says.
"""

import base64
import os
import pickle
import random
import time
from datetime import timedelta
from functools import partial
from typing import ClassVar

import pytest

from statestore.sdk import StateStore, Submission, TaskStore
from tests.integrations.workers import Workers
from tests.jobs.attempts import ASYNC, DEFERRED, MODES, PATIENCE, RESUMABLE, Attempts, until
from tests.jobs.rig import WAIT_FOR_END, EngineRig, Rig

__all__ = ["WAIT_FOR_END", "EngineContract", "EngineRig", "JobContract", "Rig"]

KILLS = int(os.environ.get("STATESTORE_TEST_ENGINE_KILLS") or 5)
"""How many workers are killed at random moments, on each engine."""

ID, RECORD = "remote_job_id", "remote_job_id.submission"


@pytest.mark.slow
class JobContract:
    """The contract. `task` is a new task, `rig` the system."""

    searchable: ClassVar[bool] = True
    """Whether the system can be searched for a token; else it gives the same job for the same token."""

    can_be_killed_at: ClassVar[list[str]] = [
        "before submit_job",
        "after submit_job",
        f"before PUT {ID}",
        f"after PUT {ID}",
        "after get_job_status",
    ]

    @pytest.mark.parametrize("mode", MODES)
    def test_a_fresh_job_is_submitted_once_and_its_result_returned(
        self, rig: Rig, task: Attempts, mode: str
    ) -> None:
        attempt = task.start(rig.job(), mode)
        task.has_come_to("after get_job_status", 2)
        (job,) = rig.running()
        rig.end()
        outcome = attempt.outcome()
        assert outcome.error is None, outcome
        assert rig.submissions() == [job]
        assert rig.running() == []
        assert task.events[0] == "fresh_submit"
        assert Submission.from_value(task.keys()[RECORD]).succeeded is True  # type: ignore[union-attr]

    @pytest.mark.parametrize("mode", MODES)
    def test_an_active_job_is_reconnected_to(self, rig: Rig, task: Attempts, mode: str) -> None:
        task.run_killed(rig.job(), "after get_job_status", mode)
        (job,) = rig.running()
        rig.end()
        outcome = task.run(rig.job(), mode)
        assert outcome.error is None, outcome
        assert rig.submissions() == [job]
        assert set(task.events) <= {"fresh_submit", "reconnect", "already_succeeded"}

    def test_after_success_the_result_is_returned_and_nothing_submitted(
        self, rig: Rig, task: Attempts
    ) -> None:
        rig.end()
        first = task.run(rig.job())
        looks = task.steps.count("before get_job_status")
        for mode in MODES:
            assert task.run(rig.job(), mode) == first
        assert len(rig.submissions()) == 1
        assert task.steps.count("before get_job_status") == looks  # the success is stored
        assert task.events == ["fresh_submit", *["already_succeeded"] * 3]

    def test_after_an_unstored_success_the_system_is_asked(self, rig: Rig, task: Attempts) -> None:
        attempt = task.start(rig.job())
        task.has_come_to("after get_job_status", 3)
        attempt.sigkill()
        rig.end()
        until(lambda: not rig.running())
        outcome = task.run(rig.job())
        assert outcome.error is None, outcome
        assert len(rig.submissions()) == 1
        assert task.events[-1] == "already_succeeded"

    @pytest.mark.parametrize("mode", MODES)
    def test_after_a_failure_a_new_generation_is_submitted(
        self, rig: Rig, task: Attempts, mode: str
    ) -> None:
        rig.end(1)
        outcome = task.run(rig.job(), mode)
        assert outcome.error == "JobFailedError", outcome
        rig.go_on()
        rig.end(0)
        outcome = task.run(rig.job(), mode)
        assert outcome.error is None, outcome
        assert len(rig.submissions()) == 2, rig.submissions()
        assert task.keys()[RECORD]["generation"] == 2
        decided = [event for event in task.events if event != "reconnect"]
        assert decided[:3] == ["fresh_submit", "terminal_resubmit", "fresh_submit"]

    def test_killed_anywhere_it_is_submitted_once(self, rig: Rig, task: Attempts) -> None:
        """One attempt after the other is killed, a step later each time."""
        for step in self.can_be_killed_at[:2]:
            task.run_killed(rig.job(), step)
        until(rig.submissions)  # a job may tell of itself a moment after it was submitted
        assert len(rig.submissions()) == 1  # the second was killed between submit and persist
        for step in self.can_be_killed_at[2:]:
            task.run_killed(rig.job(), step)
        rig.end()
        outcome = task.run(rig.job())
        assert outcome.error is None, outcome
        assert len(rig.submissions()) == 1
        assert "unknown" not in task.events

    @pytest.mark.parametrize("mode", [DEFERRED, ASYNC])
    def test_killed_between_submit_and_persist_it_is_found(
        self, rig: Rig, task: Attempts, mode: str
    ) -> None:
        task.run_killed(rig.job(), "after submit_job", mode)
        rig.end()
        outcome = task.run(rig.job(), mode)
        assert outcome.error is None, outcome
        assert len(rig.submissions()) == 1
        assert task.events[0] == ("found_by_token" if self.searchable else "fresh_submit")

    def test_a_second_attempt_joins_the_first_one_s_job(self, rig: Rig, task: Attempts) -> None:
        first = task.start(rig.job())
        task.has_come_to("after get_job_status")
        second = task.start(rig.job())
        until(lambda: "reconnect" in task.events)
        rig.end()
        outcome = second.outcome()
        assert outcome.error is None, outcome
        assert first.outcome().error in {None, "StaleAttemptError", "ConcurrentSubmissionError"}
        assert len(rig.submissions()) == 1

    def test_of_two_attempts_at_once_one_submits(self, rig: Rig, task: Attempts) -> None:
        rig.end()
        outcomes = [attempt.outcome() for attempt in [task.start(rig.job()) for _ in range(2)]]
        assert None in {outcome.error for outcome in outcomes}
        assert {outcome.error for outcome in outcomes} <= {
            None, "StaleAttemptError", "ConcurrentSubmissionError",
        }  # fmt: skip
        assert len(rig.ran()) == 1

    def test_a_killed_task_s_job_is_cancelled(self, rig: Rig, task: Attempts) -> None:
        task.run_killed(rig.job(), "after get_job_status")
        task.kill(rig.job())
        until(lambda: not rig.running())
        rig.end()
        outcome = task.run(rig.job())
        assert outcome.error is None, outcome  # somebody starts the task again
        assert len(rig.submissions()) == 2
        task.kill(rig.job())  # of what has ended does no harm

    def test_a_job_killed_before_its_id_was_stored_is_cancelled_too(
        self, rig: Rig, task: Attempts
    ) -> None:
        task.run_killed(rig.job(), "after submit_job")
        assert len(rig.running()) == 1
        task.kill(rig.job())
        if self.searchable:
            until(lambda: not rig.running())
        rig.end()
        assert len(rig.submissions()) == 1

    def test_a_cancelled_job_fails_its_attempt(self, rig: Rig, task: Attempts) -> None:
        attempt = task.start(rig.job())
        task.has_come_to("after get_job_status")
        task.kill(rig.job())
        outcome = attempt.outcome()
        assert outcome.error == "JobFailedError", outcome

    def test_at_its_deadline_a_job_is_cancelled(self, rig: Rig, task: Attempts) -> None:
        outcome = task.run(rig.job(deadline=timedelta(seconds=1)))
        assert outcome.error == "JobDeadlineError"
        until(lambda: not rig.running())
        assert len(rig.submissions()) == 1

    def test_a_job_that_the_system_does_not_know(self, rig: Rig, task: Attempts) -> None:
        task.set(ID, rig.unknown_id)
        job = rig.job(deadline=None if rig.unknown_is_lost else timedelta(seconds=1))
        rig.end()
        outcome = task.run(job)
        if rig.unknown_is_lost:
            assert outcome.error is None
            assert task.events == ["terminal_resubmit", "fresh_submit"]
            assert len(rig.submissions()) == 1
        else:
            assert outcome.error == "JobDeadlineError"
            assert rig.submissions() == []
        assert job.find_job("ss-never-heard-of-1", {}) is None
        job.cancel_job(rig.unknown_id, {})


class EngineContract(JobContract):
    """What is promised beside that where the system is a server, which may be away."""

    def test_a_job_survives_a_restart_of_its_system(self, rig: EngineRig, task: Attempts) -> None:
        task.run_killed(rig.job(), "after get_job_status")
        jobs = rig.submissions()
        rig.restart()
        attempt = task.start(rig.job())
        task.has_come_to("after get_job_status", 3)
        rig.end()
        outcome = attempt.outcome()
        assert outcome.error is None, outcome
        assert rig.submissions() == jobs

    @pytest.mark.parametrize("mode", MODES)
    def test_an_unreachable_system_is_polled_on(
        self, rig: EngineRig, task: Attempts, mode: str
    ) -> None:
        attempt = task.start(rig.job(), mode)
        task.has_come_to("after get_job_status", 3)
        with rig.away():
            looks = task.steps.count("before get_job_status")
            until(
                lambda: (
                    task.steps.count("before get_job_status") >= looks + 2
                    or attempt.process.exitcode is not None
                )
            )
            assert attempt.process.exitcode is None, attempt.outcome()
        rig.end()
        outcome = attempt.outcome()
        assert outcome.error is None, outcome
        assert len(rig.submissions()) == 1

    def test_a_job_is_submitted_once_its_system_is_back(
        self, rig: EngineRig, task: Attempts
    ) -> None:
        with rig.away():
            attempt = task.start(rig.job())
            task.has_come_to("before submit_job")
            task.has_come_to("before find_job")
        rig.end()
        outcome = attempt.outcome()
        assert outcome.error is None, outcome
        assert len(rig.submissions()) == 1

    def test_without_patience_the_attempt_fails_and_the_id_stays(
        self, rig: EngineRig, task: Attempts
    ) -> None:
        attempt = task.start(rig.job(patience=timedelta(seconds=0.5)), RESUMABLE)
        task.has_come_to("after get_job_status", 3)
        with rig.away():
            outcome = attempt.outcome()
            assert outcome.error == "JobSystemUnreachableError", outcome
        assert task.keys()[ID] is not None
        rig.end()
        outcome = task.run(rig.job())
        assert outcome.error is None, outcome
        assert len(rig.submissions()) == 1

    @pytest.mark.timeout(300 + 120 * KILLS)
    def test_a_celery_worker_killed_at_random_moments_submits_each_job_once(
        self, rig: EngineRig, workers: Workers
    ) -> None:
        seed = int(os.environ.get("STATESTORE_TEST_SEED") or random.randrange(10**6))
        dice, kills, tasks = random.Random(seed), 0, 0
        sent = base64.b64encode(pickle.dumps(rig.job())).decode()
        deliveries = 0
        with StateStore(workers.server.url, workers.server.token) as store:
            while kills < KILLS:
                scope = workers.send("pickled", sent)
                task_store = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store
                for _ in range(dice.randint(1, 4)):
                    worker = workers.start()
                    deliveries += 1
                    until(partial(workers.have_received, deliveries))
                    time.sleep(dice.uniform(0, rig.kill_within))
                    workers.kill(worker)
                    kills += 1
                rig.end()
                worker = workers.start()
                deliveries += 1
                until(partial(_has_finished, task_store), 3 * PATIENCE)
                workers.kill(worker)
                assert task_store.get(RECORD)["succeeded"], task_store.get(RECORD)
                rig.go_on()
                tasks += 1
        jobs = len(rig.ran())
        print(f"seed {seed}: {kills} kills, {tasks} tasks, {jobs} jobs")  # noqa: T201 - figures
        assert jobs == tasks


def _has_finished(task_store: TaskStore) -> bool:
    record = task_store.get(RECORD)
    return bool(record and record["state"] == "finished")
