"""What is promised beside the contract where the system gives an id before anything is submitted."""

from statestore.sdk import Submission
from tests.jobs.attempts import Attempts
from tests.jobs.contract import EngineContract, EngineRig


class ReservingContract(EngineContract):
    """The contract. While the system is away nothing is submitted, for no id can be had."""

    def test_a_job_is_submitted_once_its_system_is_back(
        self, rig: EngineRig, task: Attempts
    ) -> None:
        with rig.away():
            attempt = task.start(rig.job())
            task.has_come_to("before reserve_job", 2)
        rig.end()
        outcome = attempt.outcome()
        assert outcome.error is None, outcome
        assert len(rig.submissions()) == 1

    def test_killed_before_submitting_the_reserved_id_is_submitted(
        self, rig: EngineRig, task: Attempts
    ) -> None:
        for step in ("before reserve_job", "after reserve_job", "before submit_job"):
            task.run_killed(rig.job(), step)
        reserved_id = task.keys()["remote_job_id.submission"]["external_id"]
        assert rig.submissions() == []
        rig.restart()
        rig.end()
        assert task.run(rig.job()).result == reserved_id
        assert rig.submissions() == [reserved_id]

    def test_an_overtaken_attempt_that_still_submits_makes_no_second_job(
        self, rig: EngineRig, task: Attempts
    ) -> None:
        """Its process was stopped within its request, and goes on after another one has submitted."""
        task.run_killed(rig.job(), "before submit_job")
        late = {"submission": Submission.from_value(task.keys()["remote_job_id.submission"])}
        task.run_killed(rig.job(), "after get_job_status")
        assert [rig.job().submit_job(late)] == rig.submissions()
        rig.end()
        assert task.run(rig.job()).error is None
        assert len(rig.submissions()) == 1
