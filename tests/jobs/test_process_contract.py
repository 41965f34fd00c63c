"""The contract of job classes, held by ProcessJob."""

import socket
from pathlib import Path
from typing import Any

import pytest

from statestore.jobs import process_runner as runner
from statestore.jobs.process import ProcessJob
from tests.jobs.contract import WAIT_FOR_END, JobContract, Rig


class ProcessRig(Rig):
    """Processes of this host: each that was started has left its process id in a file."""

    unknown_id = f"{socket.gethostname()}:1:never:ss-none-1"

    def job(self, **options: Any) -> ProcessJob:
        script = f'echo $$ >> "$0/started"; {WAIT_FOR_END}'
        command = ["/bin/sh", "-c", script, str(self.folder)]
        return ProcessJob(
            command, folder=self.folder / "jobs", **{"poll_interval": 0.05, **options}
        )

    def submissions(self) -> list[str]:
        file = self.folder / "started"
        return file.read_text().split() if file.exists() else []

    def running(self) -> list[str]:
        return [pid for pid in self.submissions() if runner.started(int(pid))]


class TestProcessJob(JobContract):
    """A system that is never away: the operating system."""

    @pytest.fixture
    def rig(self, folder: Path, tmp_path: Path) -> Rig:
        """`folder` kills what is left."""
        return ProcessRig(tmp_path)
