"""The submission of an external job in the store, written in an order that no crash can confuse."""

import json
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from statestore.jsontext import dumps
from statestore.protocol import NEVER_EXPIRE, SUBMISSION_SUFFIX
from statestore.sdk.accessors import TaskStore
from statestore.sdk.errors import ConcurrentSubmissionError, PreconditionFailedError
from statestore.sdk.records import Submission, SubmissionState
from statestore.sdk.requests import Retention
from statestore.sdk.steps import Step, Steps


def first_submission() -> Submission:
    """A reservation that is not stored."""
    return _next_submission(None)


def _next_submission(previous: Submission | None) -> Submission:
    """A reservation of the next generation; the token keeps the random part of the first."""
    generation = previous.generation + 1 if previous else 1
    name = previous.token.rpartition("-")[0] if previous else f"ss-{secrets.token_hex(10)}"
    return Submission(
        f"{name}-{generation}",
        generation,
        SubmissionState.RESERVED,
        owner=_new_owner(),
        host=socket.gethostname(),
        reserved_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def _new_owner() -> str:
    return secrets.token_hex(8)


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are one in the store, which makes a list of a tuple."""
    return bool(json.loads(dumps(one)) == json.loads(dumps(other)))


@dataclass(slots=True)
class Submissions:
    """The job's id under its key, and its submission beside it.

    A store that can only get and set (Airflow's own) keeps the id alone: nothing is reserved there.
    """

    store: TaskStore
    external_id_key: str
    submission: Submission | None = None
    version: int | None = None
    written_at: datetime | None = None
    """By the server's clock, when it was read."""
    write_seconds: float = 0.0
    """How long the last write took, until its answer was here."""

    @property
    def token(self) -> str:
        """The job's name in the system that runs it."""
        return self.submission.token if self.submission else ""

    @property
    def submission_key(self) -> str:
        """The key of the submission, beside that of the id."""
        return f"{self.external_id_key}{SUBMISSION_SUFFIX}"

    def read(self) -> Steps[Any]:
        """The stored id (None: there is none), with the submission read beside it."""
        if self._can_reserve:
            entry = yield Step(self.store, "entry", (self.submission_key,))
            if entry is not None:
                self.submission, self.version = Submission.from_value(entry.value), entry.version
                self.written_at = entry.updated_at
        return (yield Step(self.store, "get", (self.external_id_key,)))

    def is_open(self, external_id: Any) -> bool:
        """Whether a job was reserved, and its id not stored; the one given may be of the job before."""
        submission = self.submission
        if submission is None or submission.state is not SubmissionState.RESERVED:
            return False
        return external_id is None or external_id == submission.replaces

    def is_nameless(self) -> bool:
        """Whether a job was submitted whose id nobody was told."""
        submission = self.submission
        return (
            submission is not None
            and submission.state is SubmissionState.SUBMITTED
            and submission.external_id is None
        )

    def reserve_next(self, *, replaces: Any = None) -> Steps[None]:
        """Reserve a fresh submission: only one attempt can."""
        yield from self._write(replace(_next_submission(self.submission), replaces=replaces))

    def reserved(self, external_id: Any) -> Steps[None]:
        """Keep the id that the system gave the job before it was submitted."""
        if not self._can_reserve:
            yield self._set(external_id, None)
        if self.submission is not None:
            yield from self._write(replace(self.submission, external_id=external_id))

    def has_reserved_id(self) -> bool:
        """Whether the system has given an id beforehand."""
        return self.submission is not None and self.submission.external_id is not None

    def take_over(self) -> Steps[None]:
        """Hold a dead attempt's reservation: its token stays, for the job may exist."""
        if self.submission is not None:
            since = self.submission.since or (
                self.written_at.isoformat() if self.written_at else ""
            )
            yield from self._write(replace(self.submission, owner=_new_owner(), since=since))

    def age(self) -> Steps[float]:
        """Seconds since an attempt last began to submit, by the server's clock; after `take_over`."""
        entry = yield Step(self.store, "entry", (self.submission_key,))
        if entry is None or self.submission is None or not self.submission.since:
            return 0.0
        began = datetime.fromisoformat(self.submission.since)
        return float((entry.updated_at - began).total_seconds())

    def renew(self) -> Steps[None]:
        """Begin to submit under the same token: whoever takes over from now on waits anew."""
        if self.submission is not None:
            yield from self._write(replace(self.submission, owner=_new_owner(), since=""))

    def submitted(self, external_id: Any) -> Steps[None]:
        """Store the id, first where the next attempt looks, and for as long as the job may run."""
        if external_id is not None:
            yield self._set(external_id, NEVER_EXPIRE)
        yield from self._update(SubmissionState.SUBMITTED, external_id, NEVER_EXPIRE)

    def counting(self, external_id: Any, owner: str) -> Steps[Any]:
        """Of two jobs the one that counts, for an execution whose own one could not be stored.

        Its own may stand under the id's key all the same, where no fence tells the two apart: then the
        other one is stored there again.

        Returns:
            The id of the job that counts; None while that is not decided.
        """
        stored = yield from self.read()
        submission, is_own = self.submission, is_same(stored, external_id)
        if submission is None:
            return stored
        if submission.state is SubmissionState.RESERVED:
            overwritten = is_own and submission.owner != owner
            return None if overwritten or self.is_open(stored) else stored
        if is_own and not is_same(submission.external_id, external_id):
            yield from self._give_back(stored)
        return submission.external_id

    def _give_back(self, stored: Any) -> Steps[None]:
        submission = self.submission
        entry = yield Step(self.store, "entry", (self.external_id_key,))
        if submission is None or entry is None or entry.value != stored:
            return
        has_ended = submission.state is SubmissionState.FINISHED
        with suppress(PreconditionFailedError):  # it has been given back
            yield Step(
                self.store,
                "compare_and_set",
                (self.external_id_key, submission.external_id),
                {"version": entry.version, "retention": None if has_ended else NEVER_EXPIRE},
            )

    def finish(self, external_id: Any, *, succeeded: bool) -> Steps[None]:
        """The job has ended: its end is kept, and from now on its id ages like any other key."""
        if external_id is not None:
            yield self._set(external_id, None)
        yield from self._update(SubmissionState.FINISHED, external_id, None, succeeded)

    def is_running(self, external_id: Any) -> bool:
        """Whether the job was submitted, and its end has not been seen."""
        submission = self.submission
        return (
            submission is not None
            and submission.state is SubmissionState.SUBMITTED
            and submission.external_id == external_id
        )

    def has_succeeded(self, external_id: Any) -> bool:
        """Whether the job's success is stored: its system may have forgotten it since."""
        submission = self.submission
        return (
            submission is not None
            and submission.state is SubmissionState.FINISHED
            and submission.succeeded is True
            and submission.external_id == external_id
        )

    @property
    def _can_reserve(self) -> bool:
        return hasattr(self.store, "compare_and_set")

    def _set(self, external_id: Any, retention: Retention) -> Step:
        options = {"retention": retention} if self._can_reserve else {}
        return Step(self.store, "set", (self.external_id_key, external_id), options)

    def _update(
        self,
        state: SubmissionState,
        external_id: Any,
        retention: Retention,
        succeeded: bool | None = None,
    ) -> Steps[None]:
        submission = replace(
            self.submission or _next_submission(None),
            state=state,
            external_id=external_id,
            succeeded=succeeded,
        )
        yield from self._write(submission, retention)

    def _write(self, submission: Submission, retention: Retention = NEVER_EXPIRE) -> Steps[None]:
        if not self._can_reserve:
            self.submission = submission
            return
        value, begin = submission.to_value(), time.monotonic()
        options = {"version": self.version, "retention": retention}
        try:
            self.version = yield Step(
                self.store, "compare_and_set", (self.submission_key, value), options
            )
        except PreconditionFailedError as error:
            entry = yield Step(self.store, "entry", (self.submission_key,))
            if entry is None or not is_same(
                entry.value, value
            ):  # else it is this very write, sent twice
                raise ConcurrentSubmissionError(
                    f"Another attempt changed {self.submission_key!r} meanwhile ({error}): it runs this job."
                ) from None
            self.version = entry.version
        self.submission, self.write_seconds = submission, time.monotonic() - begin
