"""What all views of the API share."""

from typing import Any, cast

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.views import APIView

from statestore.access import Principal, Right
from statestore.api import params
from statestore.api.authentication import BearerToken, BrowserSession
from statestore.protocol import AssetScope, Scope
from statestore.queries import asset_get
from statestore.services import Writer
from statestore.throttle import TokenThrottle


class ApiView(APIView):
    """There is nothing to negotiate: bodies and answers are JSON."""

    authentication_classes = [BearerToken, BrowserSession]  # noqa: RUF012 - DRF's interface
    permission_classes: list[Any] = []  # noqa: RUF012 - every method requires its right by itself
    throttle_classes = [TokenThrottle]  # noqa: RUF012

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Know the principal before anything else is looked at."""
        self.principal = cast(Principal, request.user)
        self.check_throttles(request)

    def writer(self, request: HttpRequest) -> Writer:
        """Who writes, as which attempt, and which of its writes this is."""
        attempt, (session, sequence) = params.attempt_of(request), params.write_of(request)
        return Writer(self.principal.name, attempt, self.principal.task, session, sequence)


class ScopeView(ApiView):
    """A view below the path of a task instance or of an asset."""

    def scope(self, request: HttpRequest, ids: dict[str, str], *rights: Right) -> Scope:
        """What the path names, once the principal has one of the rights over it."""
        if "asset_id" in ids:
            found = asset_get(int(ids["asset_id"]))
            self.principal.require_asset(found.id, found.name, *rights)
            return AssetScope(found.id)
        scope = params.scope_of(request, ids["dag_id"], ids["run_id"], ids["task_id"])
        self.principal.require(scope, *rights)
        return scope
