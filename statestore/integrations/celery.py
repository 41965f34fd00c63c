"""Celery tasks that keep their state: the scope is that of the message, whatever becomes of its workers.

from statestore.integrations.celery import StatefulTask

@app.task(bind=True, base=StatefulTask, acks_late=True, reject_on_worker_lost=True)
def load(self, pages):
    done = self.task_store.get("last_page", default=0)
    for page in range(done + 1, pages + 1):
        ...
        self.task_store.set("last_page", page)

A task that runs one external job returns it, and is sent as any other:

@app.task(bind=True, base=JobTask, deferred=True)
def report(self, day):
    return SlurmJob("report.sh", arguments=[day])
"""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import astuple, replace
from datetime import timedelta
from typing import Any, ClassVar, Final

from celery import Task
from celery.signals import task_revoked

from statestore.jobs.polling import PollingJob
from statestore.protocol import MAP_INDEX_NONE, TaskScope
from statestore.sdk import (
    ConfigurationError,
    DeferrableJobMixin,
    JobActiveError,
    PreconditionFailedError,
    ResumableJobMixin,
    StateStore,
    TaskContext,
    TaskStore,
)
from statestore.sdk.assets import AssetLike
from statestore.sdk.memory import MemoryTransport

logger = logging.getLogger(__name__)

PLACES: Final = "places"
"""After a task's name: whose keys say which message has which place of a group."""
PLACE_RETENTION: Final = timedelta(days=366)
"""How long a place is kept: longer than a message waits, or the job of one runs."""


class StatefulTask(Task):  # type: ignore[misc]  # Celery has no types
    """A task with `self.task_store` and `self.context`.

    Every delivery of its message is an attempt: a retry, and a redelivery after a lost worker, go on with
    the same keys, and what an older delivery still writes is refused.
    """

    abstract = True
    state_store: ClassVar[StateStore | None] = None
    """The server; by default the one of STATESTORE_URL and STATESTORE_TOKEN, one per process."""
    assets: ClassVar[Iterable[AssetLike]] = ()
    """What the task reads or writes, as for `StateStore.task`."""

    def state_scope(self) -> TaskScope:
        """The scope of the message at hand: its app, its root, and the task's name.

        The tasks of a group or chord are one mapped task, by their place. Any other task that another
        one has sent keeps the root's run and adds its own id, for there may be many of the same name.
        So does one whose place another message had first: groups within groups share their places.
        Override it to name runs otherwise.
        """
        request = self.request
        dag, root = self.app.main or "celery", request.root_id or request.id
        if request.group is not None and request.group_index is not None:
            # A group that nothing has sent has no root of its own: each of its tasks is one.
            if request.id == root:
                return self._placed(TaskScope(dag, request.group, self.name, request.group_index))
            name = f"{self.name}:{request.group}"
            return self._placed(TaskScope(dag, root, name, request.group_index))
        name = self.name if request.id == root else f"{self.name}:{request.id}"
        return TaskScope(dag, root, name)

    def _placed(self, scope: TaskScope) -> TaskScope:
        """The place in the group, for the message that came first, and a scope of its own for another.

        Celery gives a group within a group the outer one's id, and counts from 0 again.
        """
        # Not among the task's keys, for it may clear those while it runs.
        places = _store_of(self).task(scope.dag_id, scope.run_id, f"{scope.task_id}:{PLACES}")
        message, place = self.request.id, str(scope.map_index)
        try:
            places.task_store.compare_and_set(
                place, message, version=None, retention=PLACE_RETENTION
            )
        except PreconditionFailedError:
            if places.task_store.get(place) != message:
                return replace(scope, task_id=f"{self.name}:{message}", map_index=MAP_INDEX_NONE)
        return scope

    @property
    def context(self) -> TaskContext:
        """The context of the delivery at hand; its attempt has started."""
        request = self.request_stack.top
        if request is None:
            raise ConfigurationError(
                f"{self.name} has no message in this thread: take `task_store = self.task_store` before"
                " you start threads, and hand it to them. Without a worker call the task itself, not run()."
            )
        context: TaskContext | None = getattr(request, "statestore_context", None)
        if context is None:
            context = self._in_memory() if request.id is None else self._of_message()
            context.start_attempt()
            request.statestore_context = context
        return context

    def _of_message(self) -> TaskContext:
        return _store_of(self).task(*astuple(self.state_scope()), assets=self.assets)

    def _in_memory(self) -> TaskContext:
        """For a call without a message: nobody could find its keys again."""
        logger.warning(
            "%s was called directly, without a message: its state is kept in memory, and gone with"
            " this call. Send it with delay(), apply_async() or in a group to keep it.",
            self.name,
        )
        memory = StateStore(transport=MemoryTransport())
        return memory.task(
            self.app.main or "celery", "called-directly", self.name, assets=self.assets
        )

    @property
    def task_store(self) -> TaskStore:
        """The keys of the task."""
        return self.context.task_store

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Start the attempt with the delivery, so that an older one is shut out at once."""
        super().before_start(task_id, args, kwargs)
        _ = self.context


class ResumableTask(ResumableJobMixin, StatefulTask):
    """A task that runs one external job, as `ResumableJobMixin` says; holds its worker meanwhile."""

    abstract = True

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the job, or what is left of it. What was sent with the message is in `self.request`."""
        return self.execute_resumable(self.context)


class DeferrableTask(DeferrableJobMixin, StatefulTask):
    """The same without holding a worker: each delivery looks at the job once, then waits as a retry."""

    abstract = True
    max_retries = None
    """However often it is looked at."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Look at the job; its result, or the next look in `poll_interval` seconds."""
        while True:
            try:
                return self.execute_resumable(self.context)
            except JobActiveError as still_active:
                # Without a worker (apply(), a direct call) a retry would come at once, within this one.
                if not (self.request.is_eager or self.request.called_directly):
                    raise _look_again(self, self.poll_interval, still_active) from None
            time.sleep(self.poll_interval)


class JobTask(StatefulTask):
    """A task whose function returns a job; the job is then run, and its result is the task's.

    The function only describes the job: it is called in each delivery, and to cancel the job of a task
    that was revoked.
    """

    abstract = True
    deferred = False
    """Whether it frees its worker while the job runs: each delivery looks once, then waits as a retry."""
    max_retries = None
    """However often it is looked at."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the job, or what is left of it."""
        job: PollingJob = self.run(*args, **kwargs)
        if not self.deferred:
            return job.execute_resumable(self.context)
        try:
            return job.execute_deferred(self.context)
        except JobActiveError as still_active:
            raise _look_again(self, job.poll_interval, still_active) from None


def _look_again(task: StatefulTask, seconds: float, why: JobActiveError) -> Exception:
    """The retry that looks at a job which runs; `expires` was about when it begins."""
    retry: Exception = task.retry(exc=why, countdown=seconds, expires=None, throw=False)
    return retry


@task_revoked.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _cancel_job(sender: Any, request: Any, expired: bool = False, **_: Any) -> None:
    """Revoked: no process of the task will run again, so the worker cancels the job for it.

    Also where nothing was terminated: a deferred task is between two deliveries most of the time. A
    message that has expired never began; another delivery of it may be looking after a job.
    """
    if isinstance(sender, ResumableTask | DeferrableTask | JobTask) and not expired:
        # Opened here, and not in the thread: the worker forks meanwhile, and what a thread is half
        # through importing would stay locked in the new process for ever.
        _store_of(sender)
        # In a thread: the worker must not wait for a server that is away.
        threading.Thread(target=_kill, args=(sender, request), daemon=True).start()


def _kill(task: ResumableTask | DeferrableTask | JobTask, request: Any) -> None:
    task.request_stack.push(request)
    try:
        context = task._of_message()
    finally:
        task.request_stack.pop()
    job = task.run(*request.args, **request.kwargs) if isinstance(task, JobTask) else task
    job.on_kill(context)


def _store_of(task: StatefulTask) -> StateStore:
    if StatefulTask.state_store is None and type(task).state_store is None:
        StatefulTask.state_store = StateStore()
    return type(task).state_store or StatefulTask.state_store  # type: ignore[return-value]  # set above
