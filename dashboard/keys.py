"""What people do on the Key page, of a task instance's key and of an asset's: change the value, go back
to an old one, keep it for longer, take it along as a file."""

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.filters import key_of, number_of
from dashboard.keyview import (
    RETENTIONS,
    beside_key,
    history_of,
    page_of,
    require,
    urls_of,
)
from dashboard.rights import needs
from dashboard.watch import watcher
from statestore import services
from statestore.access import Right
from statestore.errors import ForbiddenError, HiddenError, NotFoundError, PreconditionFailedError
from statestore.jsontext import MalformedJSON, read_value
from statestore.protocol import AssetScope, InvalidInput
from statestore.queries import KeyHistory, principal_of_user
from statestore.services import Writer

View = Callable[..., HttpResponseBase]


def answers_refusals(view: View) -> View:
    """What is not there is 404, and what reaches too far 403."""

    @wraps(view)
    def answered(request: HttpRequest, *args: int, **kwargs: int) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except NotFoundError as error:
            raise Http404(error.detail) from None
        except ForbiddenError as error:
            raise PermissionDenied(error.detail) from None

    return answered


def _refused(request: HttpRequest, history: KeyHistory, text: str, wrong: str) -> HttpResponse:
    """The page with what somebody wanted to make of the value, and why that cannot be."""
    page, principal = page_of(history), principal_of_user(request.user)
    told = {"page": page, "principal": principal, **beside_key(request, page, principal)}
    told |= {"text": text, "wrong": wrong}
    return render(request, "dashboard/key.html", told, status=422)


@require_safe
@needs(Right.VIEW)
@answers_refusals
def download(request: HttpRequest, **owner: int) -> HttpResponse:
    """The value as it was sent, as a file; `?version=` is an older one."""
    page = page_of(_history(request, owner))
    if page.hidden:
        raise HiddenError
    history = page.history
    value, version = history.entry.value, request.GET.get("version")
    if version is not None:
        values = {str(kept.version): kept.value for kept in history.versions}
        value = values.get(version, "")
        if not value:
            raise Http404("This version is not kept.")
    headers = {"Content-Disposition": 'attachment; filename="value.json"'}
    return HttpResponse(value, content_type="application/json; charset=utf-8", headers=headers)


@require_POST
@needs(Right.WRITE)
@answers_refusals
def restore(request: HttpRequest, **owner: int) -> HttpResponse:
    """Write an old version again."""
    history = _history(request, owner, Right.WRITE)
    number = version_of(request.POST)
    try:
        new = services.entry_restore(
            scope=history.scope,
            key=history.entry.key,
            version=number,
            writer=_writer(request),
        )
    except InvalidInput as error:
        said = f"Version {number} was not restored: {error}."
        messages.error(request, said, extra_tags="bad")
        return redirect(urls_of(history)["page_url"])
    return _done(request, history, f"Version {number} is restored, as version {new}.")


@require_http_methods(["GET", "POST"])
@needs(Right.WRITE)
@answers_refusals
def edit(request: HttpRequest, **owner: int) -> HttpResponse:
    """Change the value, if it is still the one that was shown. Who comes back to the answer, by a reload or
    the login, is led to the page."""
    history = _history(request, owner, Right.WRITE)
    if request.method == "GET":
        return redirect(urls_of(history)["page_url"])
    text = request.POST.get("value", "").replace("\r\n", "\n").strip()
    try:
        new = services.entry_edit(
            scope=history.scope,
            key=history.entry.key,
            value=text,
            decoded=_value_of(text),
            version=version_of(request.POST),
            writer=_writer(request),
        )
    except (InvalidInput, MalformedJSON) as error:
        return _refused(request, history, text, f"Nothing was changed: {error}.")
    except PreconditionFailedError:
        wrong = "Nothing was changed: it was written meanwhile. Its new value is above."
        return _refused(request, history, text, wrong)
    return _done(request, history, f"The value is changed, in version {new}.")


def _value_of(text: str) -> object:
    body, most = text.encode(errors="replace"), settings.STATESTORE_VALUE_MAX_BYTES
    if len(body) > most:
        raise MalformedJSON(f"a value may have {most:,} bytes")
    value = read_value(body).value
    if value is None:
        raise MalformedJSON("null is no value; clear the key instead")
    return value


def version_of(form: QueryDict) -> int:
    """The version that a form names; 0: it names none."""
    return number_of(form.get("version", "")) or 0


@require_POST
@needs(Right.WRITE)
@answers_refusals
def extend(request: HttpRequest, task_instance_id: int) -> HttpResponse:
    """Keep the key for longer."""
    history = _history(request, {"task_instance_id": task_instance_id}, Right.WRITE)
    chosen = RETENTIONS.get(request.POST.get("retention", ""))
    if chosen is None or isinstance(history.scope, AssetScope):
        raise Http404("The form names no retention.")
    until = services.entry_extend(
        scope=history.scope, key=history.entry.key, retention=chosen[1], writer=_writer(request)
    )
    kept = "for ever" if until is None else f"until {until:%Y-%m-%d %H:%M} UTC"
    return _done(request, history, f"The key is kept {kept}.")


def _done(request: HttpRequest, history: KeyHistory, text: str) -> HttpResponse:
    watcher.forget()
    messages.success(request, text)
    return redirect(urls_of(history)["page_url"])


def _history(request: HttpRequest, owner: dict[str, int], *rights: Right) -> KeyHistory:
    name = key_of(request.POST if "key" in request.POST else request.GET)
    principal = principal_of_user(request.user)
    history = history_of(name, principal, owner)
    for right in rights:
        require(principal, history, right)
    return history


def _writer(request: HttpRequest) -> Writer:
    reason = request.POST.get("reason", "").replace("\0", "")
    return Writer(principal_of_user(request.user).name, reason=reason)
