"""Workers are killed at random moments; the work comes out as if none had been."""

import json
import multiprocessing
import os
import random
import signal
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from statestore.jobs.process import ProcessJob
from statestore.sdk import StateStore
from statestore.sdk.transport import HttpTransport
from tests.faults.conftest import KILLS
from tests.server import Server

pytestmark = pytest.mark.slow

STEPS = 30
_processes = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Work:
    """A task that takes checkpoints, and halfway runs a process job."""

    url: str
    token: str
    folder: Path

    def run(self) -> None:
        """What a worker does: go on from the last checkpoint."""
        plain = httpx.HTTPTransport(verify=False)  # reading certificates would take half its life
        transport = HttpTransport(self.url, self.token, http=plain)
        with (
            StateStore(transport=transport) as store,
            store.task("kills", self.folder.name, "work") as context,
        ):
            states = context["task_store"]
            state = states.get("state", default={"step": 0, "sum": 0})
            assert state["step"] >= self.acknowledged, "a checkpoint was lost"
            for step in range(state["step"] + 1, STEPS + 1):
                gain = step**2
                if step == STEPS // 2:
                    gain = int(self.job().execute_resumable(context).output.read_text())
                state = {"step": step, "sum": state["sum"] + gain}
                states.set("state", state)
                with (self.folder / "acknowledged").open("a") as file:
                    file.write(f"{step}\n")
        (self.folder / "result").write_text(json.dumps(state))

    def job(self) -> ProcessJob:
        script = "echo run >> runs; sleep 0.2; echo 12345"
        command = ["/bin/sh", "-c", script]
        return ProcessJob(command, folder=self.folder / "jobs", cwd=self.folder, poll_interval=0.02)

    @property
    def acknowledged(self) -> int:
        """The last checkpoint whose write has returned."""
        with suppress(FileNotFoundError):
            return int((self.folder / "acknowledged").read_text().split()[-1])
        return 0

    @property
    def submissions(self) -> int:
        """How often the job's command was started."""
        return len((self.folder / "runs").read_text().split())


@pytest.mark.timeout(60 + KILLS)
def test_no_submission_is_doubled_and_no_checkpoint_lost(server: Server, tmp_path: Path) -> None:
    seed = int(os.environ.get("STATESTORE_TEST_SEED") or random.randrange(10**6))
    print(f"STATESTORE_TEST_SEED={seed} repeats these kills")  # noqa: T201 - shown when it fails
    dice = random.Random(seed)

    def new_work() -> Work:
        folder = tmp_path / uuid.uuid4().hex[:12]
        folder.mkdir()
        return Work(server.url, server.token, folder)

    undisturbed = new_work()
    undisturbed.run()
    expected = (undisturbed.folder / "result").read_text()
    kills = 0
    while kills < KILLS:
        work, finished = new_work(), False
        while not finished:
            worker = _processes.Process(target=work.run)
            worker.start()
            worker.join(dice.uniform(0, 0.5) if kills < KILLS else 60)
            if finished := worker.exitcode is not None:
                assert worker.exitcode == 0
            elif worker.pid:
                os.kill(worker.pid, signal.SIGKILL)
                worker.join()
                kills += 1
        assert (work.folder / "result").read_text() == expected
        assert work.submissions == 1
