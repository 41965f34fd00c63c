"""SlurmJob, on a real Slurm."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from statestore.jobs.slurm import SlurmJob
from tests.engines.slurm import Slurm
from tests.jobs.contract import WAIT_FOR_END, EngineContract, EngineRig

pytestmark = pytest.mark.engine


class SlurmRig(EngineRig):
    """The jobs of one test have a name of their own."""

    unknown_id = "4000000"

    def __init__(self, folder: Path, slurm: Slurm) -> None:
        super().__init__(folder)
        self.slurm, self.name = slurm, folder.name
        (folder / "job.sh").write_text(f"#!/bin/sh\n{WAIT_FOR_END}\n".replace("$0", str(folder)))

    def job(self, *, cpus: int = 1, **options: Any) -> SlurmJob:
        return SlurmJob(
            self.folder / "job.sh",
            job_name=self.name,
            sbatch={"output": f"{self.folder}/output-%j", "cpus-per-task": cpus},
            conf=self.slurm.environment["SLURM_CONF"],
            timeout=3,
            **{"poll_interval": 0.05, **options},
        )

    def submissions(self) -> list[str]:
        return [job for job, _, _ in self._jobs()]

    def ran(self) -> list[str]:
        return [job for job, state, begun in self._jobs() if begun or state != "CANCELLED"]

    def running(self) -> list[str]:
        return [job for job, state, _ in self._jobs() if state in SlurmJob.active]

    def restart(self) -> None:
        self.slurm.restart()

    def away(self) -> AbstractContextManager[None]:
        return self.slurm.away()

    def _jobs(self) -> list[tuple[str, str, bool]]:
        lines = self.slurm.run("squeue", "-h", "-t", "all", "-o", "%i|%T|%M|%j").splitlines()
        rows = [line.split("|", 3) for line in sorted(lines)]
        return [
            (job, state, used != "0:00")
            for job, state, used, name in rows
            if name.startswith(f"{self.name}.")
        ]


class TestSlurmJob(EngineContract):
    """The contract."""

    @pytest.fixture
    def rig(self, slurm: Slurm, tmp_path: Path) -> SlurmRig:
        return SlurmRig(tmp_path, slurm)
