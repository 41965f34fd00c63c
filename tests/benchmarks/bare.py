"""A bare Django view that runs the statement of a PUT, and of a GET: what a web server in Python can do.

It knows no tokens, rights, limits or errors; `granian … tests.benchmarks.bare:application`.
"""

import json
import os
from datetime import UTC, datetime, timedelta

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path

from statestore.protocol import TaskScope
from statestore.sql.entries import entries_of, owner_of, writes_of
from statestore.sql.statement import first


def entry(request: HttpRequest, task_id: str, key: str) -> HttpResponse:
    """Read it, or overwrite it."""
    scope, now = TaskScope("bench", "run", task_id), datetime.now(UTC)
    if request.method == "GET":
        row = first(entries_of(scope).get.rows(owner=owner_of(scope), key=key, now=now))
        assert row is not None
        answer = HttpResponse(
            f'{{"key":"{key}","value":{row[1]}}}', content_type="application/json"
        )
        answer["ETag"] = f'"{row[2]}"'
        return answer
    expires_at = now + timedelta(days=30)
    row = first(
        writes_of(scope, key).set.rows(
            owner=owner_of(scope),
            key=key,
            value=json.dumps(json.loads(request.body)["value"]),
            now=now,
            sampled_before=now - timedelta(seconds=10),
            attempt=None,
            by_attempt=None,
            writer="bare",
            writer_task=None,
            expires_at=expires_at,
            expires_hour=int(expires_at.timestamp() // 3600),
            session=None,
            sequence=None,
        )
    )
    assert row is not None
    return HttpResponse(status=204, headers={"ETag": f'"{row[0]}"'})


urlpatterns = [path("<str:task_id>/<str:key>", entry), path("", lambda _: HttpResponse())]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "statestore.settings")
django.setup()
settings.ROOT_URLCONF = __name__
settings.MIDDLEWARE = []
application = WSGIHandler()
