"""What Kubernetes tells of a pod, and what names and labels it takes."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from statestore.jobs.kubernetes.api import Api, Json
from statestore.sdk.errors import StatestoreError

LABEL: Final = "statestore-submission"
"""The label that carries the token."""
DELETING: Final = "Deleting"
"""Somebody deletes it, and it has not ended yet. How it ends, it ends by that."""
GONE: Final = "Gone"
"""There is no such object (any more), or another one has its name."""

_NAME_LENGTH: Final = 63
_LOG_LINES: Final = 10
_LOG_CHARACTERS: Final = 1000


def name_of(prefix: str, token: str, suffix: str = "") -> str:
    """A name as Kubernetes takes it: of lower-case letters, digits and dashes, 63 at most."""
    room = _NAME_LENGTH - len(token) - len(suffix) - 1
    words = re.sub(r"[^a-z0-9]+", "-", prefix.lower())[:room].strip("-")
    return f"{words}-{token}{suffix}" if words else f"{token}{suffix}"


def id_of(found: Json) -> str:
    """`namespace/name/uid`: a name is taken again by others, a uid never is."""
    metadata = found["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}/{metadata['uid']}"


def parts_of(external_id: str) -> list[str]:
    """Namespace, name and uid."""
    parts = str(external_id).split("/")
    if len(parts) != 3:
        raise StatestoreError(f"{external_id!r} is no id of Kubernetes: it is namespace/name/uid")
    return parts


def is_deleting(found: Json, ended: str | None) -> bool:
    """Whether it was being deleted before it ended (`ended`: ISO 8601; None: it has not)."""
    metadata = found["metadata"]
    if "deletionTimestamp" not in metadata:
        return False
    grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
    asked = datetime.fromisoformat(metadata["deletionTimestamp"]) - grace
    return ended is None or datetime.fromisoformat(ended) >= asked


def has_ended(pod: Json) -> bool:
    """Whether its containers run no more."""
    return pod["status"].get("phase") in {"Succeeded", "Failed"}


def ended_at(pod: Json) -> str | None:
    """When the last of its containers has ended (ISO 8601)."""
    states = [each.get("state", {}) for each in pod["status"].get("containerStatuses", [])]
    times = [state["terminated"].get("finishedAt") for state in states if "terminated" in state]
    return max(filter(None, times), default=None) if has_ended(pod) else None


def why_waiting(pod: Json) -> str | None:
    """Why it does not run yet: no node takes it, or no image."""
    status = pod["status"]
    for container in [*_all(status, "initContainerStatuses"), *_all(status, "containerStatuses")]:
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
            return _words(waiting)
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return _words(condition)
    return None


def why_failed(pod: Json, api: Api) -> str:
    """How it has ended: its exit status, and its own last words."""
    status = pod["status"]
    if "reason" in status:  # Evicted, DeadlineExceeded, NodeLost …
        return _words(status)
    ended = {each["name"]: each for each in _all(status, "containerStatuses")}
    for name, container in ended.items():
        terminated = container.get("state", {}).get("terminated", {})
        if terminated.get("exitCode"):
            reason = terminated.get("reason", "Error")
            of = f"{name} ended with exit status {terminated['exitCode']}"
            of += f" ({reason})" if reason != "Error" else ""
            said = terminated.get("message") or log_of(pod, api, name)
            return f"{of}: {said.strip()[-_LOG_CHARACTERS:]}" if said else of
    return _words(status)


def log_of(pod: Json, api: Api, container: str | None = None) -> str | None:
    """The end of its log."""
    metadata = pod["metadata"]
    name = container or main_container(pod)
    return api.log(metadata["namespace"], metadata["name"], name, _LOG_LINES)


def message_of(pod: Json) -> str | None:
    """What its container has left as termination message."""
    for container in _all(pod["status"], "containerStatuses"):
        if container["name"] == main_container(pod):
            said = container.get("state", {}).get("terminated", {}).get("message")
            return str(said) if said else None
    return None


def main_container(pod: Json) -> str:
    """The one that does the work, where others are beside it."""
    annotations = pod["metadata"].get("annotations", {})
    first = pod["spec"]["containers"][0]["name"]
    return str(annotations.get("kubectl.kubernetes.io/default-container") or first)


def _all(status: Mapping[str, Any], name: str) -> list[Json]:
    return status.get(name) or []


def _words(told: Mapping[str, Any]) -> str:
    return ": ".join(filter(None, [told.get("reason"), told.get("message")])) or "no reason is told"
