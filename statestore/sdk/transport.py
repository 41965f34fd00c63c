"""Sends requests over HTTP, through restarts of the server."""

import logging
import os
import random
import time
from typing import TYPE_CHECKING, Final, Protocol

from statestore import __version__
from statestore.sdk.errors import ConfigurationError, UnreachableError
from statestore.sdk.wire import Answer, Request

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

_RETRIED: Final = frozenset({429, 502, 503, 504})
_FIRST_PAUSE: Final = 0.1  # seconds
_LONGEST_PAUSE: Final = 5.0


class Transport(Protocol):
    """The one seam: whatever sends a request and brings its answer."""

    def send(self, request: Request) -> Answer:
        """Send it.

        Raises:
            UnreachableError: there was no answer, for as long as the transport tries.
        """
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class HttpTransport:
    """One pool of connections for a process; safe with threads and forks.

    A request is sent again while the server cannot be reached or says that it is busy, for
    `retry_seconds`. Every request may be: each is idempotent, or guarded by a precondition.
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

    def send(self, request: Request) -> Answer:
        """Send it, again and again where that helps."""
        give_up_at = time.monotonic() + self._retry_seconds
        tries = 0
        while True:
            problem, pause = "", _FIRST_PAUSE * 2**tries
            answer = self._try(request)
            if isinstance(answer, Answer):
                if answer.status not in _RETRIED:
                    return answer
                problem = f"it answered {answer.status}"
                pause = max(pause, _retry_after(answer))
            else:
                problem = answer
            pause = min(pause, _LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            if time.monotonic() + pause > give_up_at:
                raise UnreachableError(
                    f"The state store at {self._url} cannot be reached ({problem}); tried {tries + 1}"
                    f" times in {self._retry_seconds:.0f} s. Is it running, and is STATESTORE_URL right?"
                )
            if tries == 0:
                logger.warning(
                    "the state store at %s cannot be reached (%s): trying for up to %.0f s",
                    self._url, problem, self._retry_seconds,
                )  # fmt: skip
            tries += 1
            time.sleep(pause)

    def _try(self, request: Request) -> Answer | str:
        """One try: the answer, or what went wrong."""
        import httpx  # noqa: PLC0415 - an import of the SDK should not cost what only its use needs

        try:
            response = self._connected().request(
                request.method,
                self._base + request.path,
                params=request.params,
                headers=request.headers,
                content=request.content,
            )
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError) as error:
            raise ConfigurationError(
                f"STATESTORE_URL={self._url!r} is no URL of a server ({error}): set it to http://host:port"
            ) from None
        except httpx.TransportError as error:
            return f"{type(error).__name__}: {error}"
        return Answer(response.status_code, dict(response.headers), response.content)

    def _connected(self) -> "httpx.Client":
        client = self._clients.get(os.getpid())
        if client is None:
            created = self._new_client()
            client = self._clients.setdefault(os.getpid(), created)
            if client is not created:  # another thread was first
                created.close()
        return client

    def _new_client(self) -> "httpx.Client":
        import httpx  # noqa: PLC0415 - see above

        return httpx.Client(
            headers=self._headers,
            timeout=self._timeout,
            transport=self._http,
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
        )

    def close(self) -> None:
        """Close the connections of this process."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()


def _retry_after(answer: Answer) -> float:
    seconds = answer.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else 0.0
