"""A Prefect flow whose tasks keep their state: a retry goes on where the try before it stopped.

STATESTORE_URL=… STATESTORE_TOKEN=… python prefect_flow.py
"""

import os
import sys

from prefect import flow, task
from prefect.runtime import flow_run

from statestore.jobs.process import ProcessJob
from statestore.sdk import Context, StateStore, TaskContext

FOLDER = os.environ.get("EXAMPLE_FOLDER", "var/jobs")
COMMAND = [sys.executable, "-c", "print('report')"]
STOP_AFTER = int(os.environ.get("STOP_AFTER", "0"))  # for trying it out: the first try fails there


def keys_of(store: StateStore, name: str) -> TaskContext:
    """The keys of a task in this run of the flow: a retry has the same."""
    return store.task("sales", str(flow_run.id), name)


@task(retries=2)
def ingest(pages: int) -> int:
    """Load the pages that no earlier try has loaded; how many that were."""
    with StateStore() as store, keys_of(store, "ingest") as context:
        task_store = context["task_store"]
        first = int(task_store.get("last_page", default=0)) + 1
        for page in task_store.track(range(first, pages + 1), unit="pages"):
            task_store.set("last_page", page)  # once it is loaded
            if page == STOP_AFTER and context.attempt == 1:
                raise RuntimeError("stopped, for trying it out")
        return pages - first + 1


class Report(ProcessJob):
    """A program outside Prefect, started once whatever becomes of the task's process."""

    def get_job_status(self, external_id: str, context: Context) -> str:
        """Look at it; the first try stops here."""
        if STOP_AFTER and context["task_store"].attempt == 1:
            raise RuntimeError("stopped, for trying it out")
        return super().get_job_status(external_id, context)


@task(retries=2)
def report() -> str:
    """Run the program, or wait for the one that an earlier try has started; what it has printed."""
    with StateStore() as store, keys_of(store, "report") as context:
        job = Report(COMMAND, folder=FOLDER, poll_interval=0.5)
        return str(job.execute_resumable(context).output.read_text())


@flow
def sales(pages: int = 10) -> None:
    """Load the pages, then report."""
    loaded, shown = ingest(pages), report()
    print(f"run {flow_run.id}: the last try loaded {loaded} pages, {shown.strip()}")  # noqa: T201


if __name__ == "__main__":
    sales()
