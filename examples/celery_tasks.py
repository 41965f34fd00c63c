"""Celery tasks that keep their state, and run external jobs.

STATESTORE_URL=… STATESTORE_TOKEN=… celery -A examples.celery_tasks worker
"""

import os
import sys
from typing import Any

from celery import Celery

from statestore.integrations.celery import JobTask, ResumableTask, StatefulTask
from statestore.jobs.polling import PollingJob
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


class TextOf(ProcessJob):
    """A process whose result is what it has printed: something that Celery can send."""

    def get_job_result(self, external_id: str, context: Any) -> Any:
        """The text."""
        return super().get_job_result(external_id, context).output.read_text()


class Report(TextOf, ResumableTask):
    """A job that is a task: one process, started once whatever becomes of the workers; holds a slot."""

    name = "report"

    def __init__(self) -> None:
        super().__init__(COMMAND, folder=FOLDER, poll_interval=0.1)


@app.task(bind=True, base=JobTask, deferred=True)
def patient_report(self: Any, seconds: float = 10) -> PollingJob:
    """The same without holding a slot: each delivery looks once, then waits as a retry."""
    return TextOf(COMMAND, folder=FOLDER, poll_interval=seconds)


app.register_task(Report())
