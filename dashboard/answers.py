"""How a page answers: in full, and as the fragment of it that changes."""

from collections.abc import Callable
from typing import Any, Concatenate, Final, ParamSpec

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.lookers import known_principal, principal_of
from dashboard.rights import needs, needs_in_place
from dashboard.watch import Page, watcher
from statestore.access import Principal, Right
from statestore.errors import NotFoundError

NOTHING_NEW: Final = 204

P = ParamSpec("P")
Reader = Callable[Concatenate[QueryDict, Principal, P], Page]
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def page_and_fragment(
    name: str,
    read: Reader[P],
    more: Callable[[HttpRequest, Any], dict[str, Any]] = lambda request, page: {},
) -> tuple[View[P], View[P]]:
    """Two views of what `read` finds: `dashboard/<name>.html`, and `dashboard/_<name>.html`, which
    answers 204 while the page that asks shows this already. `more` adds to what templates see."""

    def key_of(request: HttpRequest, principal: Principal, kwargs: dict[str, Any]) -> Any:
        asked = tuple(sorted((k, v) for k, v in request.GET.items() if k != "cursor"))
        reach = (principal.dag_patterns(Right.VIEW), principal.asset_patterns(Right.VIEW))
        return name, tuple(kwargs.values()), asked, reach

    def context(request: HttpRequest, kwargs: dict[str, Any]) -> dict[str, Any]:
        principal, params = principal_of(request), request.GET
        try:
            page = watcher.page(
                key_of(request, principal, kwargs),
                lambda: read(params, principal, **kwargs),  # type: ignore[call-arg]
            )
        except NotFoundError as error:
            raise Http404(error.detail) from None
        return {"page": page, "principal": principal, **more(request, page)}

    @require_safe
    @needs(Right.VIEW)
    def full(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        return render(request, f"dashboard/{name}.html", context(request, kwargs))

    @needs_in_place(Right.VIEW)
    def changed(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        found = context(request, kwargs)
        if found["page"].cursor == request.GET.get("cursor"):
            return HttpResponse(status=NOTHING_NEW)
        return render(request, f"dashboard/_{name}.html", found)

    @require_safe
    def fragment(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        principal, cursor = known_principal(request), request.GET.get("cursor")
        if (
            cursor
            and principal is not None
            and principal.has(Right.VIEW)
            and watcher.cursor(key_of(request, principal, kwargs)) == cursor
        ):
            return HttpResponse(status=NOTHING_NEW)  # neither session nor database: most polls
        return changed(request, *args, **kwargs)

    return full, fragment
