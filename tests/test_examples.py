"""The programs of examples/ run, and go on where they were killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from statestore.protocol import TaskScope
from statestore.sdk import StateStore, TaskStore
from tests.server import ROOT, Server

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples"


@pytest.fixture
def environment(server: Server, tmp_path: Path) -> dict[str, str]:
    """What a worker has; the command `statestore` is on its path."""
    command = tmp_path / "bin" / "statestore"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m statestore.sdk.cli "$@"\n')
    command.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "STATESTORE_URL": server.url,
        "STATESTORE_TOKEN": server.token,
        "EXAMPLE_FOLDER": str(tmp_path / "jobs"),
    }


@pytest.fixture
def keys(server: Server, scope: TaskScope) -> Iterator[Callable[[str], TaskStore]]:
    """The keys of one task of the test's run."""
    with StateStore(server.url, server.token) as store:
        yield lambda task: store.task("sales", scope.run_id, task).task_store


def output(environment: dict[str, str], *command: str | Path, status: int = 0) -> str:
    ended = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == status, ended.stderr
    return ended.stdout


def test_plain_python_goes_on_where_it_was_killed(
    environment: dict[str, str], keys: Callable[[str], TaskStore], scope: TaskScope
) -> None:
    command = [sys.executable, "-m", "examples.plain", scope.run_id]
    task_store, end = keys("ingest"), time.monotonic() + 30
    with subprocess.Popen(command, env=environment, cwd=ROOT) as killed:
        while task_store.get("last_page", default=0) < 3:
            assert time.monotonic() < end
        killed.send_signal(signal.SIGKILL)
    last = task_store.get("last_page")
    assert output(environment, *command) == f"loaded {20 - last} pages\n"
    assert task_store.get("progress") == {
        "current": 20, "total": 20, "unit": "pages", "status": "done",
    }  # fmt: skip


def test_plain_python_runs_without_a_server_too(environment: dict[str, str]) -> None:
    environment = {**environment, "STATESTORE_MODE": "off"}
    assert "loaded 20" in output(environment, sys.executable, "-m", "examples.plain", "run")


def test_many_jobs_run_in_one_event_loop_and_outlive_it(
    environment: dict[str, str], scope: TaskScope
) -> None:
    command = [sys.executable, "-m", "examples.async_jobs", scope.run_id]
    system, end = Path(environment["EXAMPLE_FOLDER"]), time.monotonic() + 30
    endless = {**environment, "EXAMPLE_SECONDS": "60"}
    with subprocess.Popen(command, env=endless, cwd=ROOT) as killed:
        while not system.exists() or len(list(system.iterdir())) < 5:
            assert time.monotonic() < end
        killed.send_signal(signal.SIGKILL)
    submitted = len(list(system.iterdir()))
    assert output(environment, *command) == f"20 jobs have ended, {20 - submitted} submitted here\n"
    assert len(list(system.iterdir())) == 20


def test_a_job_that_the_system_does_not_know_has_not_succeeded(
    environment: dict[str, str], scope: TaskScope
) -> None:
    script = "import asyncio; from examples.async_jobs import Transform as T; t = T()"
    script += "; status = asyncio.run(t.get_job_status('none', {}))"
    script += "; print(status, t.is_job_active(status), t.is_job_succeeded(status))"
    assert output(environment, sys.executable, "-c", script) == "unknown False False\n"


def test_the_shell_script_goes_on_where_it_stopped(
    environment: dict[str, str], keys: Callable[[str], TaskStore], scope: TaskScope
) -> None:
    task = f"sales/{scope.run_id}/nightly"
    command = ["statestore", "run", "--task", task, "--", str(EXAMPLES / "nightly.sh")]
    output({**environment, "STOP_AFTER": "1"}, *command, status=75)
    assert keys("nightly").get("exit")["exit_status"] == 75
    assert output(environment, *command).splitlines()[0] == "loading page 2"
    assert keys("nightly").get("exit")["attempt"] == 2
    assert keys("nightly").get("progress")["status"] == "done"


def test_the_kubernetes_job_runs_it_in_each_pod(
    environment: dict[str, str], keys: Callable[[str], TaskStore], scope: TaskScope
) -> None:
    pod = yaml.safe_load((EXAMPLES / "kubernetes-job.yaml").read_text())["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    task = variables["STATESTORE_TASK"].replace("$(JOB_NAME)", scope.run_id)
    assert set(variables) >= {"STATESTORE_URL", "STATESTORE_TOKEN"}
    *words, script = container["command"]
    assert Path(script).name == "nightly.sh"
    command = [*words, str(EXAMPLES / "nightly.sh")]
    for pages in (3, 0):
        shown = output({**environment, "STATESTORE_TASK": task}, *command)
        assert len(shown.splitlines()) == pages
    assert keys("nightly").get("exit")["attempt"] == 2


CELERY = """
import sys
from examples.celery_tasks import app, load, patient_report
run = sys.argv[1]
results = [load.apply((5,), task_id=run).get(), load.apply((7,), task_id=run).get()]
print(results, app.tasks["report"].apply(task_id=run).get())
for _ in range(100):  # deliveries, until the job has ended
    looked = patient_report.apply((0.1,), task_id=run + "-patient")
    if looked.state != "RETRY":
        break
print(looked.get())
"""


def test_the_celery_tasks_go_on_and_run_their_jobs(
    environment: dict[str, str], keys: Callable[[str], TaskStore], scope: TaskScope
) -> None:
    lines = output(environment, sys.executable, "-c", CELERY, scope.run_id).splitlines()
    assert lines[0] == "[5, 2] report"
    assert "report" in lines[2]
    assert keys("examples.celery_tasks.load").get("last_page") == 7


def test_every_program_is_in_the_guide() -> None:
    guide = "".join(
        (ROOT / "docs" / f"{name}.md").read_text()
        for name in ("workers", "airflow", "jobs", "prefect")
    )
    for path in [*EXAMPLES.iterdir(), *EXAMPLES.glob("airflow?/*")]:
        if path.is_file() and path.name != "__init__.py":
            assert str(path.relative_to(ROOT)) in guide


def test_every_public_name_of_the_sdk_is_in_the_guide() -> None:
    import statestore.sdk

    guide = (ROOT / "docs" / "workers.md").read_text()
    missing: list[Any] = [name for name in statestore.sdk.__all__ if f"`{name}" not in guide]
    assert missing == []
