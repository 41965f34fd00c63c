"""What all views of the API share."""

import time
from typing import Any, cast

from django.http import HttpRequest, HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from statestore.access import Principal, Right
from statestore.api import params
from statestore.api.authentication import BearerToken, BrowserSession
from statestore.protocol import TIME_HEADER, AssetScope, Scope
from statestore.queries import asset_get
from statestore.services import Writer
from statestore.throttle import TokenThrottle

VERBS = ["get", "head", "post", "put", "patch", "delete"]
"""Without OPTIONS: what DRF answers to it is not described, and nobody asks."""


class TimedView(APIView):
    """Tells the server's time in every answer."""

    def finalize_response(self, *args: Any, **kwargs: Any) -> Any:
        """The answer, with the time when it was ready."""
        response: HttpResponseBase = super().finalize_response(*args, **kwargs)
        response[TIME_HEADER] = f"{time.time():.6f}"
        return response


class ApiView(TimedView):
    """There is nothing to negotiate: bodies and answers are JSON."""

    http_method_names = VERBS
    authentication_classes = [BearerToken, BrowserSession]  # noqa: RUF012 - DRF's interface
    permission_classes: list[Any] = []  # noqa: RUF012 - every method requires its right by itself
    throttle_classes = [TokenThrottle]  # noqa: RUF012

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Know the principal before anything else is looked at."""
        self.principal = cast(Principal, request.user)
        params.refuse_late(request)
        self.check_throttles(request)

    def writer(self, request: HttpRequest) -> Writer:
        """Who writes, as which attempt, and which of its writes this is.

        Raises:
            TooLateError: the deadline has passed while the body came.
        """
        params.refuse_late(request)
        attempt, (session, sequence) = params.attempt_of(request), params.write_of(request)
        reason = params.reason_of(request)
        return Writer(self.principal.name, attempt, self.principal.task, session, sequence, reason)


class ScopeView(ApiView):
    """A view below the path of a task instance or of an asset."""

    def scope(self, request: HttpRequest, ids: dict[str, str], *rights: Right) -> Scope:
        """What the path names, once the principal has one of the rights over it."""
        return self._scope(request, ids, rights)

    def seen_scope(self, request: HttpRequest, ids: dict[str, str]) -> Scope:
        """What the path names, once the principal may write to it and see what that makes of it."""
        return self._scope(request, ids, (Right.WRITE,), (Right.VIEW,))

    def _scope(self, request: HttpRequest, ids: dict[str, str], *each: tuple[Right, ...]) -> Scope:
        if "asset_id" in ids:
            found = asset_get(int(ids["asset_id"]))
            for rights in each:
                self.principal.require_asset(found.id, found.name, *rights)
            params.refuse_attempt(request)
            return AssetScope(found.id)
        scope = params.scope_of(request, ids["dag_id"], ids["run_id"], ids["task_id"])
        for rights in each:
            self.principal.require(scope, *rights)
        return scope
