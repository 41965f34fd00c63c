"""Pages that are pushed: server-sent events, for as long as somebody looks on.

The browser asks for the fragment that it would poll, and takes `text/event-stream`. After each look of the
watcher everybody is told what has changed for them, from memory as polls are; nobody asks, so that a
thousand who look on cost less than their polls would, and see it sooner. Who is not known goes the whole
way, one at a time in each process, as with polls.

The events: `page` (data: the fragment's HTML, as a JSON string), `same` (nothing has changed), `busy` (nobody
has looked, or it waits for its turn), `secrets` (what the header `Statestore-Secrets` tells a poll) and
`ended` (data: the status that a poll would get; the stream is over). Something comes every ALIVE seconds.

Each event is compressed once for all: a part of a deflate stream that refers to nothing before it and ends at
a byte (RFC 1951, 3.2.3 and 3.2.4) may follow on any other. The stream itself has no end, and so no checksum.
"""

import asyncio
import json
import logging
import time
import zlib
from asyncio import FIRST_COMPLETED
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from contextlib import suppress
from functools import lru_cache, partial
from types import coroutine
from typing import Any, Final

from django.conf import settings

from dashboard.polls import (
    IN_TURN,
    Fragment,
    Poll,
    Standing,
    asked_by,
    is_poll,
    poll_of,
    secrets_text,
    standing,
    without_cursor,
)
from dashboard.secret_count import count_from_memory
from dashboard.watch import TICK, WATCHED_MAX, watcher
from statestore.queries import Amount

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Environ = dict[str, Any]
WholeWay = Callable[[Environ], Awaitable[int]]

TYPE: Final = "text/event-stream"
ALIVE: Final = 4 * TICK  # seconds, at most, from one event to the next
TRIES: Final = 3  # what took long is too old by the time that it is there
PATIENCE: Final = 5.0  # seconds after which who takes nothing counts as gone
AT_ONCE: Final = 0.5  # the same of who is told that they must wait, or that it is over
STREAMS_MAX: Final = WATCHED_MAX  # of a process: each may be of another page

_GZIP: Final = b"\x1f\x8b\x08" + bytes(6) + b"\xff"  # RFC 1952's header, without time and system
_LEVEL: Final = 4


def wants_push(environ: Environ) -> bool:
    """Whether a request is to be answered with events."""
    return TYPE in environ.get("HTTP_ACCEPT", "") and is_poll(environ)


class Pushes:
    """Everybody in this process to whom pages are pushed.

    `whole_way` answers an environ as if it were a poll, through the whole of Django, and gives its status.
    """

    def __init__(self, whole_way: WholeWay) -> None:
        self._whole_way = whole_way
        self._turn = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._late: asyncio.TimerHandle | None = None
        self._looked = True
        self._streams: set[_Stream] = set()
        watcher.after.append(self._after_look)

    async def answer(self, environ: Environ, receive: Receive, send: Send) -> None:
        """Tell one who looks on, until they have gone."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._tell_all(self._loop, looked=False)
        packed = "gzip" in environ.get("HTTP_ACCEPT_ENCODING", "")
        await send(
            {"type": "http.response.start", "status": 200, "headers": _headers(packed=packed)}
        )
        gone = asyncio.ensure_future(left(receive))
        stream = _Stream(environ, send, gone, packed=packed)
        self._streams.add(stream)
        try:
            async with stream.limit:
                await self._tell_until_over(stream, environ)
        except TimeoutError:
            if not stream.limit.expired():  # somebody else's
                raise
        finally:
            self._streams.discard(stream)
            gone.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(AT_ONCE):
                await send({"type": "http.response.body", "body": b""})

    async def _tell_until_over(self, stream: "_Stream", environ: Environ) -> None:
        if len(self._streams) > STREAMS_MAX:
            logger.warning("more than %s people look on: start another process", STREAMS_MAX)
            await stream.end(503)
        elif f"{settings.SESSION_COOKIE_NAME}=" not in environ.get("HTTP_COOKIE", ""):
            await stream.end(401)  # strangers do not stand in the queue
        while not stream.over:
            await self._go_on(stream)

    async def _go_on(self, stream: "_Stream") -> None:
        now, status = stream.standing(), 200
        if now is None:
            now, status = await self._look_up(stream)
        if now is not None:
            await stream.listen(now, looked=self._looked)
        elif not stream.over:
            await stream.end(status)

    async def _look_up(self, stream: "_Stream") -> tuple[Standing | None, int]:
        """Look up who asks, or draw what they ask for; and the status that a poll would get."""
        turn = asyncio.ensure_future(self._turn.acquire())
        try:
            while not (await stream.first(turn) or stream.over):
                if now := stream.standing():  # nobody had to be looked up after all
                    return now, 200
                await stream.busy()
            now, status = stream.standing(), 200
            for _ in range(TRIES):
                if now is not None or stream.over or status not in {200, 204}:
                    break
                status = await self._answer(stream)
                now = stream.standing()
            return now, status
        finally:
            turn.cancel()
            if turn.done() and not turn.cancelled():
                self._turn.release()

    async def _answer(self, stream: "_Stream") -> int:
        """The status of the whole way."""
        answer = asyncio.ensure_future(self._whole_way(stream.environ()))
        while not answer.done():
            if not await stream.first(answer):
                await stream.busy()
            elif stream.over:  # it is on its way: the next one's turn comes after it
                await asyncio.wait({answer})
        return answer.result()

    def _after_look(self, looked: bool) -> None:
        """In the watcher's thread: a look is over, or could not be taken."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the server ends
                self._loop.call_soon_threadsafe(partial(self._tell_all, self._loop, looked=looked))

    def _tell_all(self, loop: asyncio.AbstractEventLoop, *, looked: bool) -> None:
        self._looked = looked
        for stream in self._streams:
            stream.hear(looked=looked)
        if self._late is not None:
            self._late.cancel()
        # Where no look comes, everybody asks without one.
        self._late = loop.call_later(ALIVE / 2, partial(self._tell_all, loop, looked=False))


class _Stream:
    """What one who looks on has been told."""

    def __init__(
        self, environ: Environ, send: Send, gone: asyncio.Future[None], *, packed: bool
    ) -> None:
        self._environ, self._send, self._packed = environ, send, packed
        self._gone, self._ended = gone, False
        self._asked, self._cursor = asked_by(environ)
        self._poll: Poll | None = None
        self._query, _ = without_cursor(environ.get("QUERY_STRING", ""))
        self._secrets: Amount | None = None
        self._told = time.monotonic()
        self._begun = self._said = False
        self.limit = asyncio.timeout(None)
        """It is over for who counts as gone."""
        self._sending = False
        self._listening: asyncio.Future[Awaitable[None] | None] | None = None

    async def listen(self, now: Standing, *, looked: bool) -> None:
        """Tell what has changed, now and after each look, until a write or a look-up has to be waited for."""
        rest = self._tell(now, looked=looked)
        if rest is None:
            self._listening = asyncio.get_running_loop().create_future()
            rest = await self._listening
        if rest is not None:
            self._sending = True
            await rest
            self._sending = False

    def hear(self, *, looked: bool) -> None:
        """After a look: tell at once, and wake no task for it (docs/performance.md)."""
        self._end_if_stuck()
        listening = self._listening
        if listening is None or listening.done():
            return
        try:
            now = None if self.over else self.standing()
            rest = None if now is None else self._tell(now, looked=looked)
        except Exception as error:  # noqa: BLE001 - it is this one's alone
            listening.set_exception(error)
        else:
            if now is None or rest is not None:
                listening.set_result(rest)

    def _end_if_stuck(self) -> None:
        """Give up who takes nothing for long; a limit for every write would be dear."""
        if self._sending and self._told < time.monotonic() - PATIENCE:
            self._sending = False  # a limit that runs out already cannot be set
            self.limit.reschedule(0)

    @property
    def over(self) -> bool:
        """Whether they have gone, or were told that it is."""
        return self._ended or self._gone.done()

    async def first(self, turn: asyncio.Future[Any]) -> bool:
        """Wait for their turn, until something must be told; whether it has come, or they have gone."""
        both, rest = {turn, self._gone}, self._told + ALIVE - time.monotonic()
        wait = asyncio.wait(both, timeout=max(0.0, rest), return_when=FIRST_COMPLETED)
        return bool((await wait)[0])

    def environ(self) -> Environ:
        """As a poll would ask for what has changed by now."""
        accept = {"HTTP_ACCEPT": "text/html", "HTTP_ACCEPT_ENCODING": "gzip", IN_TURN: True}
        query = {"QUERY_STRING": f"{self._query}&cursor={self._cursor}"}
        return {**self._environ, **accept, **query}

    def standing(self) -> Standing | None:
        """How the page is, from memory; None: it is not known, or not drawn as they have not seen it."""
        poll = self._poll or poll_of(self._asked)
        now = None if poll is None else standing(poll, may_read=False)
        if now is not None and now.page.cursor != self._cursor and now.fragment is None:
            now = None
        self._poll = None if now is None else poll  # who is looked up again may see something else
        return now

    def _tell(self, now: Standing, *, looked: bool) -> Awaitable[None] | None:
        """What has changed; now and then, that nothing has, or that nobody has looked. What is left to wait
        for (None: nothing)."""
        events = b""
        secrets = count_from_memory(now.poll.principal, now.poll.reach)
        if secrets is not None and secrets != self._secrets:
            self._secrets = secrets
            events += self._event("secrets", secrets_text(secrets))
        if now.page.cursor != self._cursor and now.fragment is not None:
            self._cursor = now.page.cursor
            watcher.fetched += 1
            events += _page(now.fragment, packed=self._packed)
        elif not self._said or time.monotonic() - self._told > ALIVE / 2:
            events += self._event("same" if looked else "busy", "1")
        if not events:
            return None
        self._said = True
        return _as_far_as_it_goes(self._write(events))

    async def busy(self) -> None:
        """They wait for their turn, and shall not keep others waiting."""
        await self._write_at_once(self._event("busy", "1"))

    async def end(self, status: int) -> None:
        """The last of all events."""
        self._ended = True
        await self._write_at_once(self._event("ended", str(status)))

    def _event(self, name: str, data: str) -> bytes:
        return _event(name, data, packed=self._packed)

    async def _write_at_once(self, events: bytes) -> None:
        try:
            async with asyncio.timeout(AT_ONCE):
                await self._write(events)
        except TimeoutError:
            self._ended = True

    async def _write(self, events: bytes) -> None:
        first = _GZIP if self._packed and not self._begun else b""
        self._begun, self._told = True, time.monotonic()
        message = {"type": "http.response.body", "body": first + events, "more_body": True}
        await self._send(message)


def _as_far_as_it_goes(steps: Coroutine[Any, None, None]) -> Awaitable[None] | None:
    """Run it until it has to wait, outside of a task, so that none is woken; what is left (None: nothing)."""
    try:
        return _rest(steps.send(None), steps)
    except StopIteration:
        return None


@coroutine
def _rest(waits_for: Any, steps: Coroutine[Any, None, None]) -> Generator[Any, None, None]:
    with suppress(StopIteration):
        while True:
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 - above all, that it is cancelled
                waits_for = steps.throw(error)
            else:
                waits_for = steps.send(None)


@lru_cache(maxsize=1_000)
def _event(name: str, data: str, *, packed: bool) -> bytes:
    text = f"event: {name}\ndata: {data}\n\n".encode()
    return _part(text) if packed else text


@lru_cache(maxsize=200)
def _page(fragment: Fragment, *, packed: bool) -> bytes:
    return _event.__wrapped__("page", json.dumps(fragment.html), packed=packed)


def _part(text: bytes) -> bytes:
    """Compressed so that it may follow on any other part, and any other on it."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(text) + deflate.flush(zlib.Z_FULL_FLUSH)


def _headers(*, packed: bool) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"content-type", TYPE.encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"accept, accept-encoding, cookie"),
        (b"x-accel-buffering", b"no"),  # nginx shall pass each event on at once
        (b"x-content-type-options", b"nosniff"),
    ]
    return [*headers, (b"content-encoding", b"gzip")] if packed else headers


async def left(receive: Receive) -> None:
    """Return when a client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
