"""The keys of an Airflow task, by the context that Airflow hands it."""

import importlib
import threading
from collections.abc import Mapping
from typing import Any

from statestore.integrations.airflow.connection import state_store
from statestore.protocol import MAP_INDEX_NONE, TaskScope
from statestore.sdk import TaskStore

Context = Mapping[str, Any]

_lock = threading.Lock()
_started: dict[tuple[TaskScope, int, str | None], TaskStore] = {}
"""What this process has started: a task asks again and again, and stays the same attempt."""


def task_store_for(context: Context | None = None, *, conn_id: str | None = None) -> TaskStore:
    """The keys of the task that runs, by its dag, run, task and map index.

    A process that asks first in a try of the task starts an attempt, and from then on what processes of
    older tries write is refused with `StaleAttemptError`.

    Args:
        context: what Airflow hands to `execute`; left out: that of the task which runs at the moment.
        conn_id: a connection of Airflow's, as for `state_store`.

    Raises:
        RuntimeError: no context was given, and no task runs here.
    """
    context = current_context() if context is None else context
    scope, key = scope_of(context), (scope_of(context), int(context["ti"].try_number), conn_id)
    with _lock:
        if key not in _started:
            task = state_store(conn_id).task(
                scope.dag_id, scope.run_id, scope.task_id, scope.map_index
            )
            task.start_attempt()
            _started[key] = task.task_store
        return _started[key]


def scope_of(context: Context) -> TaskScope:
    """The task instance that a context is about."""
    ti = context["ti"]
    index = MAP_INDEX_NONE if ti.map_index is None else int(ti.map_index)
    return TaskScope(ti.dag_id, ti.run_id, ti.task_id, index)


def current_context() -> Context:
    """The context of the task that runs here.

    Raises:
        RuntimeError: none does.
    """
    try:
        airflow = importlib.import_module("airflow.sdk")
    except ImportError:  # Airflow 2
        airflow = importlib.import_module("airflow.operators.python")
    try:
        context: Context = airflow.get_current_context()
    except Exception as error:  # Airflow 2 has an exception of its own
        raise RuntimeError(
            "No task runs here: call task_store_for() in a task, or give it the context."
        ) from error
    return context
