"""What Airflow keeps in place of a value that a worker's backend has stored."""

from dataclasses import astuple
from typing import Final
from urllib.parse import quote, unquote

from statestore.protocol import TaskScope
from statestore.sdk import Asset

REFERENCE: Final = "__airflow_state_ref__"
"""The one field of the object that Airflow keeps in place of what a worker's backend has stored."""
SCHEME: Final = "statestore:"


def reference_to(owner: TaskScope | Asset, key: str) -> str:
    """Names a key: the same for each write of it, as Airflow asks."""
    kind = "task" if isinstance(owner, TaskScope) else "asset"
    parts = (kind, *map(str, astuple(owner)), key)
    return SCHEME + "/".join(quote(part, safe="") for part in parts)


def is_reference(stored: str) -> bool:
    """Whether it is one, and not JSON."""
    return stored.startswith(SCHEME)


def referred(reference: str) -> tuple[TaskScope | Asset, str]:
    """Whose key it is, and which."""
    match [unquote(part) for part in reference.removeprefix(SCHEME).split("/")]:
        case ["task", dag_id, run_id, task_id, map_index, key]:
            return TaskScope(dag_id, run_id, task_id, int(map_index)), key
        case ["asset", name, uri, key]:
            return Asset(name, uri), key
    raise ValueError(f"{reference!r} is no reference of Statestore's.")
