"""Operators that run a job of another system, ready to use."""

from typing import Any

from statestore.integrations.airflow.tasks import task_store_for
from statestore.jobs.polling import PollingJob
from statestore.sdk.deciding import Context


class JobOperatorMixin:
    """Makes an operator of a job class.

    class Report(JobOperatorMixin, BaseOperator):
        def job(self, context):
            return SlurmJob("report.sh", arguments=[context["ds"]])

    Only before the operator's class are its `execute` and `on_kill` the ones that Airflow calls.
    """

    statestore_conn_id: str | None = None
    """A connection of Airflow's, as for `task_store_for`."""

    def job(self, context: Context) -> PollingJob:
        """Describe the job; called once in each try."""
        raise NotImplementedError

    def execute(self, context: Context) -> Any:
        """Run the job, or what is left of it; its result. What Airflow calls."""
        job = self.job(context)
        if job.durable:
            context["task_store"] = task_store_for(context, conn_id=self.statestore_conn_id)
        self._running = job, context
        return job.execute_resumable(context)

    def on_kill(self) -> None:
        """Cancel the job. Airflow calls it in the process that runs the task."""
        job, context = getattr(self, "_running", (None, None))
        if job is not None:
            job.on_kill(context)
