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

from examples.demo import compress
from examples.demo.packages import Verified, recorded_files
from statestore.integrations.celery import StatefulTask
from statestore.jobs.process import ProcessJob
from statestore.protocol import TaskScope

FOLDER = Path(os.environ.get("DEMO_DIR", "var/demo")).absolute()
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
    started, first, reported = time.monotonic(), done.files, 0.0
    while done.files < len(files):
        for file in files[done.files : done.files + BATCH]:
            done = done.after(file)
        self.task_store.set("last_package", done.to_value())
        if time.monotonic() - reported >= 0.5:
            _report(self, done, len(files), "running")
            reported = time.monotonic()
        if files_per_second:  # slow enough to be watched
            ahead = (done.files - first) / files_per_second - (time.monotonic() - started)
            time.sleep(max(0.0, ahead))
    self.task_store.set("result", done.to_value())
    _report(self, done, len(files), "done")


def _report(task: DemoTask, done: Verified, total: int, status: str) -> None:
    progress = {"current": done.files, "total": total, "unit": "files", "status": status}
    task.task_store.set("progress", {**progress, "message": done.name})


@app.task(bind=True, base=DemoTask)
def compress_folder(self: DemoTask, source: str) -> None:
    """Compress a folder in an operating-system process that this worker's end does not touch."""
    archive = FOLDER / f"{self.request.root_id}.tar.xz"
    command = [sys.executable, compress.__file__, source, str(archive)]
    job = ProcessJob(command, folder=FOLDER / "jobs" / self.request.root_id, poll_interval=0.25)
    self.task_store.set(
        "progress", {"status": "running", "message": f"compressing the folder {Path(source).name}"}
    )
    result = job.execute_resumable(self.context)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    value: dict[str, Any] = {"files": int(result.output.read_text()), "sha256": digest}
    self.task_store.set("result", value)
    self.task_store.set(
        "progress", {"status": "done", "message": f"{archive.stat().st_size} bytes"}
    )
