"""The Key page, of a task instance's key and of an asset's: going back to an old value, keeping it
for longer, taking it along as a file."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import Final

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from dashboard.filters import key_of
from dashboard.history import curve_of, fields_of, steps_of
from dashboard.jsontree import has_tree, tree_html
from dashboard.jsonview import json_view
from dashboard.rights import needs
from dashboard.snippets import curl_read, python_read
from dashboard.watch import watcher
from statestore import queries, services
from statestore.access import Principal, Right
from statestore.errors import ForbiddenError, NotFoundError, PreconditionFailedError
from statestore.jsonpretty import pretty
from statestore.jsontext import MalformedJSON, read_value
from statestore.protocol import NEVER_EXPIRE, AssetScope, InvalidInput, NeverExpire
from statestore.queries import KeyHistory, principal_of_user
from statestore.services import Writer

VERSION_DIGITS: Final = 18
PRETTY: Final = "pretty"
FORMS: Final = {PRETTY: "Pretty", "tree": "Tree", "raw": "Raw"}  # `?as=`
RETENTIONS: Final[dict[str, tuple[str, timedelta | NeverExpire]]] = {
    "1": ("1 day", timedelta(days=1)),
    "7": ("7 days", timedelta(days=7)),
    "30": ("30 days", timedelta(days=30)),
    "90": ("90 days", timedelta(days=90)),
    "never": ("ever", NEVER_EXPIRE),
}

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


@require_safe
@needs(Right.VIEW)
@answers_refusals
def key(request: HttpRequest, **owner: int) -> HttpResponse:
    """A key with its versions."""
    return _page(request, _history(request, owner))


def _page(
    request: HttpRequest, found: KeyHistory, *, text: str = "", wrong: str = ""
) -> HttpResponse:
    """The page; with what somebody wanted to make of the value, and why that cannot be."""
    history = _shown(found)
    base = request.build_absolute_uri("/")
    scope, name, value = history.scope, history.entry.key, history.entry.value
    urls = _urls(history)
    hidden = value == queries.HIDDEN
    forms = {word: text for word, text in FORMS.items() if word != "tree" or has_tree(value)}
    form = request.GET.get("as", PRETTY)
    form = form if form in forms and not hidden else PRETTY
    context = {
        "history": history,
        "hidden": hidden,
        "scope": scope,
        "entry": history.entry,
        "view": json_view(value),
        "forms": forms,
        "form": form,
        "tree": tree_html(value, raw_url=f"{urls['page_url']}&as=raw") if form == "tree" else "",
        "steps": steps_of(history.versions),
        "curve": curve_of(history.versions, request.GET.get("field")),
        "fields": fields_of(history.versions),
        "snippets": {
            "curl": curl_read(base, scope, name),
            "Python": python_read(base, scope, name, asset=history.asset),
        },
        "may_write": _may(request, history, Right.WRITE),
        "may_reveal": hidden and _may(request, history, Right.ADMINISTER),
        "may_clear": _may(request, history, Right.CLEAR),
        "retentions": {word: text for word, (text, _) in RETENTIONS.items()},
        "text": text or pretty(value),
        "wrong": wrong,
        "page_path": urls["page_url"].partition("?")[0],
        **urls,
    }
    return render(request, "dashboard/key.html", context, status=422 if wrong else 200)


@require_safe
@needs(Right.VIEW)
@answers_refusals
def download(request: HttpRequest, **owner: int) -> HttpResponse:
    """The value as it was sent, as a file."""
    history = _shown(_history(request, owner))
    headers = {"Content-Disposition": 'attachment; filename="value.json"'}
    return HttpResponse(
        history.entry.value, content_type="application/json; charset=utf-8", headers=headers
    )


@require_POST
@needs(Right.WRITE)
@answers_refusals
def restore(request: HttpRequest, **owner: int) -> HttpResponse:
    """Write an old version again."""
    history = _history(request, owner, Right.WRITE)
    number = _number(request.POST.get("version", ""))
    new = services.entry_restore(
        scope=history.scope,
        key=history.entry.key,
        version=number,
        writer=_writer(request),
    )
    return _done(request, history, f"Version {number} is restored, as version {new}.")


@require_POST
@needs(Right.WRITE)
@answers_refusals
def edit(request: HttpRequest, **owner: int) -> HttpResponse:
    """Change the value, if it is still the one that was shown."""
    history = _history(request, owner, Right.WRITE)
    text = request.POST.get("value", "").replace("\r\n", "\n").strip()
    try:
        new = services.entry_edit(
            scope=history.scope,
            key=history.entry.key,
            value=text,
            decoded=_value_of(text),
            version=_number(request.POST.get("version", "")),
            writer=_writer(request),
        )
    except (InvalidInput, MalformedJSON) as error:
        return _page(request, history, text=text, wrong=f"Nothing was changed: {error}.")
    except PreconditionFailedError:
        wrong = "Nothing was changed: it was written meanwhile. Its new value is above."
        return _page(request, history, text=text, wrong=wrong)
    return _done(request, history, f"The value is changed, in version {new}.")


def _value_of(text: str) -> object:
    body, most = text.encode(errors="replace"), settings.STATESTORE_VALUE_MAX_BYTES
    if len(body) > most:
        raise MalformedJSON(f"a value may have {most:,} bytes")
    value = read_value(body).value
    if value is None:
        raise MalformedJSON("null is no value; clear the key instead")
    return value


def _number(text: str) -> int:
    known = text.isascii() and text.isdecimal() and len(text) <= VERSION_DIGITS
    return int(text) if known else 0


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
    return redirect(_urls(history)["page_url"])


def _urls(history: KeyHistory) -> dict[str, str]:
    """Where the page and its actions are, of either kind."""
    kind = "asset_" if history.asset else ""
    actions = ("download", "restore", "edit")
    found = {f"{action}_url": f"{kind}key_{action}" for action in actions}
    found["page_url"] = f"{kind}key"
    found["clear_url"] = "clear_asset_key" if history.asset else "clear_key"
    query = urlencode({"key": history.entry.key})
    return {
        word: f"{reverse(f'dashboard:{name}', args=[history.owner_id])}?{query}"
        for word, name in found.items()
    }


def _history(request: HttpRequest, owner: dict[str, int], *rights: Right) -> KeyHistory:
    name = key_of(request.POST if "key" in request.POST else request.GET)
    principal = principal_of_user(request.user)
    if "asset_id" in owner:
        history = queries.asset_key_history(owner["asset_id"], name, principal)
    else:
        history = queries.key_history(owner["task_instance_id"], name, principal)
    for right in rights:
        _require(principal, history, right)
    return history


def _require(principal: Principal, history: KeyHistory, right: Right) -> None:
    if isinstance(history.scope, AssetScope):
        principal.require_asset(history.owner_id, history.asset, right)
    else:
        principal.require(history.scope, right)


def _shown(history: KeyHistory) -> KeyHistory:
    """Without the value and its versions, where something in them looks like a secret."""
    values = {history.entry.value, *(version.value for version in history.versions)}
    hidden = queries.hidden_among(
        ((history.owner_id, history.entry.key, value) for value in values),
        of_asset=bool(history.asset),
    )
    entry = queries.masked(history.entry, history.owner_id, hidden)
    return history if entry is history.entry else replace(history, entry=entry, versions=[])


def _may(request: HttpRequest, history: KeyHistory, right: Right) -> bool:
    try:
        _require(principal_of_user(request.user), history, right)
    except ForbiddenError:
        return False
    return True


def _writer(request: HttpRequest) -> Writer:
    reason = request.POST.get("reason", "").replace("\0", "")
    return Writer(principal_of_user(request.user).name, reason=reason)
