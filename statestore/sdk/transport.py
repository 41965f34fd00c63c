"""Sends requests over HTTP, through restarts of the server: one thin sender for threads, one for asyncio."""

import importlib
import itertools
import os
import secrets
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from statestore import __version__
from statestore.protocol import DEADLINE_HEADER, LOCK_SECONDS, TIME_HEADER, WRITE_HEADER
from statestore.sdk.answers import Answer
from statestore.sdk.errors import ConfigurationError
from statestore.sdk.quiet import keep_out_of_logs
from statestore.sdk.requests import Request
from statestore.sdk.tries import RETRIED, Failure, Tries, retry_after

if TYPE_CHECKING:
    import asyncio
    import ssl

    import httpx

_CONNECTIONS: Final = 100  # of a process
_LOOP_CONNECTIONS: Final = 32  # of an event loop


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

    async def aclose(self) -> None:
        """Give back what it holds for the running event loop."""
        ...


class HttpTransport:
    """One pool of connections for a process, or for an event loop; safe with threads and forks.

    A request is sent again while the server cannot be reached or says that it is busy, for
    `retry_seconds`. A request that must not be carried out twice is sent again only where it is
    known that it was not carried out at all.

    A write that got no answer may still be on its way, and must not come after what is written next.
    So each has a deadline, after which the server refuses it, and is not sent again before that.
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
        _import_client()
        self._base = f"{url.rstrip('/')}/api/v2"
        self._url = url
        keep_out_of_logs(_normal(f"{self._base}/"))
        self._headers = {
            "authorization": f"Bearer {token}",
            "user-agent": f"statestore/{__version__}",
        }
        self._timeout = timeout
        self._retry_seconds = retry_seconds
        self._http = http
        self._numbers = _Numbers()
        self._clock = _ServerClock()
        self._tls = _tls(url)
        self._clients: dict[int, httpx.Client] = {}  # by process: a fork must not share sockets
        self._async_clients: dict[
            asyncio.AbstractEventLoop, tuple[httpx.AsyncClient, asyncio.Semaphore]
        ] = {}

    def send(self, request: Request, *, retry_seconds: float | None = None) -> Answer:
        """Send it, again and again where that helps."""
        tries, request = self._tries(request, retry_seconds), self._numbers.on(request)
        while True:
            deadline, outcome = self._try(request)
            if isinstance(outcome, Answer) and outcome.status not in RETRIED:
                return outcome
            pause, error = tries.after(outcome, deadline)
            time.sleep(pause)
            if error is not None:
                raise error

    async def asend(self, request: Request, *, retry_seconds: float | None = None) -> Answer:
        """Send it, again and again where that helps."""
        import asyncio  # noqa: PLC0415 - who awaits this has it already, and others need not

        if self._http is not None:  # one that has no twin for asyncio
            return await asyncio.to_thread(self.send, request, retry_seconds=retry_seconds)
        tries, request = self._tries(request, retry_seconds), self._numbers.on(request)
        while True:
            deadline, outcome = await self._atry(request)
            if isinstance(outcome, Answer) and outcome.status not in RETRIED:
                return outcome
            pause, error = tries.after(outcome, deadline)
            await asyncio.sleep(pause)
            if error is not None:
                raise error

    def _must_learn_the_time(self, request: Request) -> bool:
        return request.method != "GET" and not self._clock.known

    def _deadline(self, request: Request) -> tuple[float, Request]:
        """Until when (monotonic; 0: at any time) a try may begin, and the try that says so."""
        if request.method == "GET" or not self._clock.known:
            return 0.0, request
        # What has begun by then and had to wait has ended when this side stops waiting.
        deadline = time.monotonic() + min(self._timeout / 2, LOCK_SECONDS)
        says = {DEADLINE_HEADER.lower(): f"{self._clock.server_time(deadline):.6f}"}
        return deadline, replace(request, headers={**request.headers, **says})

    def _tries(self, request: Request, retry_seconds: float | None) -> Tries:
        seconds = self._retry_seconds if retry_seconds is None else retry_seconds
        return Tries(self._url, seconds, repeatable=request.repeatable)

    def _try(self, request: Request) -> tuple[float, Answer | Failure]:
        """One try: its deadline, and the answer or what went wrong."""
        if self._must_learn_the_time(request):
            failure = _no_time(self._send(_LOOK_AT_THE_CLOCK))
            if failure is not None:
                return 0.0, failure
        deadline, stamped = self._deadline(request)
        return deadline, self._send(stamped)

    async def _atry(self, request: Request) -> tuple[float, Answer | Failure]:
        """The same for asyncio."""
        client, turn = self._async_client()
        # A queue before the pool: its own slows down with every waiter, and gives up on them.
        async with turn:
            if self._must_learn_the_time(request):
                failure = _no_time(await self._asend(client, _LOOK_AT_THE_CLOCK))
                if failure is not None:
                    return 0.0, failure
            deadline, stamped = self._deadline(request)
            return deadline, await self._asend(client, stamped)

    def _send(self, request: Request) -> Answer | Failure:
        import httpx  # noqa: PLC0415 - an import of the SDK should not cost what only its use needs

        try:
            response = self._client().request(**self._arguments(request))
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return self._failure(error)
        return self._answer(response)

    async def _asend(self, client: "httpx.AsyncClient", request: Request) -> Answer | Failure:
        import httpx  # noqa: PLC0415 - see above

        try:
            response = await client.request(**self._arguments(request))
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return self._failure(error)
        return self._answer(response)

    def _answer(self, response: "httpx.Response") -> Answer:
        answer = Answer(response.status_code, dict(response.headers), response.content)
        self._clock.learn(answer)
        return answer

    def _arguments(self, request: Request) -> dict[str, Any]:
        return {
            "method": request.method,
            "url": self._base + request.path,
            "params": request.params,
            "headers": request.headers,
            "content": request.content,
            "timeout": self._timeout + request.waits,
        }

    def _failure(self, error: Exception) -> Failure:
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
        return Failure(f"{type(error).__name__}: {error}", never_sent)

    def _client(self) -> "httpx.Client":
        client = self._clients.get(os.getpid())
        if client is None:
            import httpx  # noqa: PLC0415 - see above

            created = httpx.Client(
                headers=self._headers,
                verify=self._tls,
                transport=self._http,
                limits=_limits(_CONNECTIONS),
            )
            client = self._clients.setdefault(os.getpid(), created)
            if client is not created:  # another thread was first
                created.close()
        return client

    def _async_client(self) -> "tuple[httpx.AsyncClient, asyncio.Semaphore]":
        import asyncio  # noqa: PLC0415 - see above

        loop = asyncio.get_running_loop()
        if loop not in self._async_clients:
            # A client holds its loop, so that one which nobody closed would never be let go.
            for known in list(self._async_clients):
                if known.is_closed():
                    self._async_clients.pop(known, None)
            import httpx  # noqa: PLC0415 - see above

            client = httpx.AsyncClient(
                headers=self._headers, verify=self._tls, limits=_limits(_LOOP_CONNECTIONS)
            )
            self._async_clients[loop] = client, asyncio.Semaphore(_LOOP_CONNECTIONS)
        return self._async_clients[loop]

    def close(self) -> None:
        """Close the connections of this process."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        import asyncio  # noqa: PLC0415 - see above

        client, _ = self._async_clients.pop(asyncio.get_running_loop(), (None, None))
        if client is not None:
            await client.aclose()


def _normal(url: str) -> str:
    """As the client writes it; one that is none is named when it is asked for."""
    import httpx  # noqa: PLC0415 - see above

    with suppress(httpx.InvalidURL):
        return str(httpx.URL(url))
    return url


def _tls(url: str) -> "ssl.SSLContext":
    """What every client gets, also one that needs none, for it would make its own.

    Made before any thread sends: a fork must not meet a thread that holds OpenSSL's locks. Certificates
    are read only where they are used, for that takes longer than everything else a command does.
    """
    import ssl  # noqa: PLC0415 - see above

    import httpx  # noqa: PLC0415 - see above

    if url.lower().startswith("https"):
        return httpx.create_ssl_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _import_client() -> None:
    """Import all that a request needs, so that no fork meets a thread that is half through it."""
    import encodings.idna  # noqa: F401, PLC0415 - only its use costs it

    import httpcore  # noqa: F401, PLC0415 - see above
    import httpx  # noqa: F401, PLC0415 - see above


def in_process() -> "httpx.BaseTransport":
    """Calls the server's WSGI application in this process, whose settings are the server's."""
    import httpx  # noqa: PLC0415 - see above

    try:
        server = importlib.import_module("statestore.application")  # the SDK knows no server
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"STATESTORE_MODE=django runs the server's code here, which lacks {missing.name!r}:"
            " install Statestore with its extra [server], or set STATESTORE_URL to a server."
        ) from None

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        # WSGI has the path's bytes as Latin-1; httpx gives the characters.
        environ["PATH_INFO"] = environ["PATH_INFO"].encode().decode("latin-1")
        return server.application(environ, start_response)

    return httpx.WSGITransport(app=application)


def _limits(connections: int) -> "httpx.Limits":
    import httpx  # noqa: PLC0415 - see above

    return httpx.Limits(max_connections=connections, max_keepalive_connections=connections)


class _Numbers:
    """Numbers the overwrites of a process: one that is carried out twice is one write."""

    def __init__(self) -> None:
        self._next = itertools.count(1)
        self._sessions: dict[int, str] = {}  # by process: a fork counts on from the same number

    def on(self, request: Request) -> Request:
        """The request with its number, where it takes one; every try of it has the same."""
        if not request.numbered:
            return request
        session = self._sessions.setdefault(os.getpid(), secrets.token_hex(8))
        number = {WRITE_HEADER.lower(): f"{session}-{next(self._next)}"}
        return replace(request, headers={**request.headers, **number})


_LOOK_AT_THE_CLOCK: Final = Request("GET", "/healthz")


class _ServerClock:
    """What the server's clock shows at least, from the time in its last answer."""

    def __init__(self) -> None:
        self._ahead: float | None = None  # of this process's monotonic clock, in seconds

    @property
    def known(self) -> bool:
        """Whether any answer has told the time."""
        return self._ahead is not None

    def learn(self, answer: Answer) -> None:
        """Take the time from an answer; it has been on its way since, so that it is a little later."""
        with suppress(KeyError, ValueError):
            self._ahead = float(answer.headers[TIME_HEADER.lower()]) - time.monotonic()

    def server_time(self, monotonic: float) -> float:
        """The server's time at a moment of the monotonic clock."""
        return monotonic + (self._ahead or 0.0)


def _no_time(outcome: Answer | Failure) -> Failure | None:
    """Why a write cannot be sent yet: it would have no deadline."""
    if isinstance(outcome, Failure):
        return Failure(outcome.problem, never_sent=True)
    if outcome.status in RETRIED:
        problem, wanted = f"it answered {outcome.status}", retry_after(outcome)
        return Failure(problem, never_sent=True, wanted=wanted)
    return None
