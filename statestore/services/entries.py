"""Writing entries. A write that must not happen raises, and changes nothing.

Who writes is a `Writer`: the principal's name, and the attempt where the caller said which one it is.
A write of an attempt is refused once a newer one has started.
"""

import json
import logging
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from statestore.errors import NotFoundError, PreconditionFailedError
from statestore.models import Entry, TaskInstance
from statestore.protocol import (
    NEVER_EXPIRE,
    PROGRESS_KEY,
    AssetScope,
    NeverExpire,
    Scope,
    Status,
    TaskScope,
    progress_status,
)
from statestore.queries import ACTIVE_AT_LAG
from statestore.services.attempts import hold, refuse_stale, scope_parameters
from statestore.sql import task_instances
from statestore.sql.entries import clear_all_map_indices, entries_of, owner_of
from statestore.sql.statement import first, read_time

logger = logging.getLogger(__name__)

Expiry = datetime | timedelta | NeverExpire | None
"""When an entry ends: at a time, so long after this write, never, or (None) by the default."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and as which attempt (None: it does not say, and is not fenced)."""

    name: str
    attempt: int | None = None
    task: TaskScope | None = None
    """The task instance that a task token speaks for."""
    session: str | None = None
    """The client that numbers its writes, so that none takes effect after a later one."""
    sequence: int | None = None
    """The number of this write."""


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold for a write: the entry is in this version, exists, or does not exist."""

    version: int | None = None
    present: bool = False
    absent: bool = False


ALWAYS = Precondition()


def entry_set(
    *,
    scope: Scope,
    key: str,
    value: str,
    decoded: Any,
    writer: Writer,
    expiry: Expiry = None,
    precondition: Precondition = ALWAYS,
) -> int:
    """Create or overwrite an entry, and its task instance where that is new; the entry's version.

    `value` is JSON text and is stored as it is; `decoded` is what it means.

    Raises:
        StaleAttemptError: a newer attempt has started.
        PreconditionFailedError: the entry is not as the precondition says.
    """
    now = datetime.now(UTC)
    expires_at = _expires_at(expiry, now) if isinstance(scope, TaskScope) else None
    parameters = {
        **_write_parameters(scope, key, writer, now, ordered=precondition == ALWAYS),
        "value": value,
        "expires_at": expires_at,
        "expires_hour": None if expires_at is None else int(expires_at.timestamp() // 3600),
    }
    entries = entries_of(scope)
    if precondition.present or precondition.version is not None:
        row = first(entries.replace.rows(version=precondition.version, **parameters))
    else:
        statement = entries.create if precondition.absent else entries.set
        row = first(statement.rows(**parameters))
        if row is None and isinstance(scope, TaskScope):
            # a new task instance, unless another writer was first, or it is refused
            task_instances.create.count(**scope_parameters(scope), now=now)
            row = first(statement.rows(**parameters))
    if row is None:
        return _version_or_refusal(scope, key, writer, now, ordered=precondition == ALWAYS)
    _touch(row, key, decoded, now)
    return int(row[0])


def entry_patch(
    *,
    scope: Scope,
    key: str,
    value: str,
    decoded: Any,
    writer: Writer,
    precondition: Precondition = ALWAYS,
) -> int:
    """Change the value of an entry that exists, and keep its expiry; its version.

    Raises:
        NotFoundError: there is no such entry.
        StaleAttemptError: a newer attempt has started.
        PreconditionFailedError: the entry is in another version.
    """
    now = datetime.now(UTC)
    parameters = {
        **_write_parameters(scope, key, writer, now, ordered=False),
        "value": value,
    }
    row = None
    if not precondition.absent:  # of an entry that must not exist, nothing can be changed
        statement = entries_of(scope).replace_value
        row = first(statement.rows(version=precondition.version, **parameters))
    if row is None:
        try:
            return _version_or_refusal(scope, key, writer, now, ordered=False)
        except PreconditionFailedError as refusal:
            if refusal.extra["version"] is None:
                raise NotFoundError(
                    f"There is no key {key!r} in {scope}: PUT creates one."
                ) from None
            raise
    _touch(row, key, decoded, now)
    return int(row[0])


def entry_delete(
    *, scope: Scope, key: str, writer: Writer, precondition: Precondition = ALWAYS
) -> bool:
    """Delete an entry; whether there was one.

    Raises:
        StaleAttemptError: a newer attempt has started.
        PreconditionFailedError: a version was asked for, and the entry is not in it.
    """
    now = datetime.now(UTC)
    row = None
    if not precondition.absent:
        row = first(
            entries_of(scope).delete.rows(
                owner=owner_of(scope),
                key=key,
                now=now,
                attempt=writer.attempt,
                version=precondition.version,
                in_order_of=writer.session if precondition == ALWAYS else None,
                sequence=writer.sequence,
            )
        )
    if row is None:
        try:
            _version_or_refusal(scope, key, writer, now, ordered=precondition == ALWAYS)
        except PreconditionFailedError as refusal:
            missing = refusal.extra["version"] is None
            if not (precondition == ALWAYS or (precondition.absent and missing)):
                raise
        return False
    if isinstance(scope, TaskScope):
        forget_progress([(row[0], key)])
    logger.info("%s deleted key %r of %s", writer.name, key, scope)
    return True


@transaction.atomic
def entries_clear(*, scope: Scope, writer: Writer, all_map_indices: bool = False) -> int:
    """Delete every entry of a scope, or of all map indices of a task; how many.

    The task instance itself, and so its attempt number, stays.

    Raises:
        StaleAttemptError: a newer attempt has started.
    """
    if isinstance(scope, TaskScope) and all_map_indices:
        task_instances.hold_all_map_indices.rows(**scope_parameters(scope))
    hold(scope, writer.attempt)
    if isinstance(scope, TaskScope) and all_map_indices:
        rows = clear_all_map_indices.rows(**scope_parameters(scope))
    else:
        rows = entries_of(scope).clear.rows(owner=owner_of(scope))
    if isinstance(scope, TaskScope):
        forget_progress(rows)
    if rows:
        every = " (all map indices)" if all_map_indices else ""
        logger.info("%s cleared %s keys of %s%s", writer.name, len(rows), scope, every)
    return len(rows)


def forget_progress(deleted: list[tuple[int, str]]) -> None:
    """A task instance whose progress is among the deleted entries no longer reports a status."""
    ids = [task_instance_id for task_instance_id, key in deleted if key == PROGRESS_KEY]
    if ids:
        written_again = Entry.objects.filter(task_instance=OuterRef("pk"), key=PROGRESS_KEY)
        silent = TaskInstance.objects.filter(~Exists(written_again), pk__in=ids)
        silent.update(status=Status.NONE.value)


# --- shared by the writes above ---


def _write_parameters(
    scope: Scope, key: str, writer: Writer, now: datetime, *, ordered: bool
) -> dict[str, Any]:
    return {
        "owner": owner_of(scope),
        "key": key,
        "now": now,
        "writer": writer.name[:200],
        "writer_task": writer.task and json.dumps(astuple(writer.task)),
        "attempt": writer.attempt,
        "by_attempt": writer.attempt,
        # A write that depends on what was there is no place to count from.
        "session": writer.session if ordered else None,
        "sequence": writer.sequence if ordered else None,
        "in_order_of": writer.session if ordered else None,
    }


def _expires_at(expiry: Expiry, now: datetime) -> datetime | None:
    if expiry is None:
        days = settings.STATESTORE_DEFAULT_RETENTION_DAYS
        return now + timedelta(days=days) if days else None
    if expiry is NEVER_EXPIRE:
        return None
    if isinstance(expiry, timedelta):
        return now + expiry
    return expiry


def _version_or_refusal(
    scope: Scope, key: str, writer: Writer, now: datetime, *, ordered: bool
) -> int:
    """Why a write changed nothing: the version, where a later write of the same client was first.

    Raises:
        StaleAttemptError: a newer attempt has started.
        PreconditionFailedError: the entry is not as the precondition says.
        NotFoundError: there is no such asset.
    """
    row = first(entries_of(scope).obstacle.rows(owner=owner_of(scope), key=key, now=now))
    if row is None and isinstance(scope, AssetScope):
        raise NotFoundError(f"There is no {scope}.")
    attempt, version = row or (0, None)
    refuse_stale(writer.attempt, newest=attempt)
    if ordered and writer.session is not None:
        return int(version or 1)  # a later write of the same client was first, whatever came since
    raise PreconditionFailedError(
        f"The key {key!r} does not exist."
        if version is None
        else f"The key {key!r} is in version {version}.",
        version=version,
    )


def _touch(row: tuple[Any, ...], key: str, decoded: Any, now: datetime) -> None:
    """Update the task instance's summary where it is too old or wrong: rarely a statement."""
    _, task_instance_id, active_at, status = row
    if active_at is None:
        return  # an asset has no summary
    reported = progress_status(decoded).value if key == PROGRESS_KEY else status
    if reported != status or now - read_time(active_at) >= ACTIVE_AT_LAG:
        task_instances.touch.count(id=task_instance_id, now=now, status=reported)
