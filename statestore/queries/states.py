"""The states of task instances, as conditions of a query."""

import enum
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import BooleanField, Func, Q

from statestore.models import TaskInstance
from statestore.protocol import Status
from statestore.sql import task_instances


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


def is_swept(now: datetime) -> bool:
    """Whether no progress that counts on Live has expired: of a task instance that runs, or was active
    within RECENT; False as well where too much has expired to look at.

    So it nearly always is, and a page that asks once need not ask in each of its conditions.
    """
    hour = int(now.timestamp() // 3600)
    ((unswept,),) = task_instances.unswept.rows(since=now - RECENT, hour=hour, now=now)
    return not unswept


def in_state(state: TaskState, now: datetime, *, swept: bool = False) -> Q:
    """The condition of a state; `state_of` says the same of one row. `swept`: nothing has expired of
    those that it is asked of, unless the state is NONE."""
    return Q(_InState(state, now, swept))


class _InState(Func):
    """The condition as text: from parts of Django's it took most of the time of a page of Live.

    What has expired counts for nothing, although the sweep has still to take it back; an index has it.
    Of the hours that are over that says all, only in the present one the entries are looked at.
    """

    output_field = BooleanField()
    _expired: Final = """{id} IN (
        SELECT task_instance_id FROM statestore_entry WHERE key = 'progress' AND expires_hour < %s
        UNION ALL SELECT task_instance_id FROM statestore_entry
        WHERE key = 'progress' AND expires_hour = %s AND expires_at <= %s)"""
    _said: Final = {
        TaskState.RUNNING: "{status} = 'running' AND {active_at} >= %s",
        TaskState.STALLED: "{status} = 'running' AND {active_at} < %s",
        TaskState.DONE: "{status} = 'done'",
        TaskState.FAILED: "{status} = 'failed'",
    }

    def __init__(self, state: TaskState, now: datetime, swept: bool) -> None:
        super().__init__("pk", "status", "active_at")
        self.state, self.now, self.swept = state, now, swept

    def as_sql(
        self, compiler: Any, connection: Any, *_: Any, **__: Any
    ) -> tuple[str, tuple[Any, ...]]:
        """The condition and its parameters."""
        columns = [compiler.compile(column)[0] for column in self.get_source_expressions()]
        names = dict(zip(("id", "status", "active_at"), columns, strict=True))
        hour, time = int(self.now.timestamp() // 3600), connection.ops.adapt_datetimefield_value
        expired = hour, hour, time(self.now)
        if self.state is TaskState.NONE:
            return f"({{status}} = '' OR {self._expired})".format(**names), expired
        said = self._said[self.state]
        since = (time(silent_since(self.now)),) * said.count("%s")
        if self.swept:
            return f"({said})".format(**names), since
        return f"({said} AND NOT {self._expired})".format(**names), (*since, *expired)


def silent_since(now: datetime) -> datetime:
    """Over the coarse `active_at`, which lags the last write: nobody is called silent too early."""
    return now - timedelta(seconds=settings.STATESTORE_STALLED_SECONDS) - ACTIVE_AT_LAG


def in_tab(state: TaskState, now: datetime, *, swept: bool = False) -> Q:
    """The condition of a state on Live: tasks that have ended count for 24 hours after their last write.
    `swept`: what `is_swept` says.

    When they reported the end is in another table: to ask for that made the counts take four times as long.
    """
    ended = state in {TaskState.DONE, TaskState.FAILED}
    recent = Q(active_at__gte=now - RECENT) if ended else Q()
    return in_state(state, now, swept=swept) & recent


def state_of(row: TaskInstance, progress: str | None, now: datetime) -> TaskState:
    """The state of one row, with the progress that it reports (None: none, or it has expired)."""
    status = Status.NONE if progress is None else Status(row.status)
    if status is Status.RUNNING:
        return TaskState.STALLED if row.active_at < silent_since(now) else TaskState.RUNNING
    return next(state for state, of in _STATUS_OF.items() if of is status)
