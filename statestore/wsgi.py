"""The WSGI application that the web server runs: Django, with static files in front."""

import os

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

application = WhiteNoise(_django, root=settings.STATIC_ROOT, prefix=settings.STATIC_URL)
