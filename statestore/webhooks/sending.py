"""Sending over HTTP: many requests at once, each within its time, whatever a receiver does."""

import asyncio
import logging
import ssl
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import Final, Self

import httpcore
import httpx

from statestore import __version__
from statestore.webhooks.addresses import Allowed, GuardedNetwork, RefusedAddressError, check_url

logger = logging.getLogger(__name__)

TIMEOUT: Final = 10.0  # seconds, from the look-up of the name to the status of the answer
_NAMES_AT_ONCE: Final = 64  # look-ups of names; one that hangs keeps a thread
_PHRASES: Final = {code.value: f" {code.phrase}" for code in HTTPStatus}
_HEADERS: Final = {
    "Content-Type": "application/json",
    "User-Agent": f"Statestore/{__version__}",
    "Connection": "close",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try. The answer's body is never read."""

    delivered: bool
    said: str
    """What the receiver answered, or why there is no answer."""
    gone: bool = False
    """The receiver wants nothing any more."""
    wait: float = 0.0
    """Seconds that the receiver asks to be left alone."""


class Sender:
    """An event loop in a thread of its own; leaving the context ends it."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(_NAMES_AT_ONCE, "names"))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Future[Outcome]:
        """POST it now; what comes of it, within TIMEOUT. Never an exception."""
        return asyncio.run_coroutine_threadsafe(self._send(url, headers, body), self._loop)

    async def _send(self, text: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        try:
            url = check_url(text, self._allowed)
            async with asyncio.timeout(TIMEOUT):
                return await self._post(url, headers, body)
        except RefusedAddressError as refusal:
            return Outcome(False, str(refusal))
        except (TimeoutError, httpcore.TimeoutException):
            return Outcome(False, f"no answer within {TIMEOUT:.0f} s")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            return Outcome(False, f"no answer: {str(error) or type(error).__name__}")
        except Exception:
            # Whatever one receiver provokes, the others get what is theirs.
            logger.exception("a webhook could not be sent")
            return Outcome(False, "it could not be sent: the worker's log says why")

    async def _post(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> Outcome:
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        sent = [(name.encode(), value.encode()) for name, value in {**_HEADERS, **headers}.items()]
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=_ssl_context(), network_backend=GuardedNetwork(self._allowed)
            ) as pool,
            pool.stream("POST", target, headers=sent, content=body) as answer,
        ):
            return _outcome(answer.status, dict(answer.headers))


@cache
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _outcome(status: int, headers: dict[bytes, bytes]) -> Outcome:
    said = f"answered {status}{_PHRASES.get(status, '')}"
    if 300 <= status < 400:
        said += " (redirects are not followed)"
    wait = next((value for name, value in headers.items() if name.lower() == b"retry-after"), b"")
    return Outcome(
        200 <= status < 300, said, status == HTTPStatus.GONE, _seconds(wait.decode("latin-1"))
    )


def _seconds(retry_after: str) -> float:
    """What a Retry-After asks for: seconds, or a date."""
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # none, or one that means nothing
        return 0.0
