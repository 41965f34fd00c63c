"""What a task is handed: its stores by the names that Airflow uses, its scope and its attempt."""

from types import TracebackType
from typing import Any

from statestore.protocol import TaskScope
from statestore.sdk import wire
from statestore.sdk.accessors import TaskStore
from statestore.sdk.transport import Transport


class TaskContext(dict[str, Any]):
    """A task's context. As a context manager it starts the next attempt, which fences off older ones."""

    def __init__(self, transport: Transport, scope: TaskScope, attempt: int | None = None) -> None:
        super().__init__()
        self._transport = transport
        self.scope = scope
        self.task_store = TaskStore(transport, scope, attempt)
        self.update(
            task_store=self.task_store,
            task_state_store=self.task_store,
            task_state=self.task_store,
            dag_id=scope.dag_id,
            run_id=scope.run_id,
            task_id=scope.task_id,
            map_index=scope.map_index,
        )

    @property
    def attempt(self) -> int | None:
        """The number of this attempt; None before it has started."""
        return self.task_store.attempt

    def start_attempt(self) -> int:
        """Start the next attempt: what older ones write from now on is refused."""
        attempt = wire.read_attempt(self._transport.send(wire.attempt_start(self.scope)))
        self.task_store.attempt = attempt
        return attempt

    def __enter__(self) -> "TaskContext":
        if self.attempt is None:
            self.start_attempt()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to give back; keys stay for the next attempt."""
