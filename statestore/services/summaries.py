"""What is kept of a task instance beside its entries: its status, its last write, samples of its progress.

They follow the writes of its entries, so rarely that most writes need no statement of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from statestore.jsontext import decode
from statestore.models import Entry, TaskInstance
from statestore.progress import sample_of
from statestore.protocol import PROGRESS_KEY, Status, progress_status
from statestore.queries import ACTIVE_AT_LAG
from statestore.sql import samples, task_instances
from statestore.sql.statement import first, read_time


@dataclass(frozen=True, slots=True)
class Written:
    """An entry that was written."""

    row: tuple[Any, ...]
    """What the statement returned: version, task instance, its last write and status, sample due."""
    key: str
    decoded: Any
    attempt: int | None


def update(written: Sequence[Written], now: datetime) -> None:
    """Bring the summaries of the task instances up to date, and take the samples that are due."""
    _take_samples(written, now)
    seen = set[int]()
    for one in written:
        if one.row[1] not in seen or one.key == PROGRESS_KEY:
            _summarize(one, now)
            seen.add(one.row[1])


def forget_progress(deleted: list[tuple[Any, ...]]) -> None:
    """A task instance whose progress is among the deleted entries no longer reports a status."""
    ids = [task_instance_id for task_instance_id, key, *_ in deleted if key == PROGRESS_KEY]
    if ids:
        written_again = Entry.objects.filter(task_instance=OuterRef("pk"), key=PROGRESS_KEY)
        silent = TaskInstance.objects.filter(~Exists(written_again), pk__in=ids)
        silent.update(status=Status.NONE.value)
        samples.forget.count(rows=[{"id": one} for one in ids])


def _take_samples(written: Sequence[Written], now: datetime) -> None:
    """Keep what was reported, of those of the written rows where a sample is due."""
    rows = [
        {"id": one.row[1], "attempt": one.attempt, "done": sample[0], "total": sample[1]}
        for one in written
        if one.row[4] and (sample := sample_of(one.decoded))
    ]
    if rows:
        samples.take.count(rows=rows, now=now)


def _summarize(written: Written, now: datetime) -> None:
    version, task_instance_id, active_at, status = written.row[:4]
    if active_at is None:
        return  # an asset has no summary
    # The status was read before the write took effect: where the entry is new, it may have been
    # deleted meanwhile, and the status with it.
    if written.key == PROGRESS_KEY and (
        version == 1 or progress_status(written.decoded).value != status
    ):
        _settle_status(task_instance_id, now)
    elif now - read_time(active_at) >= ACTIVE_AT_LAG:
        task_instances.touch.count(id=task_instance_id, now=now)


def _settle_status(task_instance_id: int, now: datetime) -> None:
    """Take over the status that the progress reports which is there now.

    Whoever deletes progress holds the task instance. Whoever overwrites it does not: so look again.
    """
    progress = {"id": task_instance_id, "key": PROGRESS_KEY, "now": now}
    while True:
        with transaction.atomic():
            task_instances.hold_by_id.rows(id=task_instance_id)
            found = first(task_instances.progress_now.rows(**progress))
            status = progress_status(decode(found[0])) if found else Status.NONE
            task_instances.report.count(id=task_instance_id, now=now, status=status.value)
        if first(task_instances.progress_now.rows(**progress)) == found:
            return
