"""What an unchanged poll costs beside a bare Django answer, in this process and without a network.

`python -m tests.benchmarks.poll [answers]` makes a store of its own (SQLite, or DATABASE_URL's server)
and prints microseconds for each of both, and their ratio: the poll as the web server answers it, from
memory, and the bare answer through Django and its middleware.
"""

import sys
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from tests.benchmarks.own_store import own_store

Answer = Callable[[str], int]


def main(answers: int = 5_000) -> None:
    """Measure, and print."""
    with own_store():
        _measure(answers)


def _measure(answers: int) -> None:
    from django.contrib.auth.models import User
    from django.http import HttpResponse
    from django.test import Client
    from django.test.utils import override_settings
    from django.urls import path

    from statestore import urls
    from tests.dashboard.data import id_of, put

    put("progress", {"current": 1, "total": 10})
    client = Client()
    client.force_login(User.objects.create_superuser("bench"))
    page = f"/t/{id_of()}/"

    class Routes:
        """The site's own, with a bare answer in front."""

        urlpatterns = (path("bare/", lambda request: HttpResponse(status=204)), *urls.urlpatterns)

    with override_settings(ROOT_URLCONF=Routes, ALLOWED_HOSTS=["*"]):
        cookies = client.cookies.output(header="", sep=";").strip()
        ask = asker(cookies)
        html = client.get(page).content.decode()
        cursor = html.partition('data-cursor="')[2].partition('"')[0]
        url = f"/fragments{page}?cursor={cursor}"
        ask(url)  # looks the user up
        polled, queries = _polls(_from_memory(cookies), url, answers)
        bare = _microseconds(ask, "/bare/", answers)
    print(f"bare answer      {bare:7.0f} µs")  # noqa: T201
    print(f"unchanged poll   {polled:7.0f} µs, {queries} queries")  # noqa: T201
    print(f"ratio            {polled / bare:7.2f}")  # noqa: T201


def asker(cookies: str) -> Answer:
    """A function that sends a request through the whole of Django, as a web server does."""
    from django.core.handlers.wsgi import WSGIHandler

    handler, seen = WSGIHandler(), [""]

    def start(status: str, headers: list[Any], exc_info: Any = None) -> Any:
        seen[0] = status

    def ask(url: str) -> int:
        answer: Any = handler(_environ(url, cookies), start)
        answer.close()
        return int(seen[0][:3])

    return ask


def _from_memory(cookies: str) -> Answer:
    """The same for polls that are known, as the web server asks before it asks Django."""
    from dashboard.polls import from_memory

    def ask(url: str) -> int:
        found = from_memory(_environ(url, cookies))
        return int(found[0][:3]) if found else 0

    return ask


def _environ(url: str, cookies: str) -> dict[str, Any]:
    address, _, query = url.partition("?")
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": address,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_COOKIE": cookies,
        "wsgi.input": BytesIO(),
        "wsgi.url_scheme": "http",
    }


def _polls(ask: Answer, url: str, answers: int) -> tuple[float, int]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        assert ask(url) == 204
    return _microseconds(ask, url, answers), len(queries)


def _microseconds(ask: Answer, url: str, answers: int) -> float:
    """The median of ten parts, so that other programs on the machine count for little."""
    parts = []
    for _ in range(10):
        began = time.process_time()
        for _ in range(answers // 10):
            ask(url)
        parts.append(time.process_time() - began)
    return sorted(parts)[5] * 1e6 / (answers // 10)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
