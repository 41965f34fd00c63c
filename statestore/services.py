"""Writes: one function, one transaction. A write that must not happen raises, and changes nothing.

Who writes is a `Writer`: the principal's name, and the attempt where the caller said which.
A write of an attempt is refused once a newer one has started.
"""

import logging
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from statestore import sql
from statestore.access import Right
from statestore.errors import NotFoundError, PreconditionFailedError, StaleAttemptError
from statestore.models import ApiToken, SweepRun
from statestore.protocol import (
    NEVER_EXPIRE,
    PROGRESS_KEY,
    NeverExpire,
    Status,
    TaskScope,
    progress_status,
)
from statestore.queries import ACTIVE_AT_LAG, forget_principals, token_digest

logger = logging.getLogger(__name__)

Expiry = datetime | timedelta | NeverExpire | None
"""When an entry ends: at a time, so long after this write, never, or (None) by the default."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and as which attempt (None: it does not say, and is not fenced)."""

    name: str
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold for a write: the entry is in this version, exists, or does not exist."""

    version: int | None = None
    present: bool = False
    absent: bool = False


ALWAYS = Precondition()


def entry_set(
    *,
    scope: TaskScope,
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
    expires_at = _expires_at(expiry, now)
    parameters = {
        **_write_parameters(scope, key, writer, now),
        "value": value,
        "expires_at": expires_at,
        "expires_hour": None if expires_at is None else int(expires_at.timestamp() // 3600),
    }
    if precondition.present or precondition.version is not None:
        row = sql.first(sql.entry_replace.rows(version=precondition.version, **parameters))
    else:
        statement = sql.entry_create if precondition.absent else sql.entry_set
        row = sql.first(statement.rows(**parameters))
        if row is None and _create_task_instance(scope, now):
            row = sql.first(statement.rows(**parameters))
    if row is None:
        raise _refusal(scope, key, writer, now)
    _touch(row, key, decoded, now)
    return int(row[0])


def entry_patch(
    *,
    scope: TaskScope,
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
    parameters = {**_write_parameters(scope, key, writer, now), "value": value}
    row = sql.first(sql.entry_replace_value.rows(version=precondition.version, **parameters))
    if row is None:
        refusal = _refusal(scope, key, writer, now)
        if isinstance(refusal, PreconditionFailedError) and refusal.extra["version"] is None:
            raise NotFoundError(
                f"There is no key {key!r} in task instance {scope}: PUT creates one."
            )
        raise refusal
    _touch(row, key, decoded, now)
    return int(row[0])


def entry_delete(
    *, scope: TaskScope, key: str, writer: Writer, precondition: Precondition = ALWAYS
) -> bool:
    """Delete an entry; whether there was one.

    Raises:
        StaleAttemptError: a newer attempt has started.
        PreconditionFailedError: a version was asked for, and the entry is not in it.
    """
    now = datetime.now(UTC)
    row = sql.first(
        sql.entry_delete.rows(
            digest=scope.digest,
            key=key,
            now=now,
            attempt=writer.attempt,
            version=precondition.version,
        )
    )
    if row is None:
        refusal = _refusal(scope, key, writer, now)
        if isinstance(refusal, StaleAttemptError) or precondition.version is not None:
            raise refusal
        return False
    if key == PROGRESS_KEY:
        sql.task_instance_touch.count(id=row[0], now=now, status=Status.NONE.value)
    logger.info("%s deleted key %r of %s", writer.name, key, scope)
    return True


def entries_clear(*, scope: TaskScope, writer: Writer, all_map_indices: bool = False) -> int:
    """Delete every entry of a task instance, or of all map indices of its task; how many.

    The task instance itself, and so its attempt number, stays.

    Raises:
        StaleAttemptError: a newer attempt has started.
    """
    now = datetime.now(UTC)
    _refuse_stale(scope, writer, now)
    if all_map_indices:
        rows = sql.entry_clear_all_map_indices.rows(
            dag_id=scope.dag_id, run_id=scope.run_id, task_id=scope.task_id
        )
        ids = {row[0] for row in rows if row[1] == PROGRESS_KEY}
    else:
        rows = sql.entry_clear.rows(digest=scope.digest, attempt=writer.attempt)
        if not rows:
            _refuse_stale(scope, writer, now)
        ids = {row[0] for row in rows if row[1] == PROGRESS_KEY}
    for task_instance_id in ids:
        sql.task_instance_touch.count(id=task_instance_id, now=now, status=Status.NONE.value)
    if rows:
        every = " (all map indices)" if all_map_indices else ""
        logger.info("%s cleared %s keys of %s%s", writer.name, len(rows), scope, every)
    return len(rows)


def attempt_start(*, scope: TaskScope) -> int:
    """Start the next attempt of a task instance; its number. Older attempts can write no more."""
    ((attempt,),) = sql.attempt_start.rows(**_scope_parameters(scope), now=datetime.now(UTC))
    return int(attempt)


SWEEP_BATCH = 1000


def sweep_expired(*, seconds: float = 50.0, batch: int = SWEEP_BATCH) -> SweepRun:
    """Delete expired entries in small transactions, until none is left or the time is up.

    An entry that is renewed meanwhile is not deleted: every delete checks the expiry again.
    """
    started_at, clock = datetime.now(UTC), time.monotonic()
    deleted, full = 0, True
    while full and time.monotonic() - clock < seconds:
        now = datetime.now(UTC)
        count = sql.sweep_batch.count(now=now, hour=int(now.timestamp() // 3600), limit=batch)
        deleted, full = deleted + count, count == batch
    run = SweepRun.objects.create(
        started_at=started_at,
        seconds=time.monotonic() - clock,
        deleted=deleted,
        overdue=0,
    )
    SweepRun.objects.filter(started_at__lt=started_at - timedelta(days=7)).delete()
    if deleted:
        logger.info("the sweep deleted %s expired entries in %.2f s", deleted, run.seconds)
    return run


# Secret scanners recognise a token by its first characters; what follows are 256 random bits.
TOKEN_PREFIX = "sst_"  # noqa: S105 - the public part


def api_token_create(
    *,
    name: str,
    rights: Iterable[Right],
    dag_patterns: str = "*",
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Create an API token; its row, and the secret that is shown this once and kept nowhere."""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        name=name,
        digest=token_digest(secret),
        prefix=secret[:8],
        rights=",".join(sorted(rights)),
        dag_patterns=dag_patterns,
        expires_at=expires_at,
    )
    logger.info("API token %r was created", name)
    return token, secret


def api_token_revoke(*, token_id: int) -> bool:
    """Revoke an API token; whether it was valid until now."""
    revoked = ApiToken.objects.filter(pk=token_id, revoked_at=None).update(
        revoked_at=datetime.now(UTC)
    )
    forget_principals()
    return revoked > 0


# --- shared by the writes above ---


def _scope_parameters(scope: TaskScope) -> dict[str, Any]:
    return {
        "digest": scope.digest,
        "dag_id": scope.dag_id,
        "run_id": scope.run_id,
        "task_id": scope.task_id,
        "map_index": scope.map_index,
    }


def _write_parameters(scope: TaskScope, key: str, writer: Writer, now: datetime) -> dict[str, Any]:
    return {
        "digest": scope.digest,
        "key": key,
        "now": now,
        "writer": writer.name[:200],
        "attempt": writer.attempt,
        "by_attempt": writer.attempt,
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


def _create_task_instance(scope: TaskScope, now: datetime) -> bool:
    return sql.task_instance_create.count(**_scope_parameters(scope), now=now) > 0


def _obstacle(scope: TaskScope, key: str, now: datetime) -> tuple[int, int | None]:
    row = sql.first(sql.write_obstacle.rows(digest=scope.digest, key=key, now=now))
    return (row[0], row[1]) if row else (0, None)


def _refusal(
    scope: TaskScope, key: str, writer: Writer, now: datetime
) -> StaleAttemptError | PreconditionFailedError:
    """Why a write changed nothing."""
    attempt, version = _obstacle(scope, key, now)
    if writer.attempt is not None and writer.attempt < attempt:
        return _stale(writer.attempt, attempt)
    return PreconditionFailedError(
        f"The key {key!r} does not exist."
        if version is None
        else f"The key {key!r} is in version {version}.",
        version=version,
    )


def _refuse_stale(scope: TaskScope, writer: Writer, now: datetime) -> None:
    if writer.attempt is not None:
        attempt, _ = _obstacle(scope, "", now)
        if writer.attempt < attempt:
            raise _stale(writer.attempt, attempt)


def _stale(mine: int, newest: int) -> StaleAttemptError:
    return StaleAttemptError(
        f"Attempt {mine} may write no more: attempt {newest} of this task instance has started.",
        attempt=mine,
        newest_attempt=newest,
    )


def _touch(row: tuple[Any, ...], key: str, decoded: Any, now: datetime) -> None:
    """Update the task instance's summary where it is too old or wrong: rarely a statement."""
    _, task_instance_id, active_at, status = row
    reported = progress_status(decoded).value if key == PROGRESS_KEY else status
    if reported != status or now - sql.read_time(active_at) >= ACTIVE_AT_LAG:
        sql.task_instance_touch.count(id=task_instance_id, now=now, status=reported)
