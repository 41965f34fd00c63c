"""Who looks on, from memory: a page that asks every second whether it has changed needs no database."""

import time
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.http import HttpRequest

from statestore.access import Principal
from statestore.queries import principal_of_user

_known: dict[str, tuple[Principal, float]] = {}
_KNOWN_MAX: Final = 10_000


def principal_of(request: HttpRequest) -> Principal:
    """The principal of a logged-in user, read anew, and known for the polls that follow.

    Raises:
        NotAuthenticatedError: nobody is logged in.
    """
    principal = principal_of_user(request.user)
    session = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if session:
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        _known[session] = (principal, time.monotonic() + settings.STATESTORE_TOKEN_CACHE_SECONDS)
    return principal


def known_principal(request: HttpRequest) -> Principal | None:
    """Whoever this session belonged to a few seconds ago, as for tokens; None: look them up."""
    known = _known.get(request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""))
    return known[0] if known and known[1] > time.monotonic() else None


def forget_lookers(**_: Any) -> None:
    """Look everybody up again."""
    _known.clear()


user_logged_in.connect(forget_lookers)
user_logged_out.connect(forget_lookers)
