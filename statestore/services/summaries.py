"""What is kept of a task instance beside its entries: its status, its last write, samples of its progress;
and of an asset its last write.

They follow the writes of its entries, so rarely that most writes need no statement of their own.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from statestore.jsontext import decode
from statestore.progress import sample_of
from statestore.protocol import PROGRESS_KEY, Status, TaskScope, progress_status
from statestore.queries import ACTIVE_AT_LAG
from statestore.services.holding import hold
from statestore.sql import assets, samples, task_instances
from statestore.sql.statement import columns, first, read_time


class Written(NamedTuple):
    """An entry that was written, and at the end what its statement returned."""

    key: str
    decoded: Any
    attempt: int | None
    version: int
    owner: int
    sample_due: bool
    active_at: Any
    """When the task instance or asset was written to last, before this."""
    status: str | None
    """None: an asset, which has none."""
    waited: bool = False
    """Whether somebody wrote the progress, or took over that status, between the look at it and the write."""


def update(written: Written, now: datetime) -> None:
    """Bring the summary of the task instance or asset up to date, and take the sample that is due."""
    _take_samples([written], now)
    if written.status is None:
        _touch_assets([written], now)
        return
    # The status was read before the write took effect. Where that had to wait, or the entry is new,
    # somebody may have reported another one meanwhile, or deleted it.
    unsure = written.version == 1 or written.waited
    if written.key == PROGRESS_KEY and (unsure or _status_of(written) != written.status):
        _settle_status(written.owner, now)
    elif _is_late(written, now):
        task_instances.touch.count(id=written.owner, now=now, late=now - ACTIVE_AT_LAG)


@transaction.atomic
def catch_up(scope: TaskScope, now: datetime) -> None:
    """Do for a report that is sent again what may have failed the first time: its status."""
    held = hold(scope, None)
    if held is not None:
        _settle_status(held.id, now)


def update_held(written: Sequence[Written], now: datetime) -> None:
    """The same of many keys of what the transaction holds: what it wrote is what stays."""
    _take_samples(written, now)
    of_tasks = [one for one in written if one.status is not None]
    _touch_assets([one for one in written if one.status is None], now)
    reported = {
        one.owner: status
        for one in of_tasks
        if one.key == PROGRESS_KEY and (status := _status_of(one)) != one.status
    }
    if reported:
        rows = columns("id status", list(reported.items()))
        task_instances.report_many.count(rows=rows, now=now)
    late = {one.owner for one in of_tasks if _is_late(one, now)} - reported.keys()
    if late:
        task_instances.touch_many.count(rows={"id": list(late)}, now=now)


def _touch_assets(written: Sequence[Written], now: datetime) -> None:
    late = {one.owner for one in written if _is_late(one, now)}
    if late:
        assets.touch.count(rows={"id": list(late)}, now=now, late=now - ACTIVE_AT_LAG)


def _status_of(written: Written) -> str:
    return progress_status(written.decoded).value


def _is_late(written: Written, now: datetime) -> bool:
    return bool(now - read_time(written.active_at) >= ACTIVE_AT_LAG)


def forget_progress(deleted: list[tuple[Any, ...]]) -> None:
    """A task instance whose progress is among the deleted entries no longer reports a status."""
    ids = [task_instance_id for task_instance_id, key, *_ in deleted if key == PROGRESS_KEY]
    if ids:
        task_instances.silence.count(rows={"id": ids})
        samples.forget.count(rows={"id": ids})


def _take_samples(written: Sequence[Written], now: datetime) -> None:
    """Keep what was reported, of those of the written rows where a sample is due."""
    taken = [
        (one.owner, one.attempt, *sample)
        for one in written
        if one.sample_due and (sample := sample_of(one.decoded))
    ]
    if taken:
        samples.take.count(rows=columns("id attempt done total", taken), now=now)


@transaction.atomic
def _settle_status(task_instance_id: int, now: datetime) -> None:
    """Take over the status that the progress reports which is there now.

    Whoever deletes progress holds the task instance, as this does. Whoever overwrites it does not: this
    waits for those who are at it, and those who come next see that they waited, and settle it again.
    """
    task_instances.hold_by_id.rows(id=task_instance_id)
    found = first(task_instances.take_over.rows(id=task_instance_id, key=PROGRESS_KEY, now=now))
    status = progress_status(decode(found[0])) if found and found[0] else Status.NONE
    task_instances.report.count(id=task_instance_id, now=now, status=status.value)
