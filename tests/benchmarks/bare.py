"""A bare Django view that runs the statement of a PUT, and of a GET: what a web server in Python can do.

It runs them with a cursor of Django's, bound and prepared on the server, and knows no tokens, rights,
limits or errors; `granian … tests.benchmarks.bare:application`.
"""

import gc
import json
import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from statestore.protocol import ATTEMPT_HEADER, TaskScope
from statestore.sql.entries import entries_of, owner_of, writes_of

_ATTEMPT = "HTTP_" + ATTEMPT_HEADER.upper().replace("-", "_")


def entry(request: HttpRequest, task_id: str, key: str) -> HttpResponse:
    """Read it, or overwrite it."""
    scope, now = TaskScope("bench", "run", task_id), datetime.now(UTC)
    if request.method == "GET":
        row = _run("GET", key, {"owner": owner_of(scope), "key": key, "now": now})
        answer = HttpResponse(
            f'{{"key":"{key}","value":{row[1]}}}', content_type="application/json"
        )
        answer["ETag"] = f'"{row[2]}"'
        return answer
    expires_at = now + timedelta(days=30)
    attempt = request.META.get(_ATTEMPT)  # request.headers would read all others too
    parameters: dict[str, Any] = {
        "owner": owner_of(scope),
        "key": key,
        "value": json.dumps(json.loads(request.body)["value"]),
        "now": now,
        "sampled_before": now - timedelta(seconds=10),
        "by_attempt": attempt and int(attempt),
        "writer": "bare",
        "writer_task": None,
        "expires_at": expires_at,
        "expires_hour": int(expires_at.timestamp() // 3600),
        "session": None,
        "sequence": None,
    }
    if attempt:
        parameters["attempt"] = int(attempt)
    row = _run("PUT", key, parameters, fenced=bool(attempt))
    return HttpResponse(status=204, headers={"ETag": f'"{row[0]}"'})


def _run(
    method: str, key: str, parameters: dict[str, Any], *, fenced: bool = False
) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_statement(method, key, fenced=fenced), parameters)
        row: tuple[Any, ...] = cursor.fetchone()
    return row


@cache
def _statement(method: str, key: str, *, fenced: bool) -> str:
    """The SQL that Statestore itself runs, as its cursor is given it."""
    seen: list[str] = []

    def refuse(execute: Any, sql: str, *_: Any) -> None:
        seen.append(sql)
        raise LookupError

    scope = TaskScope("bench", "run", "none")
    parameters = {"owner": owner_of(scope), "key": key}
    with connection.execute_wrapper(refuse):
        try:
            if method == "GET":
                entries_of(scope).get.rows(**parameters)
            else:
                writes_of(scope, key).set.rows(attempt=1 if fenced else None, **parameters)
        except LookupError:
            return seen[0]
    raise AssertionError("no statement was run")


urlpatterns = [path("<str:task_id>/<str:key>", entry), path("", lambda _: HttpResponse())]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "statestore.settings")
settings.DATABASES["default"]["OPTIONS"]["prepare_threshold"] = 1
django.setup()
settings.ROOT_URLCONF = __name__
settings.MIDDLEWARE = []
application = WSGIHandler()
gc.collect()
gc.freeze()  # as statestore.wsgi does
