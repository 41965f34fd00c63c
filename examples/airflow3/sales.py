"""A DAG for Airflow 3.3 whose state is kept in Statestore.

[state_store]
backend = statestore.integrations.airflow.StatestoreBackend
"""

import asyncio
import logging
import os
import sys
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, dag, task

from statestore.integrations.airflow import JobOperatorMixin, task_store_for
from statestore.jobs.process import ProcessJob

log = logging.getLogger(__name__)
RETRIES = {"retries": 2, "retry_delay": timedelta(seconds=5)}
COMMAND = [sys.executable, "-c", "print('report')"]


def load_page(region: str, page: int) -> None:
    """What takes the time in a real DAG."""
    log.info("loading page %d of %s", page, region)


@task
def load(region: str, task_state_store: Any = None) -> int:
    """Airflow's own accessor, unchanged: go on after the last page that an earlier try has loaded."""
    for page in range(task_state_store.get("last_page", default=0) + 1, 11):
        load_page(region, page)
        task_state_store.set("last_page", page)
    return 10


@task
async def check(pages: list[int]) -> int:
    """What the accessor lacks, such as `aget` and progress: ask Statestore itself."""
    task_store = task_store_for()
    first = await task_store.aget("checked", default=0)
    with task_store.progress(len(pages), "regions") as progress:
        for number in range(first, len(pages)):
            await asyncio.sleep(0.1)
            await task_store.aset("checked", number + 1)
            progress.update()
    return sum(pages)


class Program(ProcessJob):
    """A program whose result is what it has printed: something that Airflow can hand on."""

    def get_job_result(self, external_id: str, context: Any) -> Any:
        """The text."""
        return super().get_job_result(external_id, context).output.read_text()


class Report(JobOperatorMixin, BaseOperator):
    """Runs a program outside Airflow, started once whatever becomes of the task's process."""

    def job(self, context: Any) -> ProcessJob:
        """What to run."""
        return Program(COMMAND, folder=os.environ.get("EXAMPLE_FOLDER", "/var/tmp/reports"))  # noqa: S108


@dag(schedule=None, default_args=RETRIES)
def sales() -> None:
    """Load the regions, check them, report."""
    check(load.expand(region=["north", "south"])) >> Report(task_id="report")


sales()
