"""How many requests are let in: of a token, if a setting says so, and of those who log in, always."""

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from statestore.access import Principal
from statestore.origin import address_of

View = Callable[..., HttpResponseBase]
_MINUTE = 60


class TokenThrottle(SimpleRateThrottle):
    """STATESTORE_RATE_LIMIT requests a second of one principal, in one process."""

    scope = "token"

    def get_rate(self) -> str | None:
        """None lets everything in."""
        limit = settings.STATESTORE_RATE_LIMIT
        return f"{limit}/second" if limit else None

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """One bucket for each set of credentials."""
        user: object = request.user
        if not isinstance(user, Principal):
            return None
        return f"throttle-{sha256(f'{user.origin} {user.name}'.encode()).hexdigest()}"


class LoginThrottle(SimpleRateThrottle):
    """STATESTORE_LOGIN_LIMIT failed log-ins a minute from one address, in one process."""

    scope = "login"

    def get_rate(self) -> str:
        """The setting."""
        return f"{settings.STATESTORE_LOGIN_LIMIT}/minute"

    def get_cache_key(self, request: Request | HttpRequest, view: APIView | None) -> str:
        """One bucket for each address."""
        return f"login-{address_of(request)}"

    def throttle_success(self) -> bool:
        """Let in; only what fails is counted."""
        return True

    def count(self, request: HttpRequest) -> None:
        """Remember a log-in that has failed."""
        if not self.allow_request(request, None):  # type: ignore[arg-type]  # no view is looked at
            return
        self.cache.set(self.key, [self.now, *self.history], _MINUTE)


def _count_failure(*, request: HttpRequest | None = None, **_: Any) -> None:
    if request is not None:
        LoginThrottle().count(request)


user_login_failed.connect(_count_failure)


def limit_logins(view: View) -> View:
    """A page to log in on: who fails too often waits, there as well as over the API."""

    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        throttle = LoginThrottle()
        if request.method != "POST" or throttle.allow_request(request, None):  # type: ignore[arg-type]
            return view(request, *args, **kwargs)
        seconds = int(throttle.wait() or 0) + 1
        page = render(request, "429.html", {"seconds": seconds}, status=429)
        page["Retry-After"] = str(seconds)
        return page

    return limited
