"""The WSGI application: Django, with static files and polls in front."""

import os
from collections.abc import Iterable
from typing import Any

from django.core.checks import ERROR, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from whitenoise import WhiteNoise

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "statestore.settings")

_django = get_wsgi_application()

from django.conf import settings  # noqa: E402 - readable once Django is set up

from dashboard.polls import from_memory  # noqa: E402 - as above
from statestore.api import handler  # noqa: E402 - as above

_problems = [problem for problem in run_checks() if problem.level >= ERROR]
if _problems:
    raise ImproperlyConfigured("\n".join(str(problem) for problem in _problems))

_site = WhiteNoise(_django, root=settings.STATIC_ROOT, prefix=settings.STATIC_URL)

BODY_READ_MAX = 64 * 1024


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Refuse a path that is no UTF-8: Django would store another key in its place."""
    if found := from_memory(environ):
        status, headers, body = found
        start_response(status, headers)
        return [body]
    try:
        environ["PATH_INFO"].encode("latin-1").decode()
    except UnicodeDecodeError:
        start_response("400 Bad Request", [("Content-Type", "application/json")])
        return [b'{"detail": "The path is not UTF-8.", "code": "malformed_request"}']
    statuses: list[str] = []

    def start(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)
        return start_response(status, headers, exc_info)

    answer: Iterable[bytes] = (handler.handle if _is_program(environ) else _site)(environ, start)
    if not statuses[-1].startswith("401"):  # nobody may hold a thread who is not known
        _read_what_is_left(environ)
    return answer


def _is_program(environ: dict[str, Any]) -> bool:
    """Whether a token is presented to the API. Browsers may send other credentials, to a proxy on the way."""
    scheme: str = environ.get("HTTP_AUTHORIZATION", "")[:7].lower()
    return scheme == "bearer " and environ["PATH_INFO"].startswith(handler.API)


def _read_what_is_left(environ: dict[str, Any]) -> None:
    """A short body that nobody wanted: unread, it would now and then cost the client its connection."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdecimal() and 0 < int(length) <= BODY_READ_MAX:
        environ["wsgi.input"].read(int(length))
