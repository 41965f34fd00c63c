"""Waiting for a newer version of an entry."""

import threading
import time
from datetime import UTC, datetime
from functools import cache

from django.conf import settings

from statestore.errors import BusyError
from statestore.protocol import WAIT_MAX, Scope
from statestore.sql.entries import entries_of, owner_of
from statestore.sql.statement import first

_LOOK = 0.2  # seconds between two looks


def entry_wait(*, scope: Scope, key: str, newer_than: int, seconds: float) -> None:
    """Return once the entry is in a version newer than that, or the time is up (at most 30 s).

    Where the entry is seen to be gone, whatever is written next is newer: it counts from 1 again.
    Every waiter holds a thread of the web server, so only STATESTORE_WAITERS of them are let in.

    Raises:
        BusyError: so many wait already.
    """
    if not _slots().acquire(blocking=False):
        raise BusyError("Too many requests wait already: ask again without wait, or later.")
    try:
        until = time.monotonic() + min(seconds, WAIT_MAX)
        version = _version(scope, key)
        while version <= newer_than and time.monotonic() < until:
            time.sleep(_LOOK)
            before, version = version, _version(scope, key)
            if version < before or not before:
                newer_than = 0
    finally:
        _slots().release()


def _version(scope: Scope, key: str) -> int:
    """The version alone: whoever waits looks five times a second, and a value may be long."""
    now = datetime.now(UTC)
    row = first(entries_of(scope).obstacle.rows(owner=owner_of(scope), key=key, now=now))
    return 0 if row is None else int(row[1] or 0)


@cache
def _slots() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(settings.STATESTORE_WAITERS)
