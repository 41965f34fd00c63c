import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import StateStore, TaskContext, TaskStore
from tests.server import ROOT, Server

COMMAND = [sys.executable, "-m", "statestore.sdk.cli"]
Ended = subprocess.CompletedProcess[str]
Cli = Callable[..., Ended]


@pytest.fixture
def store(server: Server) -> Iterator[StateStore]:
    """A store on the real server."""
    with StateStore(server.url, server.token, retry_seconds=20) as opened:
        yield opened


@pytest.fixture
def context(store: StateStore, scope: TaskScope) -> TaskContext:
    """The context of a task whose attempt has not started."""
    return store.task(scope.dag_id, scope.run_id, scope.task_id)


@pytest.fixture
def task_store(context: TaskContext) -> TaskStore:
    """The keys of that task, written without an attempt."""
    return context.task_store


@pytest.fixture
def environment(server: Server, scope: TaskScope) -> dict[str, str]:
    """What a cron line would set."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "STATESTORE_URL": server.url,
        "STATESTORE_TOKEN": server.token,
        "STATESTORE_TASK": f"{scope.dag_id}/{scope.run_id}/{scope.task_id}",
    }


@pytest.fixture
def cli(environment: dict[str, str], tmp_path: Path) -> Cli:
    """Runs the command."""

    def run(*words: str, stdin: str = "", **variables: str) -> Ended:
        return subprocess.run(
            [*COMMAND, *words],
            env={**environment, **variables},
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run
