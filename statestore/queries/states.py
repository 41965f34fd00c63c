"""The states of task instances, as conditions of a query."""

import enum
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from statestore.models import Entry, TaskInstance
from statestore.protocol import PROGRESS_KEY, Status


class TaskState(enum.StrEnum):
    """What a task last reported, and whether it has been silent since."""

    RUNNING = "running"
    STALLED = "stalled"
    DONE = "done"
    FAILED = "failed"
    NONE = "none"  # it keeps keys, and reports no progress


_STATUS_OF = {
    TaskState.DONE: Status.DONE,
    TaskState.FAILED: Status.FAILED,
    TaskState.NONE: Status.NONE,
}
ACTIVE_AT_LAG = timedelta(seconds=30)
RECENT = timedelta(hours=24)


def in_state(state: TaskState, now: datetime) -> Q:
    """The condition of a state; `state_of` says the same of one row."""
    if state is TaskState.NONE:
        return Q(status=Status.NONE.value) | _progress_expired(now)
    if state is TaskState.STALLED:
        condition = Q(status=Status.RUNNING.value, active_at__lt=_silent_since(now))
    elif state is TaskState.RUNNING:
        condition = Q(status=Status.RUNNING.value, active_at__gte=_silent_since(now))
    else:
        condition = Q(status=_STATUS_OF[state].value)
    return condition & ~_progress_expired(now)


def _progress_expired(now: datetime) -> Q:
    """The sweep has still to take back what these reported; an index has them.

    Of the hours that are over it says all; only in the present one the entries are looked at.
    """
    hour = int(now.timestamp() // 3600)
    reports = Entry.objects.filter(key__literally=PROGRESS_KEY)
    over = reports.filter(expires_hour__lt=hour)
    just_now = reports.filter(expires_hour=hour, expires_at__lte=now)
    owner = "task_instance_id"
    return Q(pk__in=over.values(owner).union(just_now.values(owner), all=True))


def _silent_since(now: datetime) -> datetime:
    """Over the coarse `active_at`, which lags the last write: nobody is called silent too early."""
    return now - timedelta(seconds=settings.STATESTORE_STALLED_SECONDS) - ACTIVE_AT_LAG


def in_tab(state: TaskState, now: datetime) -> Q:
    """The condition of a state on Live: tasks that have ended count for 24 hours."""
    ended = state in {TaskState.DONE, TaskState.FAILED}
    return in_state(state, now) & (Q(active_at__gte=now - RECENT) if ended else Q())


def state_of(row: TaskInstance, progress: str | None, now: datetime) -> TaskState:
    """The state of one row, with the progress that it reports (None: none, or it has expired)."""
    status = Status.NONE if progress is None else Status(row.status)
    if status is Status.RUNNING:
        return TaskState.STALLED if row.active_at < _silent_since(now) else TaskState.RUNNING
    return next(state for state, of in _STATUS_OF.items() if of is status)
