import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from statestore.protocol import TaskScope
from tests.faults.job_system import FindableJob, Job, JobSystem, Task
from tests.server import Server

KILLS = int(os.environ.get("STATESTORE_TEST_KILLS") or 30)
"""How many workers the tests with random kills kill."""

NewTask = Callable[[type[Job]], Task]


@pytest.fixture
def new_task(server: Server, tmp_path: Path) -> NewTask:
    """Creates tasks with an external job, each with a job system of its own."""

    def create(job: type[Job] = FindableJob) -> Task:
        name = uuid.uuid4().hex[:12]
        (tmp_path / name).mkdir()
        scope = TaskScope("faults", name, "task")
        return Task(server.url, server.token, scope, JobSystem(tmp_path / name), job)

    return create
