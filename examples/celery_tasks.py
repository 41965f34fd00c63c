"""Celery tasks that keep their state, and run external jobs.

STATESTORE_URL=… STATESTORE_TOKEN=… celery -A examples.celery_tasks worker
"""

import os
import sys
from typing import Any

from celery import Celery

from statestore.integrations.celery import DeferrableTask, ResumableTask, StatefulTask
from statestore.jobs.process import ProcessJob

app = Celery("sales", broker=os.environ.get("CELERY_BROKER_URL", "memory://"))
app.conf.update(
    task_acks_late=True,  # a message is given back when its worker is lost,
    task_reject_on_worker_lost=True,  # and when its process alone is
)

FOLDER = os.environ.get("EXAMPLE_FOLDER", "var/jobs")
COMMAND = [sys.executable, "-c", "print('report')"]


@app.task(bind=True, base=StatefulTask)
def load(self: Any, pages: int) -> int:
    """Go on after the last page that an earlier delivery has loaded."""
    first = int(self.task_store.get("last_page", default=0)) + 1
    for page in self.task_store.track(range(first, pages + 1), unit="pages"):
        self.task_store.set("last_page", page)
    return pages - first + 1


class Report(ProcessJob, ResumableTask):
    """One process, started once whatever becomes of the workers; holds a slot while it runs."""

    name = "report"

    def __init__(self) -> None:
        super().__init__(COMMAND, folder=FOLDER, poll_interval=0.1)

    def get_job_result(self, external_id: str, context: Any) -> Any:
        """What the task returns: something that Celery can send."""
        return super().get_job_result(external_id, context).output.read_text()


class PatientReport(DeferrableTask):
    """The same without holding a slot: each delivery looks once, then waits as a retry."""

    name = "patient-report"
    poll_interval = 10
    job = ProcessJob(COMMAND, folder=FOLDER)

    def submit_job(self, context: Any) -> str:
        """Start it."""
        return self.job.submit_job(context)

    def find_job(self, token: str, context: Any) -> str | None:
        """The process that a dead delivery has started."""
        return self.job.find_job(token, context)

    def get_job_status(self, external_id: str, context: Any) -> str:
        """Look at it."""
        return self.job.get_job_status(external_id, context)

    def is_job_active(self, status: str) -> bool:
        """Whether it runs."""
        return self.job.is_job_active(status)

    def is_job_succeeded(self, status: str) -> bool:
        """Whether it has done its work."""
        return self.job.is_job_succeeded(status)

    def cancel_job(self, external_id: str, context: Any) -> None:
        """End it, when the task is revoked."""
        self.job.cancel_job(external_id, context)


app.register_task(Report())
app.register_task(PatientReport())
