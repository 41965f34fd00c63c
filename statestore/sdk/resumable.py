"""External jobs that outlive their worker: submitted once, reconnected to by the next attempt.

The interface is that of Airflow's `ResumableJobMixin`; what it leaves open is closed by a reservation.
Before `submit_job` runs, a submission with a token is created under `<external_id_key>.submission`. A
worker that dies between submitting and storing the id leaves the reservation behind, and the next
attempt asks `find_job` for a job of that token before it submits again.
"""

import logging
import secrets
import time
from collections import Counter
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from typing import Any, Final

from statestore.protocol import NEVER_EXPIRE
from statestore.sdk.accessors import TaskStore
from statestore.sdk.errors import (
    ConcurrentSubmissionError,
    JobFailedError,
    PreconditionFailedError,
    UnknownSubmissionError,
)
from statestore.sdk.records import Submission, SubmissionState
from statestore.sdk.requests import Retention

logger = logging.getLogger(__name__)

Context = MutableMapping[str, Any]

FRESH_SUBMIT: Final = "fresh_submit"
RECONNECT: Final = "reconnect"
ALREADY_SUCCEEDED: Final = "already_succeeded"
TERMINAL_RESUBMIT: Final = "terminal_resubmit"
FOUND_BY_TOKEN: Final = "found_by_token"  # noqa: S105 - the name of an event
UNKNOWN: Final = "unknown"

event_counts: Counter[str] = Counter()
"""How often each decision was taken in this process."""


class ResumableJobMixin:
    """Runs one external job of a task, whatever becomes of the task's workers.

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

    # --- what a subclass says ---

    def submit_job(self, context: Context) -> Any:
        """Submit the job; its id (anything with a JSON form; None: it has none)."""
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

    def poll_until_complete(self, external_id: Any, context: Context) -> None:
        """Return when the job has succeeded.

        Raises:
            JobFailedError: it has ended otherwise.
        """
        while self.is_job_active(status := self.get_job_status(external_id, context)):
            time.sleep(self.poll_interval)
        if not self.is_job_succeeded(status):
            raise JobFailedError(f"Job {external_id!r} ended as {status!r}.")

    def get_job_result(self, external_id: Any, context: Context) -> Any:
        """What the task returns once the job has succeeded; by default its id."""
        return external_id

    # --- what it gets ---

    def execute_resumable(self, context: Context) -> Any:
        """Run the job, or what is left of it; its result.

        Raises:
            JobFailedError: the job ended without success. The next attempt submits afresh.
            UnknownSubmissionError: on_unknown is "fail", and a dead attempt may have submitted.
            ConcurrentSubmissionError: another attempt holds the reservation.
        """
        store = self._store(context)
        if store is None:
            context["submission"] = _first_submission()
            return self._complete(self.submit_job(context), context, None)
        records = _Records(store, self.external_id_key)
        external_id = self._known_job(records, context)
        if external_id is not None:
            status = self.get_job_status(external_id, context)
            if self.is_job_active(status):
                self._event(RECONNECT, external_id, context)
                return self._complete(external_id, context, records)
            if self.is_job_succeeded(status):
                self._event(ALREADY_SUCCEEDED, external_id, context)
                records.finish(external_id)
                return self.get_job_result(external_id, context)
            self._event(TERMINAL_RESUBMIT, external_id, context)
            records.reserve_next(replaces=external_id)
        return self._complete(self._submit(records, context), context, records)

    def _store(self, context: Context) -> TaskStore | None:
        if not self.durable:
            return None
        for name in ("task_store", "task_state_store", "task_state"):
            if (store := context.get(name)) is not None:
                return store  # type: ignore[no-any-return]  # a context may hold anything
        logger.warning(
            "the context has no task_store: crash recovery is off, and a retry submits again"
        )
        return None

    def _known_job(self, records: "_Records", context: Context) -> Any:
        """The id of the job that an earlier attempt submitted, else None with a reservation made."""
        external_id = records.external_id()
        submission = context["submission"] = records.submission
        reserved = submission is not None and submission.state is SubmissionState.RESERVED
        if submission is not None and reserved and external_id == submission.replaces:
            external_id = None  # the id of the job before
        if external_id is not None:
            return external_id
        if submission is not None and reserved:
            return self._search(records, submission.token, context)
        # Nothing was submitted yet, or somebody cleared the id to have the job submitted afresh.
        records.reserve_next()
        return None

    def _search(self, records: "_Records", token: str, context: Context) -> Any:
        """An earlier attempt died between its reservation and storing the id: was there a submission?"""
        records.take_over()
        context["submission"] = records.submission
        try:
            external_id = self.find_job(token, context)
        except NotImplementedError:
            self._event(UNKNOWN, token, context)
            if self.on_unknown == "fail":
                raise UnknownSubmissionError(
                    f"An attempt that died may have submitted the job {token}, and"
                    f" {type(self).__name__} has no find_job() to tell. Look for it;"
                    f" then store its id under {self.external_id_key!r}, or"
                    f" clear {records.submission_key!r} to submit afresh."
                ) from None
            return None
        if external_id is not None:
            self._event(FOUND_BY_TOKEN, external_id, context)
            records.submitted(external_id)
            context["submission"] = records.submission
        return external_id

    def _submit(self, records: "_Records", context: Context) -> Any:
        context["submission"] = records.submission
        external_id = self.submit_job(context)
        self._event(FRESH_SUBMIT, external_id, context)
        records.submitted(external_id)
        context["submission"] = records.submission
        return external_id

    def _complete(self, external_id: Any, context: Context, records: "_Records | None") -> Any:
        try:
            self.poll_until_complete(external_id, context)
        except JobFailedError:
            if records:
                records.finish(external_id)
            raise
        if records:
            records.finish(external_id)
        return self.get_job_result(external_id, context)

    def _event(self, event: str, job: Any, context: Context) -> None:
        event_counts[event] += 1
        logger.info("%s: %s (%s)", type(self).__name__, event, job)
        self.on_submission_event(event, context)

    def on_submission_event(self, event: str, context: Context) -> None:
        """A hook for metrics: one of the events above was decided."""


def _first_submission() -> Submission:
    return _next_submission(None)


def _next_submission(previous: Submission | None) -> Submission:
    """A reservation of the next generation; the token keeps the random part of the first."""
    generation = previous.generation + 1 if previous else 1
    name = previous.token.rpartition("-")[0] if previous else f"ss-{secrets.token_hex(10)}"
    return Submission(
        f"{name}-{generation}", generation, SubmissionState.RESERVED, owner=_new_owner()
    )


def _new_owner() -> str:
    return secrets.token_hex(8)


@dataclass(slots=True)
class _Records:
    """The job's id and its submission in the store, written in an order that a crash cannot confuse."""

    store: TaskStore
    external_id_key: str
    submission: Submission | None = None
    version: int | None = None

    @property
    def submission_key(self) -> str:
        """The key of the submission, beside that of the id."""
        return f"{self.external_id_key}.submission"

    def external_id(self) -> Any:
        """The stored id (None: there is none), with the submission read beside it."""
        entry = self.store.entry(self.submission_key)
        if entry is not None:
            self.submission, self.version = Submission.from_value(entry.value), entry.version
        return self.store.get(self.external_id_key)

    def reserve_next(self, *, replaces: Any = None) -> None:
        """Reserve a fresh submission: only one attempt can."""
        self._write(replace(_next_submission(self.submission), replaces=replaces))

    def take_over(self) -> None:
        """Hold a dead attempt's reservation: its token stays, for the job may exist."""
        if self.submission is not None:
            self._write(replace(self.submission, owner=_new_owner()))

    def submitted(self, external_id: Any) -> None:
        """Store the id, first where the next attempt looks, and for as long as the job may run."""
        if external_id is not None:
            self.store.set(self.external_id_key, external_id, retention=NEVER_EXPIRE)
        self._update(SubmissionState.SUBMITTED, external_id, NEVER_EXPIRE)

    def finish(self, external_id: Any) -> None:
        """The job has ended: from now on its id ages like any other key."""
        if external_id is not None:
            self.store.set(self.external_id_key, external_id)
        self._update(SubmissionState.FINISHED, external_id, None)

    def _update(self, state: SubmissionState, external_id: Any, retention: Retention) -> None:
        submission = self.submission or _next_submission(None)
        self._write(replace(submission, state=state, external_id=external_id), retention)

    def _write(self, submission: Submission, retention: Retention = NEVER_EXPIRE) -> None:
        value = submission.to_value()
        try:
            self.version = self.store.compare_and_set(
                self.submission_key, value, version=self.version, retention=retention
            )
        except PreconditionFailedError as error:
            entry = self.store.entry(self.submission_key)
            if entry is None or entry.value != value:  # else it is this very write, sent twice
                raise ConcurrentSubmissionError(
                    f"Another attempt changed {self.submission_key!r} meanwhile ({error}): it runs this job."
                ) from None
            self.version = entry.version
        self.submission = submission
