"""What all views of the API share."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.views import APIView

from statestore.access import Right
from statestore.api import params
from statestore.api.authentication import principal_of
from statestore.protocol import TIME_HEADER, AssetScope, Scope
from statestore.queries import asset_get
from statestore.services import Writer
from statestore.throttle import TokenThrottle

VERBS = ["get", "head", "post", "put", "patch", "delete"]
"""Without OPTIONS: what DRF answers to it is not described, and nobody asks."""


class TimedView(APIView):
    """Tells the server's time in every answer."""

    http_method_names = VERBS

    def finalize_response(self, *args: Any, **kwargs: Any) -> Any:
        """The answer, with the time when it was ready."""
        response: HttpResponseBase = super().finalize_response(*args, **kwargs)
        response[TIME_HEADER] = f"{time.time():.6f}"
        return response


class ApiView(APIView):
    """There is nothing to negotiate: bodies and answers are JSON, and are read and written by hand.

    So DRF's own wrapper of the request, its renderers and its headers are left out: they took as
    long as the database (docs/performance.md).
    """

    http_method_names = VERBS
    throttle_classes = [TokenThrottle]  # noqa: RUF012

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer, or refuse."""
        try:
            self.initial(request)
            response: HttpResponse = self._method(request)(request, *args, **kwargs)
        except Exception as exception:  # noqa: BLE001 - every refusal is one
            response = self.handle_exception(exception)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response["Allow"] = ", ".join(self.allowed_methods)
        response[TIME_HEADER] = f"{time.time():.6f}"
        response["X-Content-Type-Options"] = "nosniff"
        return response

    def initial(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Know the principal before anything else is looked at. Every method requires its right."""
        self.principal = principal_of(request)
        request.user = self.principal  # type: ignore[assignment]  # for the throttle and the audit
        params.refuse_late(request)
        if settings.STATESTORE_RATE_LIMIT:
            self.check_throttles(request)  # type: ignore[arg-type]  # it reads the user

    def _method(self, request: HttpRequest) -> Callable[..., HttpResponse]:
        verb = str(request.method).lower()
        found: Callable[..., HttpResponse] | None = None
        if verb in self.http_method_names:
            found = getattr(self, verb, None)
        if found is None:
            raise MethodNotAllowed(verb.upper())
        return found

    def writer(self, request: HttpRequest) -> Writer:
        """Who writes, as which attempt, and which of its writes this is.

        Raises:
            TooLateError: the deadline has passed while the body came.
        """
        params.refuse_late(request)
        attempt = params.attempt_of(request)
        session, sequence = params.write_of(request, self.principal)
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
