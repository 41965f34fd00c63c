"""What every job class here is built on: one description of a job, run in whichever way suits.

    job = ProcessJob(["./report.sh"], folder="/var/lib/jobs", deadline=timedelta(hours=2))
    job.execute_resumable(context)        # holds its worker until the job has ended
    job.execute_deferred(context)         # one look; JobActiveError: call again later
    await job.aexecute_resumable(context) # holds a coroutine; what blocks runs in threads

A subclass says how its system is asked, in plain blocking methods. A method that has a native twin for
asyncio has it under its name with `a` in front (`aget_job_status`), which is then preferred there.
"""

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Self, TypedDict, Unpack

from statestore.protocol import PROGRESS_KEY
from statestore.sdk import telemetry
from statestore.sdk.deciding import Context, store_in
from statestore.sdk.errors import (
    JobActiveError,
    JobDeadlineError,
    JobFailedError,
    JobSystemUnreachableError,
    StaleAttemptError,
    StatestoreError,
)
from statestore.sdk.resumable import ResumableJobMixin, later
from statestore.sdk.steps import Pause, Step, Steps, adrive, drive
from statestore.sdk.submissions import Submissions, is_same

logger = logging.getLogger(__name__)

LONGEST_PAUSE: Final = 60.0  # seconds between two tries to reach a system that is away


class NotSentError(JobSystemUnreachableError):
    """The system cannot be connected to: the request surely did not arrive."""


class JobStatus(str):
    """A status in the system's word, with what else the system tells about the job."""

    message: str | None
    progress: Mapping[str, Any]

    def __new__(
        cls,
        word: str,
        *,
        message: str | None = None,
        current: float | None = None,
        total: float | None = None,
        unit: str | None = None,
    ) -> Self:
        """A status; `current` of `total` units are done, where the system says so."""
        status = super().__new__(cls, word)
        status.message = message
        fields = {"current": current, "total": total, "unit": unit, "message": message}
        status.progress = {name: value for name, value in fields.items() if value is not None}
        return status


class Options(TypedDict, total=False):
    """What every job class takes beside its own arguments; see `PollingJob`."""

    poll_interval: float
    deadline: timedelta | None
    cancel_at_deadline: bool
    patience: timedelta
    external_id_key: str
    durable: bool
    on_unknown: str
    submit_seconds: float


class PollingJob(ResumableJobMixin):
    """A job that is looked at until it has ended.

    A subclass names the statuses in `active` and `succeeded` (any other is a failure), and defines
    `submit_job`, `find_job`, `get_job_status`, `cancel_job` and, where there is one, `get_job_result`.
    When its system cannot be reached, each raises `JobSystemUnreachableError`, and is called again.
    """

    active: ClassVar[frozenset[str]] = frozenset()
    """The statuses of a job that is still going to end."""
    succeeded: ClassVar[frozenset[str]] = frozenset()
    """The statuses of a job that has done its work."""
    held: ClassVar[frozenset[str]] = frozenset()
    """The statuses of a job that waits for `release_job`, where its system can hold one back until its id
    is stored: then no job runs that nobody knows."""

    deadline: timedelta | None = None
    """How long after its reservation the job may run, over all attempts; None: as long as it takes."""
    cancel_at_deadline: bool = True
    """Whether the job is cancelled then, or left to itself."""
    patience: timedelta = timedelta(hours=1)
    """For how long a system that cannot be reached is asked again before the attempt fails. A deferred
    job asks once in each delivery, until its deadline."""

    def __init__(self, **options: Unpack[Options]) -> None:
        for name in options.keys() - Options.__annotations__.keys():
            raise TypeError(f"{type(self).__name__}() has no argument {name!r}")
        vars(self).update(options)

    def release_job(self, external_id: Any, context: Context) -> None:
        """Let a held job run; once more does no harm."""
        raise NotImplementedError

    # --- three ways to run it ---

    def execute_deferred(self, context: Context) -> Any:
        """As `execute_resumable`, one look at a time, with nothing held in between.

        Raises:
            JobActiveError: the job has not ended: execute again after `poll_interval`.
            JobFailedError: it has ended without success since the last look. A retry submits afresh.
        """
        with telemetry.execution(self):
            steps = self._execute(context, poll="look_once", deferred=True)
            return drive(steps, pause=later)

    def look_once(self, external_id: Any, context: Context) -> None:
        """As `poll_until_complete`, but an active job raises `JobActiveError`."""
        drive(self._poll(external_id, context), pause=later)

    async def aexecute_resumable(self, context: Context) -> Any:
        """As `execute_resumable`, for asyncio."""
        with telemetry.execution(self):
            return await adrive(self._execute(context), threads=True)

    async def apoll_until_complete(self, external_id: Any, context: Context) -> None:
        """As `poll_until_complete`, for asyncio."""
        await adrive(self._poll(external_id, context), threads=True)

    async def aon_kill(self, context: Context) -> None:
        """As `on_kill`, for asyncio."""
        with telemetry.execution(self):
            await adrive(self._kill(context), threads=True)

    # --- what a status means ---

    def is_job_active(self, status: Any) -> bool:
        """Whether a job in this status is still going to end."""
        return status in self.active

    def is_job_succeeded(self, status: Any) -> bool:
        """Whether a job in this status has done its work."""
        return status in self.succeeded

    def _ended(self, external_id: Any, status: Any) -> None:
        if not self.is_job_succeeded(status):
            message = getattr(status, "message", None)
            because = f": {message}" if message else "."
            raise JobFailedError(f"Job {external_id!r} ended as {str(status)!r}{because}")

    # --- how it is polled ---

    def _poll(self, external_id: Any, context: Context) -> Steps[None]:
        shown: Mapping[str, Any] | None = None
        end = self._end(context)
        while True:
            status = yield from self._status(external_id, context)
            shown = yield from self._show(status, shown, context)
            if not self.is_job_active(status):
                break
            left = (end - datetime.now(UTC)).total_seconds() if end else float("inf")
            if left <= 0:
                yield from self._stop(external_id, status, context)
            if status in self.held:
                yield from self._patiently("release_job", external_id, context)
            yield Pause(min(self.poll_interval, left), f"Job {external_id!r} is {str(status)!r}.")
        self._ended(external_id, status)

    def _show(
        self, status: Any, shown: Mapping[str, Any] | None, context: Context
    ) -> Steps[Mapping[str, Any] | None]:
        """Store the progress that the system tells, where it is news. Progress may be lost."""
        store, told = store_in(context), getattr(status, "progress", None)
        if not told or store is None or not self.durable:
            return shown
        ended = "done" if self.is_job_succeeded(status) else "failed"
        progress = {**told, "status": "running" if self.is_job_active(status) else ended}
        if progress != shown:
            try:
                yield Step(store, "set", (PROGRESS_KEY, progress))
            except StaleAttemptError:
                raise
            except StatestoreError as error:
                logger.info("a progress was not written: %s", error)
        return progress

    def _end(self, context: Context) -> datetime | None:
        """When the deadline is: counted from the reservation, or from now where there was none."""
        if self.deadline is None:
            return None
        begin = getattr(context.get("submission"), "reserved_at", "")
        return (datetime.fromisoformat(begin) if begin else datetime.now(UTC)) + self.deadline

    def _stop(self, external_id: Any, status: Any, context: Context) -> Steps[None]:
        fate = "it goes on"
        if self.cancel_at_deadline:
            if self.offers("cancel_job"):
                yield Step(self, "cancel_job", (external_id, context))
                fate = "it was cancelled"
            else:
                fate = f"it goes on, for {type(self).__name__} cannot cancel"
        raise JobDeadlineError(
            f"Job {external_id!r} is {str(status)!r} after {self.deadline}: {fate}."
        )

    # --- a system that is away ---

    def _status(self, external_id: Any, context: Context) -> Steps[Any]:
        return (yield from self._patiently("get_job_status", external_id, context))

    def _find(self, token: str, context: Context) -> Steps[Any]:
        return (yield from self._patiently("find_job", token, context))

    def _patiently(self, method: str, *args: Any) -> Steps[Any]:
        outage = _Outage(self)
        while True:
            try:
                return (yield Step(self, method, args))
            except JobSystemUnreachableError as error:
                yield outage.pause(error)

    def _reserve(self, context: Context) -> Steps[Any]:
        return (yield from self._patiently("reserve_job", context))

    def _send(self, context: Context, submissions: Submissions | None = None) -> Steps[Any]:
        """Submit. A request without an answer may have arrived: look for the job before the next one."""
        outage = _Outage(self)
        while True:
            try:
                return (yield Step(self, "submit_job", (context,)))
            except JobSystemUnreachableError as error:
                unanswered = error
            never_sent = isinstance(unanswered, NotSentError)
            if not (never_sent or self.offers("find_job")):
                raise unanswered
            yield outage.pause(unanswered)
            found = None
            if self.offers("find_job"):
                token = context["submission"].token
                found = yield from self._find(token, context)
                if found is None and not never_sent:
                    found = yield from self._look_for(token, self.submit_seconds, context)
            if found is not None:
                return found
            if submissions is not None:
                yield from submissions.renew()  # only if nobody else has taken over meanwhile
                context["submission"] = submissions.submission

    def _overtaken(
        self, external_id: Any, submissions: Submissions, context: Context
    ) -> Steps[None]:
        """Of two attempts' jobs the one whose id is stored counts: another one is not needed."""
        if external_id is None or not self.offers("cancel_job"):
            yield from super()._overtaken(external_id, submissions, context)
            return
        owner, end = context["submission"].owner, time.monotonic() + self.submit_seconds
        counts = yield from submissions.counting(external_id, owner)
        while counts is None and (left := end - time.monotonic()) > 0:
            try:
                yield Pause(min(self.poll_interval, left), "Another attempt submits the job.")
            except JobActiveError:  # a deferred job cannot wait; what raised says more
                break
            counts = yield from submissions.counting(external_id, owner)
        if counts is not None and not is_same(counts, external_id):
            logger.warning("job %s is cancelled: another attempt runs %s", external_id, counts)
            yield from self._patiently("cancel_job", external_id, context)


class _Outage:
    """A time in which a system cannot be reached: longer and longer pauses, until patience ends."""

    def __init__(self, job: PollingJob) -> None:
        self._patience, self._pause = job.patience.total_seconds(), job.poll_interval
        self._begin: float | None = None

    def pause(self, error: JobSystemUnreachableError) -> Pause:
        """What to wait before the next try; raises the error once there is no patience left."""
        now = time.monotonic()
        self._begin = now if self._begin is None else self._begin
        left = self._begin + self._patience - now
        if left <= 0:
            raise error
        seconds = min(self._pause, left)
        self._pause = max(self._pause, min(2 * self._pause, LONGEST_PAUSE))
        return Pause(seconds, f"The job's system cannot be reached: {error}")
