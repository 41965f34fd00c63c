"""A DAG for Airflow 2.10, and for 3.0 to 3.2: they have no state store, so tasks ask Statestore itself."""

import logging
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.decorators import dag, task
from airflow.models.baseoperator import BaseOperator

from statestore.integrations.airflow import ResumableJobMixin, task_store_for
from statestore.jobs.process import ProcessJob

log = logging.getLogger(__name__)
RETRIES = {"retries": 2, "retry_delay": timedelta(seconds=5)}
COMMAND = [sys.executable, "-c", "print('report')"]


def load_page(region: str, page: int) -> None:
    """What takes the time in a real DAG."""
    log.info("loading page %d of %s", page, region)


@task
def load(region: str) -> int:
    """Go on after the last page that an earlier try has loaded."""
    task_store = task_store_for()
    first = int(task_store.get("last_page", default=0)) + 1
    for page in task_store.track(range(first, 11), unit="pages"):
        load_page(region, page)
        task_store.set("last_page", page)
    return 11 - first


class Report(ResumableJobMixin, BaseOperator):
    """Runs a program outside Airflow, started once whatever becomes of the task's process."""

    poll_interval = 1
    job = ProcessJob(COMMAND, folder=os.environ.get("EXAMPLE_FOLDER", "/var/tmp/reports"))  # noqa: S108

    def execute(self, context: Any) -> str:
        """What Airflow calls."""
        return str(self.execute_resumable(context))

    def submit_job(self, context: Any) -> str:
        """Start it."""
        return self.job.submit_job(context)

    def find_job(self, token: str, context: Any) -> str | None:
        """The program that a try has started which died before it could say so."""
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
        """End it, when the task is killed."""
        self.job.cancel_job(external_id, context)


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args=RETRIES)
def sales() -> None:
    """Load the regions, then report."""
    load.expand(region=["north", "south"]) >> Report(task_id="report")


sales()
