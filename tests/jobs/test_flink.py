"""FlinkJob, on a real session cluster."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from statestore.jobs.flink import FlinkJob, FlinkResult
from tests.engines.flink import Flink
from tests.jobs.attempts import Attempts, until
from tests.jobs.contract import EngineContract, EngineRig

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flink]:
    """The module's cluster."""
    engine = Flink(tmp_path_factory.mktemp("flink"))
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


class FlinkRig(EngineRig):
    """The jobs of one test have its folder as their name."""

    unknown_id = "00" * 16

    def __init__(self, folder: Path, flink: Flink) -> None:
        super().__init__(folder)
        self.flink = flink

    def job(self, **options: Any) -> FlinkJob:
        options = {"poll_interval": 0.05, "timeout": 2, **options}
        return FlinkJob(self.flink.url, self.flink.jar, arguments=[str(self.folder)], **options)

    def submissions(self) -> list[str]:
        return [job["jid"] for job in self.flink.jobs(str(self.folder))]

    def running(self) -> list[str]:
        jobs = self.flink.jobs(str(self.folder))
        return [job["jid"] for job in jobs if job["state"] in FlinkJob.active]

    def restart(self) -> None:
        self.flink.restart()

    def away(self) -> AbstractContextManager[None]:
        return self.flink.away()


class TestFlinkJob(EngineContract):
    """The contract. Without high availability, a cluster forgets its jobs with its JobManager."""

    @pytest.fixture
    def rig(self, flink: Flink, tmp_path: Path) -> FlinkRig:
        return FlinkRig(tmp_path, flink)

    def test_a_job_survives_a_restart_of_its_system(self, rig: EngineRig, task: Attempts) -> None:
        task.run_killed(rig.job(), "after get_job_status")
        rig.restart()
        until(lambda: rig.submissions() == [])
        rig.end()
        assert task.run(rig.job()).error is None
        assert task.events[-2:] == ["terminal_resubmit", "fresh_submit"]
        assert len(rig.submissions()) == 1

    def test_a_second_submission_of_a_token_gives_the_same_job(
        self, rig: FlinkRig, task: Attempts
    ) -> None:
        task.run_killed(rig.job(), "after get_job_status")
        token = task.keys()["remote_job_id.submission"]["token"]

        class Reserved:
            """As an overtaken attempt, which still submits."""

        Reserved.token = token  # type: ignore[attr-defined]
        assert [rig.job().submit_job({"submission": Reserved})] == rig.submissions()
        rig.end()
        assert task.run(rig.job()).error is None

    def test_its_time_and_accumulators_are_the_result(self, rig: FlinkRig, task: Attempts) -> None:
        rig.end()
        task.run(rig.job())
        (job,) = rig.submissions()
        result = rig.job().get_job_result(job, {})
        assert isinstance(result, FlinkResult)
        assert result.seconds > 0
        assert rig.job().get_job_result(rig.unknown_id, {}) is None

    def test_a_failed_job_says_why(self, rig: FlinkRig, task: Attempts) -> None:
        rig.end(3)
        outcome = task.run(rig.job())
        assert outcome.error == "JobFailedError"
        assert "IllegalStateException: exit status 3" in outcome.message
