"""The external job of a task, from the submission record that the SDK keeps beside the job's id."""

import json
from dataclasses import dataclass
from typing import Final

from statestore.queries import Entry

SUFFIX: Final = ".submission"
JOB_KEY_ENDS: Final = (SUFFIX, "job_id")

# state of the record → icon, colour, what it means
_MEANS: Final = {
    "reserved": ("hourglass", "warn", "about to be submitted"),
    "unknown": ("circle-alert", "bad", "an earlier attempt ended while submitting: it may exist"),
    "submitted": ("zap", "run", "runs elsewhere; a retry finds it again"),
    "reconnected": ("refresh-cw", "run", "submitted by an earlier attempt, and found again"),
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
    token: str
    generation: int


def is_job_key(key: str) -> bool:
    """Whether losing this key may let a retry submit a job that runs already."""
    return key.endswith(JOB_KEY_ENDS)


def jobs_of(entries: list[Entry], attempt: int) -> list[Job]:
    """The jobs among a task's entries; `attempt` is the newest that has started."""
    return [job for entry in entries if (job := _job(entry, attempt)) is not None]


def _job(entry: Entry, attempt: int) -> Job | None:
    if not entry.key.endswith(SUFFIX):
        return None
    try:
        value = json.loads(entry.value)
        state, external_id = str(value["state"]), value.get("external_id")
        token, generation = str(value["token"]), int(value["generation"])
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return None  # somebody else's key
    state = _seen_now(state, of_an_earlier_attempt=(entry.attempt or 0) < attempt)
    if state not in _MEANS:
        return None
    icon, colour, means = _MEANS[state]
    return Job(
        state,
        icon,
        colour,
        means,
        "" if external_id is None else str(external_id),
        token,
        generation,
    )


def _seen_now(state: str, *, of_an_earlier_attempt: bool) -> str:
    if of_an_earlier_attempt:
        return {"reserved": "unknown", "submitted": "reconnected"}.get(state, state)
    return state
