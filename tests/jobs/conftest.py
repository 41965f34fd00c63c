import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from statestore.jobs import process_runner as runner
from statestore.jobs.process import ProcessJob
from statestore.protocol import TaskScope
from statestore.sdk import StateStore, TaskContext
from tests.brokers import broker
from tests.engines.kubernetes import Kubernetes
from tests.engines.slurm import Slurm
from tests.engines.yarn import Yarn
from tests.integrations.workers import Workers
from tests.jobs.attempts import Attempts
from tests.server import Server

# Set before any attempt is started, so that all inherit them: no test meets a real account.
os.environ.update(AWS_ACCESS_KEY_ID="tests", AWS_SECRET_ACCESS_KEY="tests")
os.environ.update(AWS_EC2_METADATA_DISABLED="true")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder of process jobs; what still runs in it is killed afterwards."""
    yield tmp_path / "jobs"
    for name in (runner.CLAIM, runner.COMMAND):
        for file in tmp_path.glob(f"jobs/*/{name}"):
            process = runner.read(file)
            if process and runner.is_alive(process):
                with suppress(ProcessLookupError):
                    os.kill(process["pid"], signal.SIGKILL)


@pytest.fixture
def job(folder: Path, tmp_path: Path) -> Callable[..., ProcessJob]:
    """Creates jobs that run a shell script in the test's folder."""

    def create(script: str, **environment: str) -> ProcessJob:
        command = ["/bin/sh", "-c", script]
        return ProcessJob(
            command, folder=folder, cwd=tmp_path, environment=environment, poll_interval=0.01
        )

    return create


@pytest.fixture
def attempt(server: Server, scope: TaskScope) -> Iterator[Callable[[], TaskContext]]:
    """Starts the next attempt of the test's task."""
    with StateStore(server.url, server.token, retry_seconds=20) as store:

        def start() -> TaskContext:
            return store.task(scope.dag_id, scope.run_id, scope.task_id).__enter__()

        yield start


@pytest.fixture
def workers(server: Server, tmp_path: Path) -> Iterator[Workers]:
    """Celery workers, on a broker that gives what a dead one had to the next at once."""
    with broker("rabbitmq") as url:
        started = Workers(url, server, tmp_path)
        try:
            yield started
        finally:
            started.stop()


@pytest.fixture
def task(server: Server, scope: TaskScope, tmp_path: Path) -> Attempts:
    """A task that no attempt has been made at."""
    folder = tmp_path / "attempts"
    folder.mkdir()
    return Attempts(server.url, server.token, scope, folder)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """The session's Slurm."""
    engine = Slurm(tmp_path_factory.mktemp("slurm"))
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def yarn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yarn]:
    """The session's YARN."""
    engine = Yarn(tmp_path_factory.mktemp("yarn"))
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    """The session's cluster."""
    engine = Kubernetes(tmp_path_factory.mktemp("kubernetes"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys, "path", [*sys.path, str(engine.packages)])  # for attempts
        monkeypatch.setenv("PYTHONPATH", str(engine.packages))  # for Celery's workers
        try:
            engine.start()
            yield engine
        finally:
            engine.stop()
