"""The Secrets page: what looks like a secret, and what people do about it."""

from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.filters import key_of, number_of, position_of
from dashboard.jsonview import json_view
from dashboard.keys import answers_refusals, version_of
from dashboard.rights import needs
from dashboard.secret_count import forget_counts
from dashboard.watch import cursor_of, watcher
from statestore import queries, services
from statestore.access import Principal, Right
from statestore.errors import PreconditionFailedError
from statestore.protocol import AssetScope, Scope
from statestore.queries import Finding, FindingFilter, principal_of_user
from statestore.services import Writer

FIELDS: Final = ("dag", "key", "rule")


@dataclass(frozen=True, slots=True)
class Row:
    """A finding, and what who looks at it may do about it."""

    found: Finding
    may_clear: bool
    may_decide: bool


@dataclass(frozen=True, slots=True)
class SecretsPage:
    """The page."""

    cursor: str
    where: FindingFilter
    findings: list[Finding]
    position: str
    next_after: str
    looked_at: int

    @property
    def dismissed(self) -> bool:
        """Whether it lists what was found to be no secret."""
        return self.where.dismissed

    @property
    def is_filtered(self) -> bool:
        """Whether the filter leaves any of these out."""
        return self.where != FindingFilter(dismissed=self.dismissed)


def read_secrets(params: QueryDict, principal: Principal) -> SecretsPage:
    """What is open, or with `?state=dismissed` what was found to be no secret."""
    texts = {name: params.get(name, "").replace("\0", "").strip() for name in FIELDS}
    where = FindingFilter(dismissed=params.get("state") == "dismissed", **texts)
    position = position_of(params)
    found = queries.finding_page(where=where, principal=principal, position=position)
    return SecretsPage(
        cursor_of(found, where), where, found.findings, position, found.next_after, found.looked_at
    )


@require_http_methods(["GET", "POST"])
@needs(Right.ADMINISTER)
@answers_refusals
def reveal(request: HttpRequest) -> HttpResponse:
    """Show one hidden value, and its versions that look like a secret, in the answer to this request
    alone. Who comes back to that, by a reload or the login, is led to the page."""
    if request.method == "GET":
        return redirect("dashboard:secrets")
    scope, key, writer = _named(request, Right.ADMINISTER, Right.VIEW)
    values = [
        (found.version, json_view(found.value, whole=True))
        for found in services.secret_reveal(scope=scope, key=key, writer=writer)
    ]
    shown = {"scope": scope, "key": key, "values": values, "page": _page_of(request, scope)}
    principal = principal_of_user(request.user)
    page = read_secrets(request.GET, principal)
    context = {"page": page, "revealed": shown, **beside_secrets(request, page, principal)}
    answer = render(request, "dashboard/secrets.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
@needs(Right.ADMINISTER)
@answers_refusals
def dismiss(request: HttpRequest) -> HttpResponse:
    """Mark a false alarm, if what looks like a secret is still what was shown."""
    scope, key, writer = _named(request, Right.ADMINISTER)
    version, seen = version_of(request.POST), request.POST.get("seen", "")
    try:
        left = services.secret_dismiss(
            scope=scope, key=key, version=version, seen=seen, writer=writer
        )
    except PreconditionFailedError:
        said = f"Nothing was marked: {key} was written meanwhile. Look again."
        messages.error(request, said, extra_tags="bad")
        return redirect("dashboard:secrets")
    forget_counts()
    watcher.forget()
    shown = "it stays hidden for a version that came since: look again" if left else "shown again"
    messages.success(request, f"{key} is no secret, and {shown}.")
    return redirect("dashboard:secrets")


def _page_of(request: HttpRequest, scope: Scope) -> str:
    """Where the key is shown without its value."""
    kind = "asset_key" if isinstance(scope, AssetScope) else "key"
    page = reverse(f"dashboard:{kind}", args=[request.POST["owner"]])
    return f"{page}?{urlencode({'key': key_of(request.POST)})}"


def beside_secrets(
    request: HttpRequest, page: SecretsPage, principal: Principal
) -> dict[str, list[Row]]:
    """What else the templates see: the findings, with what this one may do about each."""
    return {"rows": [_row(finding, principal) for finding in page.findings]}


def _row(found: Finding, principal: Principal) -> Row:
    def may(right: Right) -> bool:
        if found.scope is None:
            return principal.may_asset(found.asset, right)
        return principal.may(found.scope, right)

    return Row(found, may(Right.CLEAR), may(Right.ADMINISTER))


def _named(request: HttpRequest, *rights: Right) -> tuple[Scope, str, Writer]:
    """The entry that the form names, once the user has these rights over it."""
    principal, form = principal_of_user(request.user), request.POST
    owner = number_of(form.get("owner", ""))
    if owner is None:
        raise Http404("The form names no entry.")
    scope: Scope = AssetScope(owner)
    if form.get("kind") == "asset":
        name = queries.asset_get(owner).name
        for right in rights:
            principal.require_asset(owner, name, right)
    else:
        scope = queries.task_scope(owner, principal)
        for right in rights:
            principal.require(scope, right)
    reason = form.get("reason", "").replace("\0", "")
    return scope, key_of(form), Writer(principal.name, reason=reason)
