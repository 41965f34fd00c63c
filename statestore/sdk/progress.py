"""Progress of a task: cheap to call, written at most once a second, the last state always."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

from statestore.protocol import PROGRESS_KEY, TaskScope
from statestore.sdk import answers, checks, requests
from statestore.sdk.errors import InvalidValueError, StaleAttemptError, StatestoreError
from statestore.sdk.transport import Transport

logger = logging.getLogger(__name__)

INTERVAL: Final = 1.0  # seconds between two writes
RUNNING: Final = "running"
LAST_RETRY_SECONDS: Final = 10.0  # for the last state; a checkpoint is tried for longer


class Progress:
    """Counts what is done, and reports it under the key `progress`.

    A background thread sends; while it waits for the server, newer states replace the one that waits,
    so the task is never held up. What a stale attempt reports is refused: its next call raises
    `StaleAttemptError`. Leaving the `with` block writes the last state: `done`, or `failed` on an
    exception, or the status that `status()` has set. That takes up to 20 s where the server hangs: in a
    coroutine take `async with`, which does not stop the event loop meanwhile.
    """

    def __init__(
        self,
        transport: Transport,
        scope: TaskScope,
        attempt: int | None,
        total: float | None = None,
        unit: str | None = None,
        message: str | None = None,
    ) -> None:
        self.current: float = 0
        self.total = None if total is None else checks.number(total, "total")
        self.unit = unit
        self.message = message
        self._status = RUNNING
        self._transport = transport
        self._scope = scope
        self._attempt = attempt
        self._due = 0.0
        self._process = os.getpid()
        self._wanted = threading.Event()
        self._sender: threading.Thread | None = None
        self._closed = False
        self._stale: StaleAttemptError | None = None

    def update(self, by: float = 1) -> None:
        """So much more is done.

        Raises:
            InvalidValueError: `by` is no finite number.
            StaleAttemptError: a newer attempt has started.
        """
        self.current += checks.number(by, "by")
        if time.monotonic() >= self._due:
            self._report()

    def set(
        self, current: float, *, total: float | None = None, message: str | None = None
    ) -> None:
        """So much is done.

        Raises:
            InvalidValueError: `current` or `total` is no finite number.
            StaleAttemptError: a newer attempt has started.
        """
        self.current = checks.number(current, "current")
        if total is not None:
            self.total = checks.number(total, "total")
        if message is not None:
            self.message = message
        if time.monotonic() >= self._due:
            self._report()

    def status(self, status: str, *, message: str | None = None) -> None:
        """What the task is doing, or how it ended: `running`, `done`, `failed`, or words of your own.

        Leaving the block then writes this one, unless it is `running`; an exception still fails.

        Raises:
            InvalidValueError: it is no text.
            StaleAttemptError: a newer attempt has started.
        """
        self._status = _text(status)
        if message is not None:
            self.message = message
        if time.monotonic() >= self._due:
            self._report()

    def close(self, status: str | None = None) -> None:
        """Write the last state, by default `done`. Later calls change nothing.

        Raises:
            StaleAttemptError: a newer attempt has started.
        """
        if self._end(status):
            if self._sender is not None:
                self._sender.join()  # else what it sends might come after the last state
            with self._last_words():
                request = self._request()
                answers.read_done(self._transport.send(request, retry_seconds=LAST_RETRY_SECONDS))

    async def aclose(self, status: str | None = None) -> None:
        """As `close`."""
        import asyncio  # noqa: PLC0415 - who awaits this has it already, and others need not

        if self._end(status):
            if self._sender is not None and self._sender.is_alive():
                await asyncio.to_thread(self._sender.join)
            with self._last_words():
                request = self._request()
                answer = await self._transport.asend(request, retry_seconds=LAST_RETRY_SECONDS)
                answers.read_done(answer)

    def _end(self, status: str | None) -> bool:
        """Send no more in the background; whether it had not ended yet."""
        if self._closed:
            return False
        ended_as = "done" if self._status == RUNNING else self._status
        self._status = ended_as if status is None else _text(status)
        self._closed = True
        self._after_fork()
        self._wanted.set()
        return True

    @contextlib.contextmanager
    def _last_words(self) -> Iterator[None]:
        """Only a stale attempt is told that the last state was not written; others find a warning."""
        if self._stale is not None:
            raise self._stale
        try:
            yield
        except StaleAttemptError:
            raise
        except StatestoreError as error:
            logger.warning("the last progress of %s was not written: %s", self._scope, error)

    def value(self) -> dict[str, Any]:
        """What is stored."""
        fields = {
            "current": self.current,
            "total": self.total,
            "unit": self.unit,
            "status": self._status,
            "message": self.message,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _report(self) -> None:
        if self._stale is not None:
            raise self._stale
        if self._closed:
            return
        self._after_fork()
        self._due = time.monotonic() + INTERVAL
        self._wanted.set()
        if self._sender is None or not self._sender.is_alive():
            self._sender = threading.Thread(target=self._keep_sending, daemon=True)
            self._sender.start()

    def _after_fork(self) -> None:
        """A fork has no sender, and perhaps a lock that the sender held."""
        if self._process != os.getpid():
            self._process, self._sender, self._wanted = os.getpid(), None, threading.Event()

    def _keep_sending(self) -> None:
        while not self._closed:
            self._wanted.wait(timeout=5 * INTERVAL)
            if self._closed or not self._wanted.is_set():
                return  # the next report starts another thread
            self._wanted.clear()
            try:
                answers.read_done(self._transport.send(self._request(), retry_seconds=0.0))
            except StaleAttemptError as error:
                self._stale, self._due = error, 0.0  # so that the very next call raises it
                return
            except InvalidValueError as error:  # of what was assigned: it will not mend itself
                logger.warning("a progress of %s cannot be stored: %s", self._scope, error)
            except StatestoreError as error:
                logger.info("a progress of %s was dropped: %s", self._scope, error)

    def _request(self) -> requests.Request:
        return requests.entry_set(self._scope, PROGRESS_KEY, self.value(), attempt=self._attempt)

    def __enter__(self) -> Self:
        self._report()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_overtaken(error):
            with _hidden_by(error):
                self.close(None if error is None else "failed")

    async def __aenter__(self) -> Self:
        self._report()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_overtaken(error):
            with _hidden_by(error):
                await self.aclose(None if error is None else "failed")

    def _is_overtaken(self, error: BaseException | None) -> bool:
        """Whether a newer attempt reports now."""
        if isinstance(error, StaleAttemptError):
            self._closed = True
        return self._closed


def _hidden_by(error: BaseException | None) -> contextlib.AbstractContextManager[None]:
    """To be stale must not hide what ended the block."""
    return contextlib.nullcontext() if error is None else contextlib.suppress(StaleAttemptError)


def _text(status: str) -> str:
    if not isinstance(status, str):
        raise InvalidValueError(f"status must be a text, not {status!r}", ("status",))
    return status
