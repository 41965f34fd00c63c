"""How a page answers: in full, and as the fragment of it that changes."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from dashboard.lookers import principal_of
from dashboard.polls import NOTHING_NEW, Fragment, packed_for, polled
from dashboard.rights import may_make_tokens, needs, needs_in_place
from dashboard.watch import Page, watcher
from statestore.access import Principal, Right
from statestore.errors import NotFoundError

Reader = Callable[..., Page]
View = Callable[..., HttpResponseBase]
More = Callable[[HttpRequest, Any, Principal], dict[str, Any]]
PUSHES: Final = "statestore.pushes"  # in the environ of a server that pushes what changes
# What of a request shows in a fragment, beside its query: the server's address.
_ADDRESS: Final = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SCRIPT_NAME", "HTTP_HOST", "SERVER_NAME",
                   "SERVER_PORT", "wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO")  # fmt: skip


def page_and_fragment(
    name: str,
    read: Reader,
    more: More = lambda request, page, principal: {},
    *,
    right: Right = Right.VIEW,
    personal: bool = False,
) -> tuple[View, View]:
    """Two views of what `read` finds: `dashboard/<name>.html`, and `dashboard/_<name>.html`, which
    answers 204 while the page that asks shows this already. `more` adds to what templates see.
    Both need the `right`, and read what it reaches.

    A fragment is drawn once for all who have the same rights, unless it is `personal`: holds a form.
    """
    views = _Views(name, read, more, right, personal)
    return require_safe(needs(right)(views.full)), require_safe(views.fragment)


@dataclass(frozen=True)
class _Views:
    name: str
    read: Reader
    more: More
    right: Right
    personal: bool

    def full(self, request: HttpRequest, /, **ids: Any) -> HttpResponse:
        """The whole page, with what another process has just written for the one who asks."""
        context = self._context(request, ids, anew=True)
        # Where everybody is looked up each time, there is nothing to push from memory.
        known = settings.STATESTORE_TOKEN_CACHE_SECONDS > 0
        context["pushes"] = request.META.get(PUSHES) and known and not self.personal
        return render(request, f"dashboard/{self.name}.html", context)

    def fragment(self, request: HttpRequest, /, **ids: Any) -> HttpResponseBase:
        """What of it changes."""
        return needs_in_place(self.right)(self._changed)(request, **ids)

    def _changed(self, request: HttpRequest, /, **ids: Any) -> HttpResponse:
        context = self._context(request, ids)
        page, principal = context["page"], context["principal"]
        key, look = self._key(request, principal, ids), _look(request, principal)
        polled(request, principal, key, look)
        if page.cursor == request.GET.get("cursor"):
            return HttpResponse(status=NOTHING_NEW)
        template = f"dashboard/_{self.name}.html"
        if self.personal:
            return render(request, template, context)

        asked, makes_tokens = _without_person(request), context["makes_tokens"]

        def draw(page: Page) -> Fragment:
            seen = {"page": page, "principal": principal, "makes_tokens": makes_tokens}
            seen |= self.more(asked, page, principal)
            return Fragment.of(render_to_string(template, seen, asked))

        return packed_for(request, watcher.draw(key, page, look, draw), HttpResponse())

    def _context(
        self, request: HttpRequest, ids: dict[str, Any], *, anew: bool = False
    ) -> dict[str, Any]:
        principal, params = principal_of(request), request.GET
        key = self._key(request, principal, ids)
        try:
            page = watcher.page(
                key,
                lambda: self.read(params, principal, **ids),
                task=ids.get("task_instance_id"),
                anew=anew,
            )
        except NotFoundError as error:
            raise Http404(error.detail) from None
        makes_tokens = may_make_tokens(request, principal)
        seen = {"page": page, "principal": principal, "makes_tokens": makes_tokens}
        return seen | self.more(request, page, principal)

    def _key(self, request: HttpRequest, principal: Principal, ids: dict[str, Any]) -> Any:
        """What is read: the same for all who may see the same."""
        asked = tuple(sorted((k, v) for k, v in request.GET.items() if k != "cursor"))
        reach = (principal.dag_patterns(self.right), principal.asset_patterns(self.right))
        return self.name, tuple(ids.items()), asked, reach


def _without_person(request: HttpRequest) -> HttpRequest:
    """The request without who asks: a fragment is for all with the same rights, and drawn
    again for as long as anybody looks on."""
    asked: dict[str, Any] = {"wsgi.input": BytesIO()}
    asked |= {name: request.META[name] for name in _ADDRESS if name in request.META}
    return WSGIRequest(asked)


def _look(request: HttpRequest, principal: Principal) -> str:
    """What else of a request shows in a fragment: which buttons, and the server's address. A text, since
    a thousand ask for theirs at each look, and it keeps its hash."""
    buttons = principal.grants, may_make_tokens(request, principal)
    return repr((*buttons, request.scheme, request.get_host()))
