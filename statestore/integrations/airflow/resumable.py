"""External jobs of an Airflow operator: submitted once, whatever becomes of the workers."""

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from statestore.integrations.airflow.tasks import task_store_for
from statestore.sdk import resumable
from statestore.sdk.deciding import ResumableJob

Init = TypeVar("Init", bound=Callable[..., None])


def _operators_init(init: Init) -> Init:
    """As Airflow wants the `__init__` of an operator's classes: with what `default_args` say, and known
    to `partial()`. An operator that has none of its own gets this one.
    """
    for module in ("airflow.sdk.bases.operator", "airflow.models.baseoperator"):
        try:
            made: Init = importlib.import_module(module).BaseOperatorMeta._apply_defaults(init)
        except (ImportError, AttributeError):  # an older Airflow, or none
            continue
        return made
    return init


class ResumableJobMixin(resumable.ResumableJobMixin):
    """Runs one external job of an operator; the interface is that of Airflow 3.3's mixin.

    class Report(ResumableJobMixin, BaseOperator):
        def execute(self, context):
            return self.execute_resumable(context)

        def submit_job(self, context): ...
        def get_job_status(self, external_id, context): ...
        def is_job_active(self, status): ...
        def is_job_succeeded(self, status): ...

    Only before the operator's class is its `on_kill` the one that Airflow calls, and `durable` an argument
    of the operator, as in Airflow; the other options are attributes of the class.
    """

    statestore_conn_id: str | None = None
    """A connection of Airflow's, as for `task_store_for`."""

    @_operators_init
    def __init__(self, *args: Any, durable: bool | None = None, **options: Any) -> None:
        if not hasattr(super(ResumableJob, self), "execute"):
            options.clear()  # the operator's class stands before, and has had them
        super().__init__(*args, **options)
        if durable is not None:
            self.durable = durable

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
