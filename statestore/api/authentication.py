"""Who sent a request: a bearer token, or a browser's session with CSRF."""

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from statestore.access import Principal
from statestore.errors import ForbiddenError, NotAuthenticatedError
from statestore.queries import principal_of_token, principal_of_user


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer TOKEN`."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """The token's principal; None where no Authorization header was sent.

        Raises:
            NotAuthenticatedError: the header holds no valid token.
        """
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise NotAuthenticatedError("The Authorization header must be: Bearer TOKEN.")
        return principal_of_token(secret.strip()), None


class BrowserSession(SessionAuthentication):
    """The session of someone who has logged in, for requests from pages."""

    def authenticate(self, request: Request) -> tuple[Principal, None]:
        """The logged-in user's principal.

        Raises:
            NotAuthenticatedError: nobody is logged in.
            ForbiddenError: the request lacks the CSRF token.
        """
        user = getattr(request._request, "user", AnonymousUser())
        principal = principal_of_user(user)
        try:
            self.enforce_csrf(request)
        except PermissionDenied as error:
            raise ForbiddenError(str(error.detail)) from None
        return principal, None
