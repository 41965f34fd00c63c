"""REST services: what an answer means. A connection lives for one request: looks at a job are seconds apart,
and so nothing is left open to be pickled, forked or shared by threads."""

import ssl
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx

from statestore.jobs.asking import ask
from statestore.sdk.errors import JobSystemUnreachableError, StatestoreError

Headers = Mapping[str, str] | Callable[[], Mapping[str, str]]
"""Headers of every request, or a function that gives them, where they hold a token that is renewed."""

_TOO_MANY: Final = 429
_REDIRECTS: Final = 5


class RestError(StatestoreError):
    """The service refused a request; `status` is the HTTP status of its answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def call(
    method: str,
    url: str,
    *,
    headers: Headers = {},  # noqa: B006 - is only read
    json: Any = None,
    params: Mapping[str, Any] | None = None,
    files: Mapping[str, Any] | None = None,
    allowed: frozenset[int] = frozenset(),
    verify: ssl.SSLContext | None = None,
    timeout: float = 30.0,
    redirects: int = _REDIRECTS,
) -> httpx.Response:
    """Send a request; its answer, with GET that of the place that it was redirected to.

    Args:
        method: of HTTP.
        url: where to.
        headers: of this request.
        json: its body.
        params: of the query string.
        files: a form with files instead of a body of JSON.
        allowed: statuses that are answers here, beside those below 400.
        verify: how the service shows who it is, and we do; by default as public web sites do.
        timeout: seconds for connecting, and for each wait for bytes.
        redirects: how many of them GET follows.

    Raises:
        JobSystemUnreachableError: there was no answer, or one that asks to come again.
        RestError: any other status.
    """
    own = dict(headers() if callable(headers) else headers)
    home = origin(url)
    try:
        for _ in range(1 + redirects if method == "GET" else 1):
            answer = ask(
                method,
                url,
                timeout=timeout,
                verify=(verify or _certificates()) if url.startswith("https:") else False,
                headers=own if origin(url) == home else {},  # they may hold a secret of this host's
                json=json,
                params=params,
                files=files,
            )
            if method != "GET" or not answer.has_redirect_location:
                break
            url, params = urljoin(url, answer.headers["location"]), None
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise StatestoreError(f"{method} {url} cannot be sent: {error}") from error
    moved = answer.status_code in {301, 302, 307, 308} or (
        method == "GET" and answer.has_redirect_location
    )
    if (answer.status_code < 400 and not moved) or answer.status_code in allowed:
        return answer
    said = f"{method} {url} was answered with {answer.status_code}: {_words(answer)}"
    if answer.status_code == _TOO_MANY:
        raise JobSystemUnreachableError(said)
    raise RestError(said, answer.status_code)


def origin(url: str) -> tuple[str, str]:
    """Scheme and host with port."""
    scheme, host, *_ = urlsplit(url)
    return scheme, host


def body(answer: httpx.Response) -> Any:
    """The JSON of an answer; its text where it is no JSON, None where it is empty."""
    try:
        return answer.json() if answer.content else None
    except ValueError:
        return answer.text


def _words(answer: httpx.Response) -> str:
    if "location" in answer.headers:
        return f"it is at {answer.headers['location']}"
    words = " ".join(answer.text.split()) or answer.reason_phrase
    return words if len(words) < 500 else f"{words[:200]} … {words[-300:]}"  # the end says most


def with_token(document: Any, token: str) -> Any:
    """The document, with the token wherever a text has `{token}`."""
    if isinstance(document, str):
        return document.replace("{token}", token)
    if isinstance(document, Mapping):
        return {name: with_token(value, token) for name, value in document.items()}
    if isinstance(document, list | tuple):
        return [with_token(value, token) for value in document]
    return document


@cache
def _certificates() -> ssl.SSLContext:
    """Reading them takes most of the time of a request."""
    return httpx.create_ssl_context()
