"""The external job of a task, from the submission record that the SDK keeps beside the job's id."""

import json
from dataclasses import dataclass
from typing import Final

from statestore.protocol import SUBMISSION_SUFFIX
from statestore.queries import Entry

JOB_KEY_ENDS: Final = (SUBMISSION_SUFFIX, "job_id")

# state of the record → icon, colour, what it means
_MEANS: Final = {
    "reserved": ("hourglass", "warn", "about to be submitted"),
    "unknown": ("circle-alert", "bad", "an attempt ended while submitting: it may exist"),
    "submitted": ("zap", "run", "runs elsewhere; a retry finds it again"),
    "reconnecting": (
        "refresh-cw",
        "run",
        "submitted by an earlier attempt; the newest one goes on with it if it still runs",
    ),
    "finished": ("circle-check", "ok", "has ended"),
}


@dataclass(frozen=True, slots=True)
class Job:
    """One external job, as a chip."""

    state: str
    icon: str
    colour: str
    means: str
    external_id: str
    """Its id in the system that runs it; empty: not known."""
    generation: int


def is_job_key(key: str) -> bool:
    """Whether losing this key may let a retry submit a job that runs already."""
    return key.endswith(JOB_KEY_ENDS)


def jobs_of(submissions: list[Entry], attempt: int) -> list[Job]:
    """The jobs of these records; `attempt` is the newest of the task that has started."""
    return [job for entry in submissions if (job := _job(entry, attempt)) is not None]


def _job(entry: Entry, attempt: int) -> Job | None:
    try:
        value = json.loads(entry.value)
        state, external_id = str(value["state"]), value.get("external_id")
        generation, is_taken_over = int(value["generation"]), bool(value.get("since"))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return None  # somebody else's key
    is_older = (entry.attempt or 0) < attempt
    if state == "reserved" and (is_older or is_taken_over):
        state = "unknown"
    elif state == "submitted" and is_older:  # an attempt that reconnects writes nothing
        state = "reconnecting"
    if state not in _MEANS:
        return None
    icon, colour, means = _MEANS[state]
    external_id = "" if external_id is None else str(external_id)
    return Job(state, icon, colour, means, external_id, generation)
