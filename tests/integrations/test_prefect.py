"""A real Prefect runs a flow whose tasks fail once and go on."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from statestore.sdk import StateStore
from tests.integrations.kept_environment import install_wheel, kept_environment
from tests.server import ROOT, Server

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1200)]


def test_a_flow_goes_on_after_a_failure_and_starts_its_job_once(
    server: Server, tmp_path: Path
) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("STATESTORE_")},
        "HOME": str(tmp_path),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "200",
        "DO_NOT_TRACK": "1",
        "EXAMPLE_FOLDER": str(tmp_path / "jobs"),
        "STATESTORE_URL": server.url,
        "STATESTORE_TOKEN": server.token,
        "STOP_AFTER": "4",
    }
    with kept_environment("prefect-3") as python:
        install_wheel(python, tmp_path)
        ended = subprocess.run(
            [python, ROOT / "examples" / "prefect_flow.py"], env=environment, cwd=tmp_path,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-6000:]
    last = re.search(r"run (\S+): the last try loaded 6 pages, report", ended.stdout)
    assert last is not None, ended.stdout
    with StateStore(server.url, server.token) as store:

        def keys(name: str) -> dict[str, object]:
            task_store = store.task("sales", last[1], name).task_store
            return {entry.key: entry.value for entry in task_store.items()}

        assert keys("ingest")["last_page"] == 10
        submission = keys("report")["remote_job_id.submission"]
    (token,) = [folder.name for folder in (tmp_path / "jobs").iterdir()]
    assert isinstance(submission, dict)
    assert (submission["token"], submission["generation"]) == (token, 1)
