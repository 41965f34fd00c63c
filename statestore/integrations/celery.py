"""Celery tasks that keep their state: the scope is that of the message, whatever becomes of its workers.

from statestore.integrations.celery import StatefulTask

@app.task(bind=True, base=StatefulTask, acks_late=True, reject_on_worker_lost=True)
def load(self, pages):
    done = self.task_store.get("last_page", default=0)
    for page in range(done + 1, pages + 1):
        ...
        self.task_store.set("last_page", page)
"""

from typing import Any, ClassVar

from celery import Task

from statestore.protocol import TaskScope
from statestore.sdk import StateStore, TaskContext, TaskStore


class StatefulTask(Task):  # type: ignore[misc]  # Celery has no types
    """A task with `self.task_store` and `self.context`.

    Every delivery of its message is an attempt: a retry, and a redelivery after a lost worker, go on with
    the same keys, and what an older delivery still writes is refused.
    """

    abstract = True
    state_store: ClassVar[StateStore | None] = None
    """The server; by default the one of STATESTORE_URL and STATESTORE_TOKEN, one per process."""

    def state_scope(self) -> TaskScope:
        """The scope of the message at hand: its app, its root, and the task's name.

        A task that another one has sent keeps the root's run and adds its own id, for there may be
        many of the same name. Override it to name runs otherwise, or to set a map index.
        """
        request = self.request
        root = request.root_id or request.id
        name = self.name if request.id == root else f"{self.name}:{request.id}"
        return TaskScope(dag_id=self.app.main or "celery", run_id=root, task_id=name)

    @property
    def context(self) -> TaskContext:
        """The context of the delivery at hand; its attempt has started."""
        request = self.request
        context: TaskContext | None = getattr(request, "statestore_context", None)
        if context is None:
            scope = self.state_scope()
            context = _store_of(self).task(
                scope.dag_id, scope.run_id, scope.task_id, scope.map_index
            )
            context.start_attempt()
            request.statestore_context = context
        return context

    @property
    def task_store(self) -> TaskStore:
        """The keys of the task."""
        return self.context.task_store

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Start the attempt with the delivery, so that an older one is shut out at once."""
        super().before_start(task_id, args, kwargs)
        _ = self.context


def _store_of(task: StatefulTask) -> StateStore:
    if StatefulTask.state_store is None and type(task).state_store is None:
        StatefulTask.state_store = StateStore()
    return type(task).state_store or StatefulTask.state_store  # type: ignore[return-value]  # set above
