"""Who sent a request: a bearer token, or a browser's session with CSRF."""

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import PermissionDenied

from statestore.access import Principal
from statestore.errors import ForbiddenError, NotAuthenticatedError
from statestore.queries import principal_of_token, principal_of_user

_csrf = SessionAuthentication()


def principal_of(request: HttpRequest) -> Principal:
    """The principal of the token in `Authorization: Bearer TOKEN`, else of who has logged in.

    Raises:
        NotAuthenticatedError: the header holds no valid token; or there is none, and nobody is
            logged in.
        ForbiddenError: a logged-in user's request lacks the CSRF token.
    """
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is None:
        return _logged_in(request)
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise NotAuthenticatedError("The Authorization header must be: Bearer TOKEN.")
    return principal_of_token(secret.strip())


def _logged_in(request: HttpRequest) -> Principal:
    principal = principal_of_user(getattr(request, "user", AnonymousUser()))
    try:
        _csrf.enforce_csrf(request)  # type: ignore[arg-type]  # looks at Django's own
    except PermissionDenied as error:
        raise ForbiddenError(str(error.detail)) from None
    return principal
