"""The main job from end to end: web server, worker, external job and sweep, with a kill in the middle."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from statestore.sdk import StateStore
from tests.integrations.celery_app import wait_for
from tests.integrations.workers import Workers
from tests.server import ROOT, Server

pytestmark = [pytest.mark.slow, pytest.mark.every_database, pytest.mark.timeout(120)]


@pytest.fixture
def sweeper(server: Server, tmp_path: Path) -> Iterator[None]:
    """Statestore's own worker with beat, which sweeps the server's database each second."""
    command = [sys.executable, "-m", "celery", "-A", "statestore.celery", "worker", "--beat"]
    command += ["--pool", "solo", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]
    environment = {
        **server.environment,
        "STATESTORE_VAR_DIR": str(tmp_path / "sweeper"),
        "STATESTORE_SWEEP_SECONDS": "1",
        "CELERY_BROKER_URL": "filesystem://",
    }
    (tmp_path / "sweeper").mkdir()
    with (tmp_path / "sweeper.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    yield
    process.terminate()  # SIGKILL would leave its beat behind
    process.wait(30)


def expired_entries(server: Server) -> int:
    """How many there are that the sweep has not deleted."""
    return int(server.manage("sweep_expired", "--dry-run").splitlines()[-1].split()[0])


@pytest.mark.parametrize("workers", ["filesystem", "rabbitmq"], indirect=True)
@pytest.mark.usefixtures("sweeper")
def test_a_killed_task_resumes_and_its_external_job_runs_once(
    workers: Workers, server: Server, tmp_path: Path
) -> None:
    worker = workers.start()
    scope = workers.send("main_job", str(tmp_path))
    wait_for(tmp_path / "runs")
    with StateStore(server.url, server.token) as store:
        task = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store
        end = time.monotonic() + 20
        while (job := task.get("remote_job_id")) is None:
            assert time.monotonic() < end
            time.sleep(0.02)
        if workers.url.startswith(
            "filesystem"
        ):  # which loses the messages of a worker that is lost
            os.kill(int((tmp_path / "in-the-middle").read_text()), signal.SIGKILL)
        else:
            workers.kill(worker)
            workers.start()
        server.restart()  # as a deployment would, while the second attempt starts
        (tmp_path / "go").touch()

        workers.notes(1)
        assert task.get("state") == {"page": 6, "by": [1, 1, 1, 2, 2, 2], "answer": 42}
        assert task.get("remote_job_id") == job
        assert task.get("remote_job_id.submission")["generation"] == 1
        assert (tmp_path / "runs").read_text() == "run\n"
        assert task.get("progress") == {"current": 6, "total": 6, "status": "done"}

        end = time.monotonic() + 30
        while task.get("cookie") or expired_entries(server):
            assert time.monotonic() < end, (tmp_path / "sweeper.log").read_text()
            time.sleep(0.2)
        assert [entry.key for entry in task.items()] == [
            "progress",
            "remote_job_id",
            "remote_job_id.submission",
            "state",
        ]
