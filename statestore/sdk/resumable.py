"""External jobs that outlive their worker: submitted once, reconnected to by the next attempt.

The interface is that of Airflow's `ResumableJobMixin`; a reservation closes what it leaves open.
Before `submit_job` runs, a submission with a token is created under `<external_id_key>.submission`.
A worker that dies between submitting and storing the id leaves the reservation behind, and the next
attempt asks `find_job` for a job of that token before it submits again.
"""

from typing import Any

from statestore.sdk import telemetry
from statestore.sdk.deciding import Context, ResumableJob, event_counts
from statestore.sdk.errors import JobActiveError
from statestore.sdk.steps import Pause, adrive, drive

__all__ = [
    "AsyncResumableJobMixin",
    "Context",
    "DeferrableJobMixin",
    "ResumableJobMixin",
    "event_counts",
    "later",
]


class ResumableJobMixin(ResumableJob):
    """Runs one external job of a task, whatever becomes of the task's workers."""

    def poll_until_complete(self, external_id: Any, context: Context) -> None:
        """Return when the job has succeeded.

        Raises:
            JobFailedError: it has ended otherwise.
        """
        drive(self._poll(external_id, context))

    def execute_resumable(self, context: Context) -> Any:
        """Run the job, or what is left of it; its result.

        Raises:
            JobFailedError: the job ended without success. The next attempt submits afresh.
            UnknownSubmissionError: on_unknown is "fail", and a dead attempt may have submitted.
            ConcurrentSubmissionError: another attempt holds the reservation.
        """
        with telemetry.execution(self):
            return drive(self._execute(context))

    def on_kill(self, context: Context) -> None:
        """Cancel the job of a task that is killed for good, where the class has `cancel_job`."""
        with telemetry.execution(self):
            drive(self._kill(context))


class DeferrableJobMixin(ResumableJobMixin):
    """The same in many short executions: each looks at the job once, and frees its worker."""

    def poll_until_complete(self, external_id: Any, context: Context) -> None:
        """Return where the job has succeeded.

        Raises:
            JobActiveError: it has not ended: execute again after `poll_interval`.
            JobFailedError: it has ended otherwise.
        """
        drive(self._poll(external_id, context), pause=later)

    def execute_resumable(self, context: Context) -> Any:
        """As `ResumableJobMixin.execute_resumable`, one look at a time.

        Raises:
            JobActiveError: the job has not ended: execute again after `poll_interval`.
            JobFailedError: it has ended without success since the last look. A retry submits afresh.
        """
        with telemetry.execution(self):
            return drive(self._execute(context, deferred=True), pause=later)


class AsyncResumableJobMixin(ResumableJob):
    """The same for asyncio: what asks the system may be a coroutine; what a status means may not."""

    async def poll_until_complete(self, external_id: Any, context: Context) -> None:
        """Return when the job has succeeded.

        Raises:
            JobFailedError: it has ended otherwise.
        """
        await adrive(self._poll(external_id, context))

    async def execute_resumable(self, context: Context) -> Any:
        """As `ResumableJobMixin.execute_resumable`."""
        with telemetry.execution(self):
            return await adrive(self._execute(context))

    async def on_kill(self, context: Context) -> None:
        """As `ResumableJobMixin.on_kill`."""
        with telemetry.execution(self):
            await adrive(self._kill(context))


def later(pause: Pause) -> None:
    """A pause of those who hold nothing meanwhile."""
    raise JobActiveError(pause.reason)
