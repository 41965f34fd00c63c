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

from statestore.access import is_person
from statestore.errors import NotFoundError, PreconditionFailedError
from statestore.protocol import (
    NEVER_EXPIRE,
    PROGRESS_KEY,
    AssetScope,
    NeverExpire,
    Scope,
    TaskScope,
)
from statestore.services import summaries
from statestore.services.attempts import refuse_stale, scope_parameters
from statestore.services.audit import Action, audit_record
from statestore.services.holding import hold
from statestore.services.refusal import refuse_secret
from statestore.services.summaries import Written
from statestore.sql import task_instances
from statestore.sql.entries import clear_all_map_indices, entries_of, owner_of, writes_of
from statestore.sql.statement import first

logger = logging.getLogger(__name__)

SAMPLE_EVERY = timedelta(seconds=10)

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
    """The client that numbers its overwrites, so that one that is sent twice is one write."""
    sequence: int | None = None
    """The number of this write."""
    reason: str = ""
    """Why, for the audit."""


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
) -> int | None:
    """Create or overwrite an entry, and its task instance where that is new; the entry's version.

    `value` is JSON text and is stored as it is; `decoded` is what it means. None: nothing was
    written, for this very write, or a later one of the same client, came first.

    Raises:
        StaleAttemptError: a newer attempt has started.
        PreconditionFailedError: the entry is not as the precondition says.
        InvalidInput: the value looks like a secret, and STATESTORE_REFUSE_SECRETS is set.
    """
    refuse_secret(scope, key, value)
    now = datetime.now(UTC)
    parameters = {
        **_write_parameters(scope, key, writer, now),
        "value": value,
        **expiry_columns(scope, expiry, now),
    }
    writes = writes_of(scope, key)
    if precondition.present or precondition.version is not None:
        row = first(writes.replace.rows(version=precondition.version, **parameters))
    else:
        statement = writes.create if precondition.absent else writes.set
        numbered = precondition == ALWAYS
        parameters["session"] = writer.session if numbered else None
        parameters["sequence"] = writer.sequence if numbered else None
        row = first(statement.rows(**parameters))
        if row is None and isinstance(scope, TaskScope):
            # a new task instance, unless another writer was first, or it is refused
            task_instances.create.count(**scope_parameters(scope), now=now)
            row = first(statement.rows(**parameters))
    if row is None:
        version = _version_now(scope, key, writer, now)
        if precondition == ALWAYS and writer.session is not None:
            if key == PROGRESS_KEY and isinstance(scope, TaskScope):
                summaries.catch_up(scope, now)
            return None
        raise not_so(key, version)
    summaries.update(Written(key, decoded, writer.attempt, *row), now)
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
    refuse_secret(scope, key, value)
    now = datetime.now(UTC)
    parameters = {**_write_parameters(scope, key, writer, now), "value": value}
    row = None
    if not precondition.absent:  # of an entry that must not exist, nothing can be changed
        statement = writes_of(scope, key).replace_value
        row = first(statement.rows(version=precondition.version, **parameters))
    if row is None:
        version = _version_now(scope, key, writer, now)
        if version is None:
            raise NotFoundError(f"There is no key {key!r} in {scope}: PUT creates one.")
        if precondition == ALWAYS:  # it was created meanwhile
            return entry_patch(scope=scope, key=key, value=value, decoded=decoded, writer=writer)
        raise not_so(key, version)
    summaries.update(Written(key, decoded, writer.attempt, *row), now)
    return int(row[0])


def entry_delete(
    *, scope: Scope, key: str, writer: Writer, precondition: Precondition = ALWAYS
) -> bool:
    """Delete an entry; whether there was one. What a person deletes is in the audit.

    Raises:
        StaleAttemptError: a newer attempt has started.
        PreconditionFailedError: a version was asked for, and the entry is not in it.
    """
    reports, by_hand = key == PROGRESS_KEY and isinstance(scope, TaskScope), is_person(writer.name)
    if not (reports or by_hand):
        return _delete(scope, key, writer, precondition)
    with transaction.atomic():
        # Its status goes with it. What is not there yet may come while we look: it is nobody's to delete.
        if reports and hold(scope, writer.attempt) is None:
            if precondition.version is not None or precondition.present:
                raise not_so(key, None)
            return False
        deleted = _delete(scope, key, writer, precondition)
        if deleted and by_hand:
            audit_record(
                action=Action.CLEARED_KEY,
                who=writer.name,
                scope=scope,
                key=key,
                reason=writer.reason,
            )
    return deleted


def _delete(scope: Scope, key: str, writer: Writer, precondition: Precondition) -> bool:
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
            )
        )
    if row is None:
        version = _version_now(scope, key, writer, now)
        fits = precondition == ALWAYS or (precondition.absent and version is None)
        if not fits:
            raise not_so(key, version)
        return False
    if isinstance(scope, TaskScope):
        summaries.forget_progress([row])
    logger.info("%s deleted key %r of %s", writer.name, key, scope)
    return True


@transaction.atomic
def entries_clear(
    *, scope: Scope, writer: Writer, all_map_indices: bool = False, of_any: bool = False
) -> int:
    """Delete every entry of a scope, or of all map indices of a task; how many. It is in the audit.

    The task instance itself, and so its attempt number, stays. `of_any` says that it is not known
    which map index the writer's attempt is of: then none of them may have a newer one.

    Raises:
        StaleAttemptError: a newer attempt has started.
    """
    if isinstance(scope, TaskScope) and all_map_indices:
        for (newest,) in task_instances.hold_all_map_indices.rows(**scope_parameters(scope)):
            if of_any:
                refuse_stale(writer.attempt, newest=newest)
    known = hold(scope, writer.attempt) is not None
    if isinstance(scope, TaskScope) and all_map_indices:
        rows = clear_all_map_indices.rows(**scope_parameters(scope))
    elif not known:
        rows = []
    else:
        rows = entries_of(scope).clear.rows(owner=owner_of(scope))
    if isinstance(scope, TaskScope):
        summaries.forget_progress(rows)
    if rows:
        every = " (all map indices)" if all_map_indices else ""
        logger.info("%s cleared %s keys of %s%s", writer.name, len(rows), scope, every)
        audit_record(
            action=Action.CLEARED_ALL_MAP_INDICES if all_map_indices else Action.CLEARED,
            who=writer.name,
            scope=scope.at(-1) if isinstance(scope, TaskScope) and all_map_indices else scope,
            detail=cleared_keys(rows),
            reason=writer.reason,
        )
    return len(rows)


def cleared_keys(deleted: list[tuple[Any, ...]]) -> str:
    """How many entries were deleted, and the keys that they had, for the audit."""
    count, keys = len(deleted), sorted({row[1] for row in deleted})
    return f"{count} key{'' if count == 1 else 's'}: {', '.join(keys)}"


# --- shared by the writes above ---


def _write_parameters(scope: Scope, key: str, writer: Writer, now: datetime) -> dict[str, Any]:
    return {
        "owner": owner_of(scope),
        "key": key,
        "now": now,
        "sampled_before": now - SAMPLE_EVERY,
        "attempt": writer.attempt,
        "by_attempt": writer.attempt,
        **writer_columns(writer),
    }


def writer_columns(writer: Writer) -> dict[str, Any]:
    """Who writes, for SQL."""
    return {
        "writer": writer.name[:200],
        "writer_task": writer.task and json.dumps(astuple(writer.task)),
    }


def expiry_columns(scope: Scope, expiry: Expiry, now: datetime) -> dict[str, Any]:
    """When an entry ends, and in which hour, for SQL; those of assets never do."""
    expires_at = _expires_at(expiry, now) if isinstance(scope, TaskScope) else None
    hour = None if expires_at is None else int(expires_at.timestamp() // 3600)
    return {"expires_at": expires_at, "expires_hour": hour}


def _expires_at(expiry: Expiry, now: datetime) -> datetime | None:
    if expiry is None:
        days = settings.STATESTORE_DEFAULT_RETENTION_DAYS
        return now + timedelta(days=days) if days else None
    if expiry is NEVER_EXPIRE:
        return None
    if isinstance(expiry, timedelta):
        return now + expiry
    return expiry


def _version_now(scope: Scope, key: str, writer: Writer, now: datetime) -> int | None:
    """The version of an entry that a write did not change (None: there is none).

    Raises:
        StaleAttemptError: it did not, because a newer attempt has started.
        NotFoundError: it did not, because there is no such asset.
    """
    row = first(entries_of(scope).obstacle.rows(owner=owner_of(scope), key=key, now=now))
    if row is None and isinstance(scope, AssetScope):
        raise NotFoundError(f"There is no {scope}.")
    attempt, version = row or (0, None)
    refuse_stale(writer.attempt, newest=attempt)
    return None if version is None else int(version)


def not_so(key: str, version: int | None) -> PreconditionFailedError:
    """What a write is told whose precondition does not hold."""
    state = "does not exist" if version is None else f"is in version {version}"
    return PreconditionFailedError(f"The key {key!r} {state}.", version=version)
