"""The demo's Celery app: two tasks that keep their state in Statestore.

Run a worker of it with `celery -A examples.demo.app worker`, with STATESTORE_URL and STATESTORE_TOKEN
set, and DEMO_DIR to the folder that its broker and its files live in.
"""

import hashlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from celery import Celery

from examples.demo.gate import wait_at
from examples.demo.packages import Verified, recorded_files
from statestore.integrations.celery import StatefulTask
from statestore.jobs.process import ProcessJob
from statestore.protocol import TaskScope
from statestore.sdk.resumable import Context

FOLDER = Path(os.environ.get("DEMO_DIR", "var/demo")).absolute()
GATE = FOLDER / "half-way"  # no task of any run passes its half while the demo holds it
BATCH = 100  # files between two checkpoints

# The demo keeps to folders of its own, whatever broker the server uses: it purges its queue, and these
# variables would win over the settings below.
for _variable in ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"):
    os.environ.pop(_variable, None)

app = Celery("demo")
app.conf.update(
    task_default_queue="statestore-demo",
    broker_url="filesystem://",
    broker_transport_options={
        "data_folder_in": str(FOLDER / "messages"),
        "data_folder_out": str(FOLDER / "messages"),
        "control_folder": str(FOLDER / "control"),
    },
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
)
for _folder in ("messages", "control", "jobs"):
    (FOLDER / _folder).mkdir(parents=True, exist_ok=True)


class DemoTask(StatefulTask):
    """Names its scope after the message's root, so that both tasks stand under one run."""

    abstract = True

    def state_scope(self) -> TaskScope:
        """The dag `demo`, the root as run, the function's name as task."""
        return TaskScope("demo", self.request.root_id, self.name.rpartition(".")[2])


@app.task(bind=True, base=DemoTask)
def verify_packages(self: DemoTask, files_per_second: float | None = None) -> None:
    """Verify every installed file; checkpoint after every batch, and go on from the last one."""
    files = recorded_files()
    done = Verified.from_value(self.task_store.get("last_package"))
    self.task_store.set(f"skipped_by_attempt_{self.context.attempt}", done.files)
    progress = self.task_store.progress(len(files), "files", message=done.name)
    progress.current = started_with = done.files
    started = time.monotonic()
    with progress:
        while done.files < len(files):
            if done.files >= len(files) / 2:
                wait_at(GATE, progress)
            for file in files[done.files : done.files + BATCH]:
                done = done.after(file)
            self.task_store.set("last_package", done.to_value())
            progress.set(done.files, message=done.name)
            if files_per_second:  # slow enough to be watched
                ahead = (done.files - started_with) / files_per_second
                time.sleep(max(0.0, ahead - (time.monotonic() - started)))
        self.task_store.set("result", done.to_value())


class Compression(ProcessJob):
    """Compresses a folder in an operating-system process that the worker's end does not touch."""

    def __init__(self, run: str, source: str) -> None:
        self.archive = FOLDER / f"{run}.tar.xz"
        program = [sys.executable, "-m", "examples.demo.compress"]
        super().__init__(
            [*program, run, source, self.archive, GATE],
            folder=FOLDER / "jobs" / run,
            poll_interval=0.25,
        )

    def on_submission_event(self, event: str, context: Context) -> None:
        """Keep by which way each attempt came to its job."""
        task_store = context["task_store"]
        task_store.set(f"job_of_attempt_{task_store.attempt}", event)


@app.task(bind=True, base=DemoTask)
def compress_folder(self: DemoTask, source: str) -> None:
    """Have a folder compressed, by one process however many workers are lost meanwhile."""
    job = Compression(self.request.root_id, source)
    result = job.execute_resumable(self.context)
    digest = hashlib.sha256(job.archive.read_bytes()).hexdigest()
    value: dict[str, Any] = {"files": int(result.output.read_text()), "sha256": digest}
    self.task_store.set("result", value)
