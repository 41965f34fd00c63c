from collections.abc import Iterator

import pytest

from statestore.protocol import TaskScope
from statestore.sdk import StateStore, TaskContext, TaskStore
from tests.server import Server


@pytest.fixture
def store(server: Server) -> Iterator[StateStore]:
    """A store on the real server."""
    with StateStore(server.url, server.token, retry_seconds=20) as opened:
        yield opened


@pytest.fixture
def context(store: StateStore, scope: TaskScope) -> TaskContext:
    """The context of a task whose attempt has not started."""
    return store.task(scope.dag_id, scope.run_id, scope.task_id)


@pytest.fixture
def task_store(context: TaskContext) -> TaskStore:
    """The keys of that task, written without an attempt."""
    return context.task_store
