"""Tokens over HTTP: of a user who logs in, and of one task."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from statestore import services
from statestore.access import Right
from statestore.api import answer, bodies
from statestore.api.base import ApiView, TimedView
from statestore.errors import NotAuthenticatedError
from statestore.throttle import LoginThrottle

USER_TOKEN_LIFE = timedelta(hours=24)
TASK_TOKEN_LIFE_MAX = timedelta(days=30)


class UserToken(TimedView):
    """The token of a user."""

    authentication_classes: list[Any] = []  # noqa: RUF012 - DRF's interface
    permission_classes: list[Any] = []  # noqa: RUF012
    throttle_classes = [LoginThrottle]  # noqa: RUF012

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Whoever guesses passwords is slowed down."""
        self.check_throttles(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Log in with `{"username", "password"}`."""
        username, password = bodies.login(request)
        user = authenticate(request, username=username, password=password)
        if user is None:
            raise NotAuthenticatedError("There is no user of this name and password.")
        token = services.user_token_create(user=user, life=USER_TOKEN_LIFE)
        return answer.data({"access_token": token}, status=201)


class TaskTokens(ApiView):
    """Tokens that reach one task instance alone."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make one; nobody can hand out more than they have."""
        most = int(TASK_TOKEN_LIFE_MAX.total_seconds())
        scope, ttl, assets = bodies.task_token(request, ttl_most=most)
        for right in (Right.WRITE, Right.CLEAR, Right.VIEW):
            self.principal.require(scope, right)
        expires_at = datetime.now(UTC) + timedelta(seconds=ttl)
        expires_at = min(expires_at, self.principal.expires_at or expires_at)
        token = services.task_token_create(
            scope=scope, expires_at=expires_at, maker=self.principal, assets=assets
        )
        return answer.data({"token": token, "expires_at": answer.iso(expires_at)}, status=201)
