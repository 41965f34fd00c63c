"""Many deferred jobs of a real system share the two slots of one Celery worker."""

import base64
import os
import pickle
import time
from pathlib import Path

import pytest

from statestore.sdk import StateStore, TaskStore
from tests.engines.slurm import Slurm
from tests.integrations.celery_app import new_app
from tests.integrations.workers import Workers
from tests.jobs.attempts import until
from tests.jobs.test_slurm import SlurmRig

JOBS = int(os.environ.get("STATESTORE_TEST_DEFERRED", "50"))
SECONDS = 60 + JOBS

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(4 * SECONDS)]


@pytest.fixture
def rig(slurm: Slurm, tmp_path: Path) -> SlurmRig:
    return SlurmRig(tmp_path, slurm)


def test_many_deferred_jobs_share_two_slots_and_each_is_submitted_once(
    rig: SlurmRig, workers: Workers
) -> None:
    job = rig.job(cpus=8, poll_interval=JOBS / 10)  # 8 run at once; of too many Slurm loses some
    sent = base64.b64encode(pickle.dumps(job)).decode()
    workers.start(2)
    begin = time.monotonic()
    with new_app(workers.url, workers.queue, workers.folder) as app:
        runs = [app.send_task("pickled-deferred", [sent]).id for _ in range(JOBS)]
    until(lambda: len(rig.running()) >= JOBS, SECONDS)
    submitted = time.monotonic() - begin
    jobs = rig.submissions()
    rig.end()
    with StateStore(workers.server.url, workers.server.token) as store:
        tasks = [store.task("work", run, "pickled-deferred").task_store for run in runs]
        until(lambda: all(map(_has_succeeded, tasks)), SECONDS)
        seconds = time.monotonic() - begin
        assert {task.get("remote_job_id") for task in tasks} == set(jobs)
    print(  # noqa: T201 - figures for whoever looks
        f"{JOBS} jobs on 2 slots: {len(jobs)} in Slurm after {submitted:.0f} s,"
        f" all ended after {seconds:.0f} s"
    )
    assert len(jobs) == JOBS


def _has_succeeded(task_store: TaskStore) -> bool:
    record = task_store.get("remote_job_id.submission")
    return bool(record and record["succeeded"])
