"""Sends requests over HTTP, through restarts of the server: one thin sender for threads, one for asyncio."""

import asyncio
import logging
import os
import random
import time
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakKeyDictionary

from statestore import __version__
from statestore.sdk.answers import Answer
from statestore.sdk.errors import ConfigurationError, UnreachableError
from statestore.sdk.requests import Request

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

_RETRIED: Final = frozenset({429, 502, 503, 504})
# Of these it is known that the request was not carried out, so that any may be sent again.
_NOT_CARRIED_OUT: Final = frozenset({429, 503})
_FIRST_PAUSE: Final = 0.1  # seconds
_LONGEST_PAUSE: Final = 5.0


class Transport(Protocol):
    """The one seam: whatever sends a request and brings its answer."""

    def send(self, request: Request, *, retry_seconds: float | None = None) -> Answer:
        """Send it.

        Args:
            request: what to send.
            retry_seconds: for how long, instead of the transport's own time.

        Raises:
            UnreachableError: there was no answer, for as long as the transport tries.
        """
        ...

    async def asend(self, request: Request, *, retry_seconds: float | None = None) -> Answer:
        """The same for asyncio."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class HttpTransport:
    """One pool of connections for a process, or for an event loop; safe with threads and forks.

    A request is sent again while the server cannot be reached or says that it is busy, for
    `retry_seconds`. A request that must not be carried out twice is sent again only where it is
    known that it was not carried out at all.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = 10.0,
        retry_seconds: float = 300.0,
        http: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._base = f"{url.rstrip('/')}/api/v2"
        self._url = url
        self._headers = {
            "authorization": f"Bearer {token}",
            "user-agent": f"statestore/{__version__}",
        }
        self._timeout = timeout
        self._retry_seconds = retry_seconds
        self._http = http
        self._clients: dict[int, httpx.Client] = {}  # by process: a fork must not share sockets
        self._async_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = (
            WeakKeyDictionary()
        )

    def send(self, request: Request, *, retry_seconds: float | None = None) -> Answer:
        """Send it, again and again where that helps."""
        tries = self._tries(request, retry_seconds)
        while True:
            outcome = self._try(request)
            if isinstance(outcome, Answer) and outcome.status not in _RETRIED:
                return outcome
            time.sleep(tries.pause_after(outcome))

    async def asend(self, request: Request, *, retry_seconds: float | None = None) -> Answer:
        """Send it, again and again where that helps."""
        tries = self._tries(request, retry_seconds)
        while True:
            outcome = await self._atry(request)
            if isinstance(outcome, Answer) and outcome.status not in _RETRIED:
                return outcome
            await asyncio.sleep(tries.pause_after(outcome))

    def _tries(self, request: Request, retry_seconds: float | None) -> "_Tries":
        seconds = self._retry_seconds if retry_seconds is None else retry_seconds
        return _Tries(self._url, seconds, repeatable=request.repeatable)

    def _try(self, request: Request) -> "Answer | _Failure":
        """One try: the answer, or what went wrong."""
        import httpx  # noqa: PLC0415 - an import of the SDK should not cost what only its use needs

        try:
            response = self._client().request(
                request.method,
                self._base + request.path,
                params=request.params,
                headers=request.headers,
                content=request.content,
                timeout=self._timeout + request.waits,
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return self._failure(error)
        return Answer(response.status_code, dict(response.headers), response.content)

    async def _atry(self, request: Request) -> "Answer | _Failure":
        """The same for asyncio."""
        import httpx  # noqa: PLC0415 - see above

        try:
            response = await self._async_client().request(
                request.method,
                self._base + request.path,
                params=request.params,
                headers=request.headers,
                content=request.content,
                timeout=self._timeout + request.waits,
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return self._failure(error)
        return Answer(response.status_code, dict(response.headers), response.content)

    def _failure(self, error: Exception) -> "_Failure":
        import httpx  # noqa: PLC0415 - see above

        if isinstance(
            error, httpx.UnsupportedProtocol | httpx.InvalidURL | httpx.LocalProtocolError
        ):
            raise ConfigurationError(
                f"STATESTORE_URL={self._url!r} is no URL of a server ({error}): set it to http://host:port"
            ) from None
        never_sent = isinstance(
            error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout
        )
        return _Failure(f"{type(error).__name__}: {error}", never_sent)

    def _client(self) -> "httpx.Client":
        client = self._clients.get(os.getpid())
        if client is None:
            import httpx  # noqa: PLC0415 - see above

            limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
            created = httpx.Client(headers=self._headers, transport=self._http, limits=limits)
            client = self._clients.setdefault(os.getpid(), created)
            if client is not created:  # another thread was first
                created.close()
        return client

    def _async_client(self) -> "httpx.AsyncClient":
        loop = asyncio.get_running_loop()
        client = self._async_clients.get(loop)
        if client is None:
            import httpx  # noqa: PLC0415 - see above

            limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
            client = httpx.AsyncClient(headers=self._headers, limits=limits)
            self._async_clients[loop] = client
        return client

    def close(self) -> None:
        """Close the connections of this process."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        client = self._async_clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()


class _Failure:
    """A try that brought no answer."""

    def __init__(self, problem: str, never_sent: bool) -> None:
        self.problem = problem
        self.never_sent = never_sent


class _Tries:
    """When to try again, and when to give up: jittered exponential backoff, Retry-After respected."""

    def __init__(self, url: str, seconds: float, *, repeatable: bool) -> None:
        self._url = url
        self._seconds = seconds
        self._repeatable = repeatable
        self._give_up_at = time.monotonic() + seconds
        self._count = 0

    def pause_after(self, outcome: Answer | _Failure) -> float:
        """Seconds until the next try.

        Raises:
            UnreachableError: there is none.
        """
        if isinstance(outcome, Answer):
            problem = f"it answered {outcome.status}"
            certain, wanted = outcome.status in _NOT_CARRIED_OUT, _retry_after(outcome)
        else:
            problem, certain, wanted = outcome.problem, outcome.never_sent, 0.0
        pause = min(max(wanted, _FIRST_PAUSE * 2.0 ** min(self._count, 10)), _LONGEST_PAUSE)
        pause *= random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._count += 1
        if not (self._repeatable or certain):
            raise UnreachableError(
                f"The state store at {self._url} gave no answer ({problem}), and it is not known whether"
                " this request, which must not be carried out twice, was: read the key."
            )
        if time.monotonic() + pause > self._give_up_at:
            raise UnreachableError(
                f"The state store at {self._url} cannot be reached ({problem}); tried {self._count}"
                f" times in {self._seconds:.0f} s. Is it running, and is STATESTORE_URL right?"
            )
        if self._count == 1:
            logger.warning(
                "the state store at %s cannot be reached (%s): trying for up to %.0f s",
                self._url,
                problem,
                self._seconds,
            )
        return pause


def _retry_after(answer: Answer) -> float:
    seconds = answer.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else 0.0
