"""What a task reads and writes its keys with."""

from collections.abc import Iterator
from typing import Any

from statestore.protocol import TaskScope
from statestore.sdk import wire
from statestore.sdk.records import Entry
from statestore.sdk.transport import Transport
from statestore.sdk.wire import Retention


class TaskStore:
    """The keys of one task instance, as one of its attempts sees them.

    A write returns once the server has committed it. A write of an attempt that is not the newest
    raises `StaleAttemptError`.
    """

    def __init__(self, transport: Transport, scope: TaskScope, attempt: int | None = None) -> None:
        self._transport = transport
        self.scope = scope
        self.attempt = attempt

    def get(self, key: str, default: Any = None) -> Any:
        """The value under a key, or the default where there is none; any other failure raises."""
        entry = self.entry(key)
        return default if entry is None else entry.value

    def entry(self, key: str) -> Entry | None:
        """The value under a key with its version and times, or None."""
        return wire.read_entry(self._transport.send(wire.entry_get(self.scope, key)), key)

    def set(self, key: str, value: Any, *, retention: Retention = None) -> None:
        """Create or overwrite a key.

        Args:
            key: 1 to 512 characters.
            value: anything with a JSON form, but None.
            retention: a timedelta from now, NEVER_EXPIRE, or None for the server's default.

        Raises:
            InvalidValueError: the key or the value cannot be stored; nothing was sent.
            TypeError: the retention is neither a timedelta nor NEVER_EXPIRE nor None.
            StaleAttemptError: a newer attempt has started.
        """
        request = wire.entry_set(self.scope, key, value, retention=retention, attempt=self.attempt)
        wire.read_done(self._transport.send(request))

    def compare_and_set(
        self, key: str, value: Any, *, version: int | None, retention: Retention = None
    ) -> int | None:
        """Write a key only if it is in a version (None: only if it does not exist); its new version.

        Raises:
            PreconditionFailedError: it is in another version. After a lost connection that version may be
                this very write, sent twice: compare the value.
        """
        request = wire.entry_set(
            self.scope,
            key,
            value,
            retention=retention,
            attempt=self.attempt,
            precondition=wire.version_is(version),
        )
        answer = self._transport.send(request)
        wire.read_done(answer)
        return wire.read_version(answer)

    def delete(self, key: str) -> None:
        """Delete a key, if it is there."""
        wire.read_done(
            self._transport.send(wire.entry_delete(self.scope, key, attempt=self.attempt))
        )

    def clear(self, all_map_indices: bool = False) -> None:
        """Delete every key of this map index, or of all map indices of the task."""
        request = wire.entries_clear(
            self.scope, all_map_indices=all_map_indices, attempt=self.attempt
        )
        wire.read_done(self._transport.send(request))

    def items(self) -> Iterator[Entry]:
        """Every entry, by key; read page by page."""
        offset, total = 0, 1
        while offset < total:
            entries, total = wire.read_page(
                self._transport.send(wire.entry_page(self.scope, offset))
            )
            if not entries:
                return
            yield from entries
            offset += len(entries)

    def __repr__(self) -> str:
        return f"TaskStore({self.scope}, attempt={self.attempt})"
