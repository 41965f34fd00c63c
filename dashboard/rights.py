"""Who may see the pages: whoever is logged in and has the right."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from statestore.access import USER_PERMISSIONS, Principal, Right

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

MISSING = (
    "Your account lacks the right to {right} task state ({permission}). "
    "An administrator can grant it to you or to one of your groups, in the admin site under Users."
)


def missing(right: Right) -> str:
    """What a refusal says of the right that is missing."""
    return MISSING.format(right=right, permission=USER_PERMISSIONS[right])


def needs(right: Right) -> Callable[[View[P]], View[P]]:
    """A page: others are sent to the login, or told which right is missing."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(_page_of(request))
            if not request.user.has_perm(USER_PERMISSIONS[right]):
                raise PermissionDenied(missing(right))
            return _not_stored(view(request, *args, **kwargs))

        return guarded

    return decorate


def may_make_tokens(request: HttpRequest, principal: Principal) -> bool:
    """Whether the admin site lets who asks make a token for workers."""
    user = request.user
    may = user.is_active and user.is_staff and user.has_perm("statestore.add_apitoken")
    return may and principal.is_unlimited


def _page_of(request: HttpRequest) -> str:
    """Where whoever asks is after the login: at this page, or at the one whose form was sent."""
    if request.method == "GET":
        return request.get_full_path()
    form = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(form, {request.get_host()}):
        return urlsplit(form)._replace(scheme="", netloc="").geturl()
    return reverse("dashboard:live")


def _not_stored(response: HttpResponseBase) -> HttpResponseBase:
    """The same, of which a browser keeps nothing: who goes Back after signing out sees no values."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def needs_in_place(right: Right) -> Callable[[View[P]], View[P]]:
    """A fragment: others get a bare 401 or 403, so that no login page lands inside a page."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return HttpResponse(status=401)
            if not request.user.has_perm(USER_PERMISSIONS[right]):
                return HttpResponse(status=403)
            return _not_stored(view(request, *args, **kwargs))

        return guarded

    return decorate
