"""What is done about an external job, whatever its task's attempts have come to."""

import inspect
import logging
import time
from collections import Counter
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any, Final

from statestore.sdk import telemetry
from statestore.sdk.accessors import TaskStore
from statestore.sdk.errors import (
    ConcurrentSubmissionError,
    InvalidValueError,
    JobFailedError,
    StaleAttemptError,
    TooLargeError,
    UnknownSubmissionError,
)
from statestore.sdk.records import SubmissionState
from statestore.sdk.steps import Pause, Step, Steps
from statestore.sdk.submissions import Submissions, first_submission

logger = logging.getLogger(__name__)

Context = MutableMapping[str, Any]

FRESH_SUBMIT: Final = "fresh_submit"
RECONNECT: Final = "reconnect"
ALREADY_SUCCEEDED: Final = "already_succeeded"
TERMINAL_RESUBMIT: Final = "terminal_resubmit"
FOUND_BY_TOKEN: Final = "found_by_token"  # noqa: S105 - the name of an event
UNKNOWN: Final = "unknown"

_ALARMING: Final = {TERMINAL_RESUBMIT, UNKNOWN}
_ON_UNKNOWN: Final = {"resubmit", "fail"}

event_counts: Counter[str] = Counter()
"""How often each decision was taken in this process."""


class ResumableJob:
    """What the mixins share: what a subclass says of its job, and what is decided from it.

    A subclass says how to submit a job, how to ask for its status, and what a status means. The token
    of `context["submission"]` names the job: hand it to the system (as a client token, name, tag or
    label) in `submit_job`, and look for it in `find_job`; then no crash can make a duplicate.
    """

    external_id_key: str = "remote_job_id"
    """The key that the job's id is stored under."""
    durable: bool = True
    """False: neither read nor write the store; every attempt submits."""
    on_unknown: str = "resubmit"
    """What to do when nothing tells whether a dead attempt submitted: "resubmit" or "fail"."""
    poll_interval: float = 5.0
    """Seconds between two looks at the status."""
    submit_seconds: float = 30.0
    """How long after a reservation its job may still appear in the system. Younger ones may be of an
    attempt that is submitting at this moment: so `find_job` is asked again until then, before another
    job is submitted. 0 where the system itself takes a token once."""

    def __init__(self, *args: Any, durable: bool | None = None, **options: Any) -> None:
        """`durable` for this job alone, as Airflow's mixin takes it; the rest is for the class behind."""
        super().__init__(*args, **options)
        if durable is not None:
            self.durable = durable

    # --- what a subclass says ---

    def submit_job(self, context: Context) -> Any:
        """Submit the job; its id (anything with a JSON form; None: `find_job` tells it, or it has none)."""
        raise NotImplementedError

    def reserve_job(self, context: Context) -> Any:
        """The id that the job is going to have, where its system gives one before it is submitted.

        It is stored before `submit_job` runs, and stands in `context["submission"].external_id` from then
        on, for every attempt that submits: where one id is taken once, no second job can be.
        """
        raise NotImplementedError

    def get_job_status(self, external_id: Any, context: Context) -> Any:
        """The job's status, in the system's words."""
        raise NotImplementedError

    def is_job_active(self, status: Any) -> bool:
        """Whether a job in this status is still going to end."""
        raise NotImplementedError

    def is_job_succeeded(self, status: Any) -> bool:
        """Whether a job in this status has done its work."""
        raise NotImplementedError

    def find_job(self, token: str, context: Context) -> Any:
        """The id of the job that was submitted with this token; None: surely none was.

        Where the system cannot tell, leave this method out: the outcome is then `unknown`.
        """
        raise NotImplementedError

    def poll_until_complete(self, external_id: Any, context: Context) -> Any:
        """Return when the job has succeeded.

        Raises:
            JobFailedError: it has ended otherwise.
        """
        raise NotImplementedError

    def get_job_result(self, external_id: Any, context: Context) -> Any:
        """What the task returns once the job has succeeded; by default its id."""
        return external_id

    def cancel_job(self, external_id: Any, context: Context) -> Any:
        """Have the system end the job; left out where it cannot."""
        raise NotImplementedError

    def on_submission_event(self, event: str, context: Context) -> None:
        """A hook for metrics: one of the events above was decided."""

    def offers(self, method: str) -> bool:
        """Whether the class says how to do what may be left out: `find_job`, `cancel_job`, `reserve_job`.

        A class that knows only from its arguments overrides it.
        """
        for name in (method, f"a{method}"):
            own = getattr(self, name, None)
            if own is not None and getattr(own, "__func__", own) is not vars(ResumableJob).get(
                name
            ):
                return True
        return False

    # --- what is decided ---

    def _execute(
        self, context: Context, *, poll: str = "poll_until_complete", deferred: bool = False
    ) -> Steps[Any]:
        if self.on_unknown not in _ON_UNKNOWN:
            raise InvalidValueError(
                f'{type(self).__name__}.on_unknown must be "resubmit" or "fail", not {self.on_unknown!r}',
                ("on_unknown",),
            )
        store = _durable_store(context) if self.durable else None
        if store is None:
            submission = context["submission"] = first_submission()
            if self.offers("reserve_job"):
                reserved_id = yield from self._reserve(context)
                context["submission"] = replace(submission, external_id=reserved_id)
            external_id = yield from self._send(context)
            yield Step(self, poll, (external_id, context))
            return (yield Step(self, "get_job_result", (external_id, context)))
        submissions = Submissions(store, self.external_id_key)
        external_id = yield from self._known_job(submissions, context)
        if external_id is not None:
            known = submissions.has_succeeded(external_id)
            status = None if known else (yield from self._status(external_id, context))
            if not known and _plain(self.is_job_active(status)):
                self._event(RECONNECT, external_id, context, status)
                return (yield from self._complete(external_id, submissions, context, poll))
            if known or _plain(self.is_job_succeeded(status)):
                self._event(ALREADY_SUCCEEDED, external_id, context, status)
                if not known:
                    yield from submissions.finish(external_id, succeeded=True)
                return (yield Step(self, "get_job_result", (external_id, context)))
            if deferred and submissions.is_running(external_id):
                # It has ended since the last look, and nobody was told: that is no retry's business.
                yield from submissions.finish(external_id, succeeded=False)
                self._ended(external_id, status)
            self._event(TERMINAL_RESUBMIT, external_id, context, status)
            yield from submissions.reserve_next(replaces=external_id)
        external_id = yield from self._submit(submissions, context)
        return (yield from self._complete(external_id, submissions, context, poll))

    def _known_job(self, submissions: Submissions, context: Context) -> Steps[Any]:
        """The id of the job that an earlier attempt submitted, else None with a reservation made."""
        external_id = yield from submissions.read()
        submission = context["submission"] = submissions.submission
        if submission is not None and submissions.is_open(external_id):
            return (yield from self._search(submissions, submission.token, context))
        if external_id is not None:
            return external_id
        if submissions.is_nameless():
            self._is_unknown(submissions, context)
        # Nothing was submitted yet, or somebody cleared the id to have the job submitted afresh.
        yield from submissions.reserve_next()
        return None

    def _search(self, submissions: Submissions, token: str, context: Context) -> Steps[Any]:
        """An earlier attempt died between its reservation and storing the id: did it submit?"""
        yield from submissions.take_over()
        context["submission"] = submissions.submission
        if not self.offers("find_job"):
            self._is_unknown(submissions, context)
            return None
        external_id = yield from self._await_submission(submissions, token, context)
        if external_id is not None:
            yield from submissions.submitted(external_id)
            context["submission"] = submissions.submission
            self._event(FOUND_BY_TOKEN, external_id, context)
        return external_id

    def _is_unknown(self, submissions: Submissions, context: Context) -> None:
        """Go on, or refuse to, where an attempt may have left a job of which nobody knows the id."""
        self._event(UNKNOWN, submissions.token, context)
        if self.on_unknown == "fail":
            raise UnknownSubmissionError(
                f"An earlier attempt has, or may have, submitted the job {submissions.token}, and"
                f" {type(self).__name__} has no find_job() to tell. Look for it;"
                f" then store its id under {self.external_id_key!r}, or"
                f" clear {submissions.submission_key!r} to submit afresh."
            )

    def _await_submission(
        self, submissions: Submissions, token: str, context: Context
    ) -> Steps[Any]:
        """The job's id, once it is there; None when surely no attempt is submitting it any more."""
        external_id = yield from self._find(token, context)
        if external_id is not None or not self.submit_seconds:
            return external_id
        age = yield from submissions.age()
        external_id = yield from self._look_for(token, self.submit_seconds - age, context)
        if external_id is None:
            yield from submissions.renew()  # only if nobody else has taken over meanwhile
        return external_id

    def _look_for(self, token: str, seconds: float, context: Context) -> Steps[Any]:
        """Ask for the job again and again, for so long."""
        external_id, end = None, time.monotonic() + seconds
        while external_id is None and (left := end - time.monotonic()) > 0:
            waits = f"Job {token} may be on its way to the system."
            yield Pause(min(self.poll_interval, left), waits)
            external_id = yield from self._find(token, context)
        return external_id

    def _submit(self, submissions: Submissions, context: Context) -> Steps[Any]:
        context["submission"] = submissions.submission
        if self.offers("reserve_job") and not submissions.has_reserved_id():
            yield from submissions.reserved((yield from self._reserve(context)))
        for _ in range(3):
            if not self.submit_seconds or submissions.write_seconds < self.submit_seconds / 4:
                break
            # The answer was on its way for so long that to others the reservation looks abandoned.
            yield from submissions.renew()
        context["submission"] = submissions.submission
        external_id = yield from self._send(context, submissions)
        if external_id is None and self.offers("find_job"):
            external_id = yield from self._named(submissions.token, context)
        try:
            yield from submissions.submitted(external_id)
        except (InvalidValueError, TooLargeError):
            # No later attempt could know of it.
            if not self.offers("find_job") and self.offers("cancel_job"):
                yield Step(self, "cancel_job", (external_id, context))
            raise
        except (StaleAttemptError, ConcurrentSubmissionError):
            try:
                yield from self._overtaken(external_id, submissions, context)
            except Exception:
                logger.exception("job %s may go on beside another attempt's", external_id)
            raise
        context["submission"] = submissions.submission
        self._event(FRESH_SUBMIT, external_id, context)
        return external_id

    def _named(self, token: str, context: Context) -> Steps[Any]:
        """The id of a job that was submitted without being told one."""
        external_id = yield from self._find(token, context)
        if external_id is None:
            external_id = yield from self._look_for(token, self.submit_seconds, context)
        if external_id is None:
            raise UnknownSubmissionError(
                f"submit_job() told no id, and find_job() has found no job {token} for"
                f" {self.submit_seconds:g} s (submit_seconds): the next attempt looks for it again."
            )
        return external_id

    def _complete(
        self, external_id: Any, submissions: Submissions, context: Context, poll: str
    ) -> Steps[Any]:
        try:
            yield Step(self, poll, (external_id, context))
        except JobFailedError:
            yield from submissions.finish(external_id, succeeded=False)
            raise
        yield from submissions.finish(external_id, succeeded=True)
        return (yield Step(self, "get_job_result", (external_id, context)))

    def _kill(self, context: Context) -> Steps[None]:
        store = _durable_store(context) if self.durable else None
        if store is None:
            return
        submissions = Submissions(store, self.external_id_key)
        external_id = yield from submissions.read()
        submission = submissions.submission
        if submission is not None and submission.state is SubmissionState.FINISHED:
            return
        if not (yield from self._holds(submissions, external_id)):
            return
        if submission is not None and submissions.is_open(external_id):
            # It was killed while it submitted: only the token tells whether there is a job.
            if not self.offers("find_job"):
                logger.warning("whether job %s was submitted cannot be known", submission.token)
                return
            context["submission"] = submission
            external_id = yield Step(self, "find_job", (submission.token, context))
        if external_id is None:
            return
        if self.offers("cancel_job"):
            yield Step(self, "cancel_job", (external_id, context))
        else:
            logger.warning("%s cannot cancel job %s: it goes on", type(self).__name__, external_id)

    def _holds(self, submissions: Submissions, external_id: Any) -> Steps[bool]:
        """Whether no newer attempt has the job: only a write is fenced, so write."""
        if getattr(submissions.store, "attempt", None) is None:
            return True  # whoever kills it speaks for the task, not for one attempt
        try:
            if submissions.submission is not None:
                yield from submissions.take_over()
            elif external_id is not None:
                yield from submissions.submitted(external_id)
        except (StaleAttemptError, ConcurrentSubmissionError) as error:
            logger.info("the job is a newer attempt's, and is not cancelled: %s", error)
            return False
        return True

    def _event(self, event: str, job: Any, context: Context, status: Any = None) -> None:
        event_counts[event] += 1
        telemetry.decision(event, self, job, self.external_id_key, status)
        level = logging.WARNING if event in _ALARMING else logging.INFO
        name, key = type(self).__name__, self.external_id_key
        logger.log(level, "%s: %s (%s: %s, status before: %s)", name, event, key, job, status)
        try:
            _plain(self.on_submission_event(event, context))  # type: ignore[func-returns-value]
        except Exception:
            logger.exception("%s.on_submission_event(%r) failed; the job goes on", name, event)

    # --- how the system is asked ---

    def _reserve(self, context: Context) -> Steps[Any]:
        return (yield Step(self, "reserve_job", (context,)))

    def _send(self, context: Context, submissions: Submissions | None = None) -> Steps[Any]:
        return (yield Step(self, "submit_job", (context,)))

    def _overtaken(
        self, external_id: Any, submissions: Submissions, context: Context
    ) -> Steps[None]:
        """Another attempt went on while this one submitted."""
        yield from submissions.counting(external_id, context["submission"].owner)

    def _find(self, token: str, context: Context) -> Steps[Any]:
        return (yield Step(self, "find_job", (token, context)))

    def _status(self, external_id: Any, context: Context) -> Steps[Any]:
        return (yield Step(self, "get_job_status", (external_id, context)))

    def _poll(self, external_id: Any, context: Context) -> Steps[None]:
        while True:
            status = yield from self._status(external_id, context)
            if not _plain(self.is_job_active(status)):
                break
            yield Pause(self.poll_interval, f"Job {external_id!r} is {status!r}.")
        self._ended(external_id, status)

    def _ended(self, external_id: Any, status: Any) -> None:
        if not _plain(self.is_job_succeeded(status)):
            raise JobFailedError(f"Job {external_id!r} ended as {status!r}.")


def _plain(answer: Any) -> bool:
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError(
            "is_job_active, is_job_succeeded and on_submission_event must not be coroutines: nobody"
            " awaits them, and one is always true"
        )
    return bool(answer)


def store_in(context: Context) -> TaskStore | None:
    """The keys of the task, where its context has any."""
    names = ("task_store", "task_state_store", "task_state")
    return next((context[name] for name in names if context.get(name) is not None), None)


def _durable_store(context: Context) -> TaskStore | None:
    store = store_in(context)
    if store is None:
        logger.warning(
            "the context has no task_store: crash recovery is off, and a retry submits again"
        )
    return store
