"""How many requests are let in: of a token, if a setting says so, and of those who log in, always."""

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from statestore.access import Principal


class TokenThrottle(SimpleRateThrottle):
    """STATESTORE_RATE_LIMIT requests a second of one principal, in one process."""

    scope = "token"

    def get_rate(self) -> str | None:
        """None lets everything in."""
        limit = settings.STATESTORE_RATE_LIMIT
        return f"{limit}/second" if limit else None

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """One bucket for each principal."""
        user: object = request.user
        return f"throttle-{user.name}" if isinstance(user, Principal) else None


class LoginThrottle(SimpleRateThrottle):
    """STATESTORE_LOGIN_LIMIT log-ins a minute from one address, in one process."""

    scope = "login"

    def get_rate(self) -> str:
        """The setting."""
        return f"{settings.STATESTORE_LOGIN_LIMIT}/minute"

    def get_cache_key(self, request: Request | HttpRequest, view: APIView | None) -> str:
        """One bucket for each address."""
        return f"login-{request.META.get('REMOTE_ADDR')}"
