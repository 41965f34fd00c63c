"""External jobs of an Airflow operator: submitted once, whatever becomes of the workers."""

from typing import Any

from statestore.integrations.airflow.tasks import task_store_for
from statestore.sdk import resumable


class ResumableJobMixin(resumable.ResumableJobMixin):
    """Runs one external job of an operator; the interface is that of Airflow 3.3's mixin.

    class Report(ResumableJobMixin, BaseOperator):
        def execute(self, context):
            return self.execute_resumable(context)

        def submit_job(self, context): ...
        def get_job_status(self, external_id, context): ...
        def is_job_active(self, status): ...
        def is_job_succeeded(self, status): ...

    Only before the operator's class is its `on_kill` the one that Airflow calls. It has no `__init__`,
    with which Airflow 2 would not take the class for an operator: `durable` and the other options are
    attributes of the class.
    """

    statestore_conn_id: str | None = None
    """A connection of Airflow's, as for `task_store_for`."""

    def execute_resumable(self, context: resumable.Context) -> Any:
        """As the SDK's, with the task's keys at `context["task_store"]`.

        Also in Airflow 3.3: its own accessor can only get and set, and a reservation needs more.
        """
        if self.durable:
            context["task_store"] = task_store_for(context, conn_id=self.statestore_conn_id)
        self._running_in = context
        return super().execute_resumable(context)

    def on_kill(self, context: resumable.Context | None = None) -> None:
        """Cancel the job; Airflow calls it without a context, in the process that runs the task."""
        context = getattr(self, "_running_in", None) if context is None else context
        if context is not None:
            super().on_kill(context)
