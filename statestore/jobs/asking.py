"""Requests to a system's HTTP interface, told apart by what is known after they failed."""

from typing import Any

import httpx

from statestore.jobs.polling import NotSentError
from statestore.sdk.errors import JobSystemUnreachableError, StatestoreError

__all__ = ["NotSentError", "ask", "read_json"]


def ask(method: str, url: str, *, timeout: float = 30.0, **options: Any) -> httpx.Response:
    """The answer to one request, whatever its status below 502.

    Raises:
        NotSentError: nothing listens there.
        JobSystemUnreachableError: there was no answer, or a gateway's; the request may have arrived.
    """
    try:
        answer = httpx.request(method, url, timeout=timeout, **options)
    except (httpx.ConnectError, httpx.ConnectTimeout) as problem:
        raise NotSentError(f"{url} cannot be reached: {problem}") from None
    except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError) as problem:
        raise JobSystemUnreachableError(
            f"{method} {url} had no answer: {problem or type(problem).__name__}"
        ) from None
    if answer.status_code in {502, 503, 504}:
        raise JobSystemUnreachableError(f"{method} {url}: {answer.status_code}")
    return answer


def read_json(answer: httpx.Response) -> Any:
    """The JSON of an answer."""
    try:
        return answer.json()
    except ValueError:
        raise StatestoreError(
            f"{answer.request.method} {answer.request.url} answered {answer.status_code}, and not with"
            f" JSON: {answer.text[:200]!r}. Does something else listen there?"
        ) from None
