"""The WSGI application that the web server runs: Django, with static files in front."""

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

_problems = [problem for problem in run_checks() if problem.level >= ERROR]
if _problems:
    raise ImproperlyConfigured("\n".join(str(problem) for problem in _problems))

_site = WhiteNoise(_django, root=settings.STATIC_ROOT, prefix=settings.STATIC_URL)


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Refuse a path that is no UTF-8: Django would store another key in its place."""
    try:
        environ["PATH_INFO"].encode("latin-1").decode()
    except UnicodeDecodeError:
        start_response("400 Bad Request", [("Content-Type", "application/json")])
        return [b'{"detail": "The path is not UTF-8.", "code": "malformed_request"}']
    return _site(environ, start_response)  # type: ignore[no-any-return]  # WhiteNoise has no types
