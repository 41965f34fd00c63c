"""A real Celery worker and beat sweep what has expired, over each broker."""

import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from statestore.launcher.processes import beat_command, worker_command
from tests.brokers import NAMES, broker, delete_queue
from tests.server import ROOT, Server

pytestmark = [pytest.mark.slow, pytest.mark.every_database, pytest.mark.timeout(90)]


@pytest.fixture(params=NAMES)
def worker(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Iterator[Path]:
    """Worker and beat on the server's database, a sweep each second; the path of their log."""
    queue = f"statestore-test-{uuid.uuid4().hex[:12]}"
    log = tmp_path / "worker.log"
    with broker(request.param) as url:
        environment = {
            **server.environment,
            "CELERY_BROKER_URL": url,
            "STATESTORE_QUEUE": queue,
            "STATESTORE_SWEEP_SECONDS": "1",
            "STATESTORE_VAR_DIR": str(tmp_path),
            "SECRET_KEY": "k" * 25 + "0123456789" * 3,
        }
        with log.open("ab") as file:
            processes = [
                subprocess.Popen(command, env=environment, cwd=ROOT, stdout=file, stderr=file)
                for command in (worker_command(queue), beat_command())
            ]
        try:
            yield log
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(30)
            if not url.startswith("filesystem"):
                delete_queue(url, queue)


def test_beat_deletes_an_expired_key_and_leaves_the_others(worker: Path, server: Server) -> None:
    path = f"/api/v2/dags/beat/dagRuns/{uuid.uuid4().hex}/taskInstances/t/state-store"
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.url + path, headers=headers, trust_env=False) as client:
        past = {"value": 1, "expires_at": "2020-01-01T00:00:00Z"}
        assert client.put("/old", json=past).status_code == 204
        assert client.put("/new", json={"value": 2}).status_code == 204

    end = time.monotonic() + 40
    # other tests leave expired keys on the same server
    while not re.search(r"deleted [1-9]\d* expired", worker.read_text()):
        assert time.monotonic() < end, worker.read_text()
        time.sleep(0.1)
    left = server.manage("sweep_expired", "--dry-run")

    assert left.strip() == "0 expired entries would be deleted."
    with httpx.Client(base_url=server.url + path, headers=headers, trust_env=False) as client:
        assert client.get("/new").json()["value"] == 2
        assert client.get("/old").status_code == 404
