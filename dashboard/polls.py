"""Polls that are answered from memory, before Django sees them: most find their page unchanged.

The first poll of a page goes the whole way: who asks is looked up, and middleware adds its headers. The
ones that follow get the same headers, as long as the session is known to be what it was.

One poll at a time goes that way in a process, and one reads a page that is too old; who comes meanwhile
is told to come again, and keeps what they see. So whatever makes many unknown at once, as a restart or a
slow database, leaves the process to those who write, and nobody hears that a page is unchanged which
could not be read.
"""

import gzip
import random
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from dashboard.lookers import is_known, session_of
from dashboard.secret_count import count_from_memory, reach_of
from dashboard.watch import BeingReadError, Page, forget_unasked, watcher
from statestore.access import Principal
from statestore.bounded import make_room
from statestore.queries import Amount

Get = Callable[[HttpRequest], HttpResponseBase]

NOTHING_NEW: Final = 204
_UNCHANGED, _CHANGED = "204 No Content", "200 OK"
_FRAGMENTS: Final = "/fragments/"
_LEVEL: Final = 4  # of compression: a fragment shrinks to a tenth, in a millisecond
_KNOWN_MAX: Final = 5_000
# What an answer depends on, beside the path: whose it is, and the server's address as they see it.
_ASKED: Final = ("HTTP_COOKIE", "SCRIPT_NAME", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme",
                 "HTTP_X_FORWARDED_PROTO")  # fmt: skip


@dataclass(slots=True)
class Poll:
    """A page that somebody polls, and how it looks to them."""

    session: str
    principal: Principal
    reach: Hashable
    """What of the store they may view, found out once: it is asked for at each look."""
    key: Any
    look: Any
    headers: list[tuple[str, str]]
    asked: float


class Standing(NamedTuple):
    """How a page is by now for somebody who polls it."""

    poll: Poll
    page: Page
    fragment: "Fragment | None"
    """None: it has not been drawn for them yet."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """HTML, compressed: many are kept, and nearly everybody takes it so."""

    packed: bytes

    @classmethod
    def of(cls, html: str) -> "Fragment":
        """This HTML. No other site learns from the length of an answer what is in it: sessions are
        not sent along with the requests of other sites (SameSite), and a fragment holds no token."""
        return cls(gzip.compress(html.encode(), _LEVEL, mtime=0))

    @property
    def html(self) -> str:
        """As it was drawn."""
        return gzip.decompress(self.packed).decode()

    def sent(self, environ: dict[str, Any]) -> tuple[bytes, list[tuple[str, str]]]:
        """The body and its headers, compressed for who takes it so."""
        takes = "gzip" in environ.get("HTTP_ACCEPT_ENCODING", "")
        body = self.packed if takes else self.html.encode()
        headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Vary", "Accept-Encoding, Cookie"),
        ]
        return body, [*headers, ("Content-Encoding", "gzip")] if takes else headers


_polls: dict[Any, Poll] = {}
watcher.beside.append(lambda: forget_unasked(_polls))
Answer = tuple[str, list[tuple[str, str]], bytes]  # status, headers, body


def answer_polls(get_response: Get) -> Get:
    """Middleware, the first of all: for servers that do not ask `from_memory` themselves."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        request.began = time.monotonic()  # type: ignore[attr-defined]
        if not is_poll(request.META):
            return get_response(request)
        if found := from_memory(request.META):
            status, headers, body = found
            return HttpResponse(body, status=int(status[:3]), headers=dict(headers))
        if not _whole_way.acquire(timeout=_PATIENCE if request.META.get(IN_TURN) else 0):
            return HttpResponse(status=NOTHING_NEW, headers=_come_again())
        try:
            response = get_response(request)
        finally:
            _whole_way.release()
        _remember(request, response)
        if hasattr(request, "poll"):
            principal, *_ = request.poll
            for name, text in _secrets(principal, reach_of(principal)):
                response.headers[name] = text
        return response

    return answer


# In the environ of one who has waited for others, and may wait more.
IN_TURN: Final = "statestore.in_turn"
_PATIENCE: Final = 5.0  # seconds
_whole_way = threading.Lock()
_AGAIN: Final = 300, 1200  # milliseconds until they come again who could not be looked up now


def _come_again() -> dict[str, str]:
    wait = random.randint(*_AGAIN)  # noqa: S311 - no secret
    return {"Statestore-Busy": "1", "Statestore-Ask-Again": str(wait), "Cache-Control": "no-store"}


def is_poll(environ: dict[str, Any]) -> bool:
    """Whether this asks for a part of a page that changes."""
    path: str = environ["PATH_INFO"]
    return environ["REQUEST_METHOD"] == "GET" and path.startswith(_FRAGMENTS)


def from_memory(environ: dict[str, Any]) -> Answer | None:
    """What a poll is answered, of whom and of which page all is known; None: it goes the whole way."""
    if not is_poll(environ):
        return None
    asked, cursor = asked_by(environ)
    poll = poll_of(asked)
    try:
        now = None if poll is None else standing(poll)
    except BeingReadError:
        if environ.get(IN_TURN):
            return None  # and waits until it is read
        return _UNCHANGED, list(_come_again().items()), b""
    if now is None:
        return None
    headers = [*now.poll.headers, *_when_to_ask(), *_secrets(now.poll.principal, now.poll.reach)]
    if now.page.cursor == cursor:
        return _UNCHANGED, headers, b""
    if now.fragment is None:
        return None
    body, others = now.fragment.sent(environ)
    watcher.fetched += 1
    return _CHANGED, [*headers, *others], body


def poll_of(asked: Hashable) -> Poll | None:
    """What is known of the page and of whom it was `asked_by`."""
    return _polls.get(asked)


def standing(poll: Poll, *, may_read: bool = True) -> Standing | None:
    """How the page is, from memory; None: it is not known whether they are who they were, or it is too old
    to be told by somebody who may not read it.

    Raises:
        BeingReadError: it is too old, and somebody else reads.
    """
    poll.asked = time.monotonic()
    if not is_known(poll.session, poll.principal):
        return None
    drawn = watcher.good(poll.key, poll.look, may_read=may_read)
    return None if drawn is None else Standing(poll, drawn.page, drawn.shown.get(poll.look))


def polled(request: HttpRequest, principal: Principal, key: Any, look: Any) -> None:
    """Let the next polls like this one be answered from memory."""
    request.poll = principal, key, look  # type: ignore[attr-defined]


def packed_for(request: HttpRequest, fragment: Fragment, response: HttpResponse) -> HttpResponse:
    """The response with the fragment, compressed for those who take it so."""
    response.content, headers = fragment.sent(request.META)
    for name, text in headers:
        response.headers[name] = text
    return response


def _when_to_ask() -> Iterable[tuple[str, str]]:
    seconds = watcher.ask_again()
    return [] if seconds is None else [("Statestore-Ask-Again", str(round(1000 * seconds)))]


def _secrets(principal: Principal, reach: Hashable) -> Iterable[tuple[str, str]]:
    """For the pill, which stands outside of what a fragment replaces."""
    count = count_from_memory(principal, reach)
    return [] if count is None else [("Statestore-Secrets", secrets_text(count))]


def secrets_text(count: Amount) -> str:
    """As the pill reads it."""
    return f"{count.number}{'+' * count.more}"


def _remember(request: HttpRequest, response: HttpResponseBase) -> None:
    poll: tuple[Principal, Any, Any] | None = getattr(request, "poll", None)
    if poll is None or response.cookies or response.status_code not in {200, NOTHING_NEW}:
        return
    others = {"Content-Length", "Content-Encoding", "Content-Type", "Vary"}
    headers = [(name, text) for name, text in response.items() if name not in others]
    asked, _ = asked_by(request.META)
    _polls.pop(asked, None)
    make_room(_polls, _KNOWN_MAX)
    principal, key, look = poll
    reach, session = reach_of(principal), session_of(request)
    key = watcher.same(key)  # so that a thousand find it without comparing what is in it
    _polls[asked] = Poll(session, principal, reach, key, look, headers, time.monotonic())


def asked_by(environ: dict[str, Any]) -> tuple[Hashable, str]:
    """What is asked for, by whom, and the state that the browser shows."""
    query, cursor = without_cursor(environ.get("QUERY_STRING", ""))
    return (environ["PATH_INFO"], query, *map(environ.get, _ASKED)), cursor


def without_cursor(query: str) -> tuple[str, str]:
    """The rest of a query string, and the state that the browser shows."""
    rest, cursor = [], ""
    for part in query.split("&"):
        if part.startswith("cursor="):
            cursor = part.removeprefix("cursor=")
        else:
            rest.append(part)
    return "&".join(rest), cursor
