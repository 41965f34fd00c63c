"""Airflow: its own state store kept in Statestore (3.3), and keys for those that have none (2.10 on).

[state_store]
backend = statestore.integrations.airflow.StatestoreBackend

For an operator, or wherever a task wants what Airflow's accessor lacks:

    task_store = task_store_for(context)

Importing this package needs no Airflow; using it does.
"""

from statestore.integrations.airflow.backend import StatestoreBackend
from statestore.integrations.airflow.connection import state_store
from statestore.integrations.airflow.jobs import JobOperatorMixin
from statestore.integrations.airflow.resumable import ResumableJobMixin
from statestore.integrations.airflow.tasks import task_store_for

__all__ = [
    "JobOperatorMixin",
    "ResumableJobMixin",
    "StatestoreBackend",
    "state_store",
    "task_store_for",
]
