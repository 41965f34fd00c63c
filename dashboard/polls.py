"""Polls that are answered from memory, before any other middleware: most find their page unchanged.

The first poll of a page goes the whole way: who asks is looked up, and the other middleware adds its
headers. The ones that follow get the same headers, as long as the session is known to be what it was.
"""

import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from dashboard.lookers import is_known
from dashboard.watch import watcher
from statestore.access import Principal

Get = Callable[[HttpRequest], HttpResponseBase]

NOTHING_NEW: Final = 204
_LEVEL: Final = 4  # of compression: a fragment shrinks to a tenth, in a millisecond
_KNOWN_MAX: Final = 5_000
# What an answer depends on, beside the path: whose it is, and the server's address as they see it.
_ASKED: Final = ("HTTP_COOKIE", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme",
                 "HTTP_X_FORWARDED_PROTO")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Poll:
    """A page that somebody polls, and how it looks to them."""

    principal: Principal
    key: Any
    look: Any
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Fragment:
    """HTML, and the same compressed."""

    html: bytes
    packed: bytes

    @classmethod
    def of(cls, html: str) -> "Fragment":
        """This HTML. No other site learns from the length of an answer what is in it: sessions are
        not sent along with the requests of other sites (SameSite), and a fragment holds no token."""
        raw = html.encode()
        return cls(raw, gzip.compress(raw, _LEVEL, mtime=0))


_polls: dict[Any, Poll] = {}


def answer_polls(get_response: Get) -> Get:
    """Middleware, the first of all."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        request.began = time.monotonic()  # type: ignore[attr-defined]
        if request.method != "GET" or not request.path.startswith("/fragments/"):
            return get_response(request)
        query, cursor = _without_cursor(request.META.get("QUERY_STRING", ""))
        asked = (request.path, query, *(request.META.get(name) for name in _ASKED))
        poll = _polls.get(asked)
        if poll is not None and (found := _from_memory(request, poll, cursor)) is not None:
            return found
        response = get_response(request)
        _remember(asked, request, response)
        return response

    return answer


def polled(request: HttpRequest, principal: Principal, key: Any, look: Any) -> None:
    """Let the next polls like this one be answered from memory."""
    request.poll = principal, key, look  # type: ignore[attr-defined]


def packed_for(request: HttpRequest, fragment: Fragment, response: HttpResponse) -> HttpResponse:
    """The response with the fragment, compressed for those who take it so."""
    takes = "gzip" in request.META.get("HTTP_ACCEPT_ENCODING", "")
    response.content = fragment.packed if takes else fragment.html
    if takes:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding, Cookie"
    response.headers["Content-Length"] = str(len(response.content))
    return response


def _from_memory(request: HttpRequest, poll: Poll, cursor: str) -> HttpResponse | None:
    if not is_known(request, poll.principal) or (drawn := watcher.good(poll.key)) is None:
        return None
    if drawn.page.cursor == cursor:
        return HttpResponse(status=NOTHING_NEW, headers=poll.headers)
    shown = drawn.shown.get(poll.look)
    return shown and packed_for(request, shown, HttpResponse(headers=poll.headers))


def _remember(asked: Any, request: HttpRequest, response: HttpResponseBase) -> None:
    poll: tuple[Principal, Any, Any] | None = getattr(request, "poll", None)
    if poll is None or response.cookies or response.status_code not in {200, NOTHING_NEW}:
        return
    if len(_polls) >= _KNOWN_MAX:
        _polls.clear()
    others = {"Content-Length", "Content-Encoding", "Vary"}
    headers = {name: text for name, text in response.items() if name not in others}
    _polls[asked] = Poll(*poll, headers=headers)


def _without_cursor(query: str) -> tuple[str, str]:
    """The rest of a query string, and the state that the browser shows."""
    rest, cursor = [], ""
    for part in query.split("&"):
        if part.startswith("cursor="):
            cursor = part.removeprefix("cursor=")
        else:
            rest.append(part)
    return "&".join(rest), cursor
