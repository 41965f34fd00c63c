"""RayJob, on a real head."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from shlex import quote
from typing import Any

import pytest

from statestore.jobs.ray import RayJob
from tests.engines.ray import Ray
from tests.jobs.attempts import Attempts
from tests.jobs.contract import WAIT_FOR_END, EngineContract, EngineRig

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ray]:
    """The module's head."""
    engine = Ray(tmp_path_factory.mktemp("ray"))
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


class RayRig(EngineRig):
    """The jobs of one test have its folder in their metadata."""

    unknown_id = "ss-never-seen-1"

    def __init__(self, folder: Path, ray: Ray) -> None:
        super().__init__(folder)
        self.ray = ray

    def job(self, **options: Any) -> RayJob:
        entrypoint = f"sh -c {quote(WAIT_FOR_END)} {self.folder}"
        metadata = {"test": str(self.folder)}
        options = {"poll_interval": 0.05, "timeout": 5, **options}
        return RayJob(self.ray.url, entrypoint, metadata=metadata, **options)

    def submissions(self) -> list[str]:
        return list(self.ray.jobs(str(self.folder)))

    def running(self) -> list[str]:
        jobs = self.ray.jobs(str(self.folder))
        return [job for job, status in jobs.items() if status in RayJob.active]

    def restart(self) -> None:
        self.ray.restart()

    def away(self) -> AbstractContextManager[None]:
        return self.ray.away()


class TestRayJob(EngineContract):
    """The contract. A head that is restarted has ended and forgotten its jobs."""

    @pytest.fixture
    def rig(self, ray: Ray, tmp_path: Path) -> RayRig:
        return RayRig(tmp_path, ray)

    def test_a_job_survives_a_restart_of_its_system(self, rig: EngineRig, task: Attempts) -> None:
        task.run_killed(rig.job(), "after get_job_status")
        rig.restart()
        assert rig.submissions() == []
        rig.end()
        assert task.run(rig.job()).error is None
        assert task.events[-2:] == ["terminal_resubmit", "fresh_submit"]
        assert len(rig.submissions()) == 1

    def test_a_second_submission_of_a_token_gives_the_same_job(
        self, rig: EngineRig, task: Attempts
    ) -> None:
        rig.end()
        task.run(rig.job())
        record = task.keys()["remote_job_id.submission"]

        class Reserved:
            """As an overtaken attempt, which still submits."""

            token = record["token"]

        assert [rig.job().submit_job({"submission": Reserved})] == rig.submissions()
