"""What a task reads and writes its keys with; each method has a twin with `a` in front for asyncio."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sized
from typing import Any, TypeVar

from statestore.protocol import Scope, TaskScope
from statestore.sdk import answers, requests
from statestore.sdk.checks import Retention
from statestore.sdk.progress import Progress
from statestore.sdk.records import Entry
from statestore.sdk.transport import Transport

T = TypeVar("T")


class Store:
    """The keys of one scope. A write returns once the server has committed it."""

    def __init__(self, transport: Transport, scope: Scope, attempt: int | None = None) -> None:
        self._transport = transport
        self._scope = scope
        self.attempt = attempt

    # --- reading ---

    def get(self, key: str, default: Any = None) -> Any:
        """The value under a key, or the default where there is none; any other failure raises."""
        entry = self.entry(key)
        return default if entry is None else entry.value

    async def aget(self, key: str, default: Any = None) -> Any:
        """As `get`."""
        entry = await self.aentry(key)
        return default if entry is None else entry.value

    def entry(self, key: str) -> Entry | None:
        """The value under a key with its version and times, or None."""
        request = requests.entry_get(self._scope, key)
        return answers.read_entry(self._transport.send(request), key)

    async def aentry(self, key: str) -> Entry | None:
        """As `entry`."""
        request = requests.entry_get(self._scope, key)
        return answers.read_entry(await self._transport.asend(request), key)

    def wait(self, key: str, *, newer_than: int = 0, seconds: int = 30) -> Entry | None:
        """The entry once it is in a version newer than that, or as it is after so many seconds (30 at most).

        The server lets few requests wait at once (STATESTORE_WAITERS).
        """
        request = requests.entry_wait(self._scope, key, newer_than=newer_than, seconds=seconds)
        return answers.read_entry(self._transport.send(request), key)

    async def await_(self, key: str, *, newer_than: int = 0, seconds: int = 30) -> Entry | None:
        """As `wait`."""
        request = requests.entry_wait(self._scope, key, newer_than=newer_than, seconds=seconds)
        return answers.read_entry(await self._transport.asend(request), key)

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values under at most 1,000 keys, as they stood at one moment; without the missing ones."""
        keys = list(keys)
        return _found(keys, self._transport.send(requests.entries_get(self._scope, keys)))

    async def aget_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """As `get_many`."""
        keys = list(keys)
        return _found(keys, await self._transport.asend(requests.entries_get(self._scope, keys)))

    def items(self) -> Iterator[Entry]:
        """Every entry, by key; read page by page. Those that stay are all there, whatever is deleted."""
        after, more = "", True
        while more:
            page = requests.entry_page(self._scope, after)
            entries = answers.read_page(self._transport.send(page), after)
            yield from entries
            more = len(entries) == requests.PAGE
            after = entries[-1].key if entries else after

    async def aitems(self) -> AsyncIterator[Entry]:
        """As `items`."""
        after, more = "", True
        while more:
            page = requests.entry_page(self._scope, after)
            entries = answers.read_page(await self._transport.asend(page), after)
            for entry in entries:
                yield entry
            more = len(entries) == requests.PAGE
            after = entries[-1].key if entries else after

    # --- writing ---

    def compare_and_set(
        self, key: str, value: Any, *, version: int | None, retention: Retention = None
    ) -> int | None:
        """Write a key only if it is in a version (None: only if it does not exist); its new version.

        Raises:
            PreconditionFailedError: it is in another version. After a lost connection that version
                may be this very write, sent twice: compare the value.
        """
        answer = self._transport.send(self._conditional(key, value, version, retention))
        answers.read_done(answer)
        return answers.read_version(answer)

    async def acompare_and_set(
        self, key: str, value: Any, *, version: int | None, retention: Retention = None
    ) -> int | None:
        """As `compare_and_set`."""
        answer = await self._transport.asend(self._conditional(key, value, version, retention))
        answers.read_done(answer)
        return answers.read_version(answer)

    def _conditional(
        self, key: str, value: Any, version: int | None, retention: Retention
    ) -> requests.Request:
        return requests.entry_set(
            self._scope,
            key,
            value,
            retention=retention,
            attempt=self.attempt,
            precondition=requests.version_is(version),
        )

    def increment(self, key: str, by: float = 1, *, retention: Retention = None) -> Any:
        """Add to a number, atomically; a key that is not there counts as 0. The new value.

        Raises:
            UnreachableError: the connection was lost, and it is not known whether it was added.
        """
        request = requests.entry_increment(
            self._scope, key, by, retention=retention, attempt=self.attempt
        )
        return answers.read_changed(self._transport.send(request))

    async def aincrement(self, key: str, by: float = 1, *, retention: Retention = None) -> Any:
        """As `increment`."""
        request = requests.entry_increment(
            self._scope, key, by, retention=retention, attempt=self.attempt
        )
        return answers.read_changed(await self._transport.asend(request))

    def delete(self, key: str) -> None:
        """Delete a key, if it is there."""
        request = requests.entry_delete(self._scope, key, attempt=self.attempt)
        answers.read_done(self._transport.send(request))

    async def adelete(self, key: str) -> None:
        """As `delete`."""
        request = requests.entry_delete(self._scope, key, attempt=self.attempt)
        answers.read_done(await self._transport.asend(request))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._scope}, attempt={self.attempt})"


class TaskStore(Store):
    """The keys of one task instance, as one of its attempts sees them.

    A write of an attempt that is not the newest raises `StaleAttemptError`.
    """

    scope: TaskScope

    def __init__(self, transport: Transport, scope: TaskScope, attempt: int | None = None) -> None:
        super().__init__(transport, scope, attempt)
        self.scope = scope

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
        request = requests.entry_set(
            self.scope, key, value, retention=retention, attempt=self.attempt
        )
        answers.read_done(self._transport.send(request))

    async def aset(self, key: str, value: Any, *, retention: Retention = None) -> None:
        """As `set`."""
        request = requests.entry_set(
            self.scope, key, value, retention=retention, attempt=self.attempt
        )
        answers.read_done(await self._transport.asend(request))

    def set_many(self, values: Mapping[str, Any], *, retention: Retention = None) -> None:
        """Create or overwrite at most 1,000 keys: all of them, or none."""
        request = requests.entries_set(
            self.scope, values, retention=retention, attempt=self.attempt
        )
        answers.read_batch(self._transport.send(request))

    async def aset_many(self, values: Mapping[str, Any], *, retention: Retention = None) -> None:
        """As `set_many`."""
        request = requests.entries_set(
            self.scope, values, retention=retention, attempt=self.attempt
        )
        answers.read_batch(await self._transport.asend(request))

    def update(self, key: str, fields: Mapping[str, Any]) -> Any:
        """Change some fields of an object, atomically; a field with None is removed. The new value.

        Raises:
            NotFoundError: there is no such key.
        """
        request = requests.entry_update(self.scope, key, fields, attempt=self.attempt)
        return answers.read_changed(self._transport.send(request))

    async def aupdate(self, key: str, fields: Mapping[str, Any]) -> Any:
        """As `update`."""
        request = requests.entry_update(self.scope, key, fields, attempt=self.attempt)
        return answers.read_changed(await self._transport.asend(request))

    def clear(self, all_map_indices: bool = False) -> None:
        """Delete every key of this map index, or of all map indices of the task."""
        request = requests.entries_clear(
            self.scope, all_map_indices=all_map_indices, attempt=self.attempt
        )
        answers.read_done(self._transport.send(request))

    async def aclear(self, all_map_indices: bool = False) -> None:
        """As `clear`."""
        request = requests.entries_clear(
            self.scope, all_map_indices=all_map_indices, attempt=self.attempt
        )
        answers.read_done(await self._transport.asend(request))

    def progress(
        self, total: float | None = None, unit: str | None = None, *, message: str | None = None
    ) -> Progress:
        """Report how far the task is, at most once a second; see `Progress`.

        For `with`, and in a coroutine for `async with`.

        Raises:
            InvalidValueError: the total is no finite number.
        """
        return Progress(self._transport, self.scope, self.attempt, total, unit, message)

    def track(
        self, iterable: Iterable[T], total: float | None = None, unit: str | None = "items"
    ) -> Iterator[T]:
        """The same elements, with the progress reported as they are taken.

        A loop that is left early counts as failed: nothing tells `break` from an exception here.
        Where that is no failure, use `progress`.
        """
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        with self.progress(total, unit) as progress:
            for element in iterable:
                yield element
                progress.update()

    async def atrack(
        self,
        iterable: Iterable[T] | AsyncIterable[T],
        total: float | None = None,
        unit: str | None = "items",
    ) -> AsyncIterator[T]:
        """As `track`, for `async for`: over what is iterable in either way."""
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        async with self.progress(total, unit) as progress:
            if isinstance(iterable, AsyncIterable):
                async for element in iterable:
                    yield element
                    progress.update()
            else:
                for element in iterable:
                    yield element
                    progress.update()


class AssetStore(Store):
    """The keys of one asset. They never expire."""

    def set(self, key: str, value: Any) -> None:
        """Create or overwrite a key.

        Raises:
            InvalidValueError: the key or the value cannot be stored; nothing was sent.
        """
        answers.read_done(self._transport.send(requests.entry_set(self._scope, key, value)))

    async def aset(self, key: str, value: Any) -> None:
        """As `set`."""
        answers.read_done(await self._transport.asend(requests.entry_set(self._scope, key, value)))

    def clear(self) -> None:
        """Delete every key."""
        request = requests.entries_clear(self._scope, all_map_indices=False)
        answers.read_done(self._transport.send(request))

    async def aclear(self) -> None:
        """As `clear`."""
        request = requests.entries_clear(self._scope, all_map_indices=False)
        answers.read_done(await self._transport.asend(request))


def _found(keys: list[str], answer: answers.Answer) -> dict[str, Any]:
    results = answers.read_batch(answer)
    entries = ((key, result["entry"]) for key, result in zip(keys, results, strict=True))
    return {key: entry["value"] for key, entry in entries if entry is not None}
