"""Progress of a task: cheap to call, written at most once a second, the last state always."""

import contextlib
import logging
import os
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

from statestore.protocol import PROGRESS_KEY, TaskScope
from statestore.sdk import answers, requests
from statestore.sdk.errors import StaleAttemptError, StatestoreError
from statestore.sdk.transport import Transport

logger = logging.getLogger(__name__)

INTERVAL: Final = 1.0  # seconds between two writes
LAST_RETRY_SECONDS: Final = 10.0  # for the last state; a checkpoint is tried for longer


class Progress:
    """Counts what is done, and reports it under the key `progress`.

    A background thread sends; while it waits for the server, newer states replace the one that waits,
    so the task is never held up. What a stale attempt reports is refused: its next call raises
    `StaleAttemptError`. Leaving the `with` block writes the last state: `done`, or `failed` on an
    exception.
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
        self.total = total
        self.unit = unit
        self.message = message
        self.status = "running"
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
        """So much more is done."""
        self.current += by
        if time.monotonic() >= self._due:
            self._report()

    def set(
        self, current: float, *, total: float | None = None, message: str | None = None
    ) -> None:
        """So much is done."""
        self.current = current
        if total is not None:
            self.total = total
        if message is not None:
            self.message = message
        if time.monotonic() >= self._due:
            self._report()

    def close(self, status: str = "done") -> None:
        """Write the last state. Later calls change nothing."""
        if self._closed:
            return
        self._closed = True
        self.status = status
        self._after_fork()
        self._wanted.set()
        if self._sender is not None:
            self._sender.join()  # else what it sends might come after the last state
        if self._stale is not None:
            raise self._stale
        try:
            self._send(LAST_RETRY_SECONDS)
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
            "status": self.status,
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
                self._send(0.0)
            except StaleAttemptError as error:
                self._stale, self._due = error, 0.0  # so that the very next call raises it
                return
            except StatestoreError as error:
                logger.info("a progress of %s was dropped: %s", self._scope, error)

    def _send(self, retry_seconds: float) -> None:
        request = requests.entry_set(self._scope, PROGRESS_KEY, self.value(), attempt=self._attempt)
        answers.read_done(self._transport.send(request, retry_seconds=retry_seconds))

    def __enter__(self) -> Self:
        self._report()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, StaleAttemptError):
            self._closed = True  # a newer attempt reports now
            return
        if error is None:
            self.close()
            return
        with contextlib.suppress(StaleAttemptError):  # it must not hide what ended the block
            self.close("failed")
