"""The pages and their fragments: parse, one call, render."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.filters import is_filtered
from dashboard.live import live_page, task_page
from dashboard.rights import needs, needs_in_place
from dashboard.snippets import curl_first, curl_read, python_first, python_read
from statestore.access import Right
from statestore.errors import NotFoundError
from statestore.protocol import PROGRESS_KEY
from statestore.queries import principal_of_user

NOTHING_NEW = 204


@require_safe
@needs(Right.VIEW)
def live(request: HttpRequest) -> HttpResponse:
    """Every task instance, those in trouble first."""
    return render(request, "dashboard/live.html", _live_context(request))


@require_safe
@needs_in_place(Right.VIEW)
def live_fragment(request: HttpRequest) -> HttpResponse:
    """What changes on Live; 204 while nothing has."""
    context = _live_context(request)
    return _changed(request, "dashboard/_live.html", context, context["page"].cursor)


@require_safe
@needs(Right.VIEW)
def task(request: HttpRequest, task_instance_id: int) -> HttpResponse:
    """One task instance with its keys."""
    return render(request, "dashboard/task.html", _task_context(request, task_instance_id))


@require_safe
@needs_in_place(Right.VIEW)
def task_fragment(request: HttpRequest, task_instance_id: int) -> HttpResponse:
    """What changes on the page of a task instance; 204 while nothing has."""
    context = _task_context(request, task_instance_id)
    return _changed(request, "dashboard/_task.html", context, context["page"].cursor)


@require_safe
def safe(request: HttpRequest) -> HttpResponse:
    """What is safe to store; for everyone, because the banner on the login page links here."""
    return render(request, "dashboard/safe.html")


def _live_context(request: HttpRequest) -> dict[str, Any]:
    base = request.build_absolute_uri("/")
    snippets = {"curl": curl_first(base), "python": python_first(base)}
    page = live_page(request.GET, principal_of_user(request.user))
    return {"page": page, "snippets": snippets, "filtered": is_filtered(page.where)}


def _task_context(request: HttpRequest, task_instance_id: int) -> dict[str, Any]:
    try:
        page = task_page(task_instance_id, principal_of_user(request.user))
    except NotFoundError as error:
        raise Http404(error.detail) from None
    scope, base = page.detail.summary.scope, request.build_absolute_uri("/")
    key = PROGRESS_KEY if page.progress or not page.entries else page.entries[0].entry.key
    snippets = {"curl": curl_read(base, scope, key), "python": python_read(base, scope, key)}
    return {"page": page, "scope": scope, "snippets": snippets}


def _changed(
    request: HttpRequest, template: str, context: dict[str, Any], cursor: str
) -> HttpResponse:
    if request.GET.get("cursor") == cursor:
        return HttpResponse(status=NOTHING_NEW)
    return render(request, template, context)
