"""The example of a job class for a system of one's own keeps the contract too."""

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from examples.own_system import ServiceJob
from tests.jobs.attempts import Attempts
from tests.jobs.contract import EngineContract, EngineRig
from tests.jobs.service import Service
from tests.server import ROOT


class ServiceRig(EngineRig):
    """A service for each test."""

    unknown_id = "ss-never-1"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.service = Service(folder)

    def job(self, **options: Any) -> ServiceJob:
        options = {"poll_interval": 0.05, **options}
        return ServiceJob(self.service.url, {"folder": str(self.folder)}, **options)

    def submissions(self) -> list[str]:
        return list(self.service.states())

    def running(self) -> list[str]:
        return [job for job, state in self.service.states().items() if state == "running"]

    def restart(self) -> None:
        with self.away():
            pass

    def away(self) -> AbstractContextManager[None]:
        return self.service.away()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[ServiceRig]:
    rig = ServiceRig(tmp_path)
    yield rig
    rig.service.stop()


@pytest.mark.engine
class TestOwnSystem(EngineContract):
    """The contract."""


def test_it_goes_on_after_a_kill_and_submits_once(rig: ServiceRig, task: Attempts) -> None:
    task.run_killed(rig.job(), "after submit_job")
    rig.end()
    assert task.run(rig.job()).error is None
    (job,) = rig.submissions()
    assert task.keys()["remote_job_id"] == job
    assert task.events[0] == "found_by_token"


def test_it_takes_forty_lines_as_the_guide_says() -> None:
    lines = [line for line in inspect.getsource(ServiceJob).splitlines() if line.strip()]
    assert len(lines) <= 40
    assert "40 lines" in (ROOT / "docs" / "jobs.md").read_text()
