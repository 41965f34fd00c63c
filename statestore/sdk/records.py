"""What the SDK hands out: frozen records."""

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from statestore.protocol import TaskScope

__all__ = ["Asset", "Entry", "Submission", "SubmissionState", "TaskScope"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key as the server has it."""

    key: str
    value: Any
    updated_at: datetime
    """The last write, in UTC."""
    expires_at: datetime | None
    """When it is gone, in UTC; None: never."""
    version: int | None = None
    """Counts the writes of this entry; None where the answer does not say (in lists)."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A data set, by its name and uri."""

    name: str
    uri: str = ""
    """Where it is; the name where it is left out."""


class SubmissionState(enum.StrEnum):
    """How far an external job has come."""

    RESERVED = "reserved"
    SUBMITTED = "submitted"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Submission:
    """One external job of one task: reserved before it is submitted, so that it is submitted once."""

    token: str
    """Names this job in the system that runs it: at most 40 lower-case letters, digits and hyphens."""
    generation: int
    """Counts the fresh submissions of this task, from 1; part of the token."""
    state: SubmissionState
    external_id: Any = None
    """The id that the system gave the job, which may be before it was submitted."""
    replaces: Any = None
    """The id of the ended job that this one replaces: found under the id's key, it is not this one's."""
    owner: str = ""
    """Which execution holds it."""
    host: str = ""
    """Where it was reserved first."""
    reserved_at: str = ""
    """When it was reserved, by the clock of that host: ISO 8601, in UTC."""
    since: str = ""
    """When an attempt last began to submit it, by the server's clock; empty: at the last write of this
    record."""
    succeeded: bool | None = None
    """How a finished job has ended."""

    def to_value(self) -> dict[str, Any]:
        """The JSON form in the store."""
        return {
            "token": self.token,
            "generation": self.generation,
            "state": self.state.value,
            "external_id": self.external_id,
            "replaces": self.replaces,
            "owner": self.owner,
            "host": self.host,
            "reserved_at": self.reserved_at,
            "since": self.since,
            "succeeded": self.succeeded,
        }

    @classmethod
    def from_value(cls, value: Any) -> "Submission | None":
        """From its JSON form; None where somebody else wrote another form under the key."""
        try:
            return cls(
                token=str(value["token"]),
                generation=int(value["generation"]),
                state=SubmissionState(value["state"]),
                external_id=value.get("external_id"),
                replaces=value.get("replaces"),
                owner=str(value.get("owner", "")),
                host=str(value.get("host", "")),
                reserved_at=str(value.get("reserved_at", "")),
                since=str(value.get("since", "")),
                succeeded=value.get("succeeded"),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None
