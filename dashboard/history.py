"""The Key page: one key, what it has been, and going back to it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import unified_diff
from functools import wraps
from itertools import pairwise
from typing import Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from dashboard.jsonview import JsonView, json_view
from dashboard.rights import needs
from dashboard.snippets import curl_read, python_read
from dashboard.watch import watcher
from statestore import queries, services
from statestore.access import Right
from statestore.errors import ForbiddenError, NotFoundError
from statestore.jsonpretty import pretty
from statestore.progress import number_of
from statestore.queries import KeyHistory, Version, principal_of_user
from statestore.services import Writer

LINES_MAX: Final = 400  # longer values are not compared line by line
LONG: Final = 20_000  # characters that are not even laid out for it
WIDTH, HEIGHT = 600, 140
VERSION_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a difference."""

    sign: str  # + - or nothing
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """A version, and what it changed in the one before it (None: too long to compare)."""

    version: Version
    view: JsonView
    changed: list[Line] | None
    first: bool  # there is no older one to compare it with


@dataclass(frozen=True, slots=True)
class Curve:
    """A number in every version, drawn from the oldest to the newest."""

    name: str  # of the field; empty where the value itself is the number
    points: str
    least: float
    most: float


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
def key(request: HttpRequest, task_instance_id: int) -> HttpResponse:
    """A key with its versions."""
    history = _shown(_history(request, task_instance_id))
    base = request.build_absolute_uri("/")
    scope, name = history.scope, history.entry.key
    context = {
        "history": history,
        "hidden": history.entry.value == queries.HIDDEN,
        "scope": scope,
        "entry": history.entry,
        "view": json_view(history.entry.value),
        "steps": steps_of(history.versions),
        "curve": curve_of(history.versions, request.GET.get("field")),
        "fields": fields_of(history.versions),
        "snippets": {
            "curl": curl_read(base, scope, name),
            "Python": python_read(base, scope, name),
        },
        "may_write": _may(request, history, Right.WRITE),
        "may_clear": _may(request, history, Right.CLEAR),
    }
    return render(request, "dashboard/key.html", context)


@require_safe
@needs(Right.VIEW)
@answers_refusals
def download(request: HttpRequest, task_instance_id: int) -> HttpResponse:
    """The value as it was sent, as a file."""
    history = _shown(_history(request, task_instance_id))
    headers = {"Content-Disposition": 'attachment; filename="value.json"'}
    return HttpResponse(
        history.entry.value, content_type="application/json; charset=utf-8", headers=headers
    )


@require_POST
@needs(Right.WRITE)
@answers_refusals
def restore(request: HttpRequest, task_instance_id: int) -> HttpResponse:
    """Write an old version again."""
    history = _history(request, task_instance_id, Right.WRITE)
    number = request.POST.get("version", "")
    known = number.isascii() and number.isdecimal() and len(number) <= VERSION_DIGITS
    new = services.entry_restore(
        scope=history.scope,
        key=history.entry.key,
        version=int(number) if known else 0,
        writer=_writer(request),
    )
    watcher.forget()
    messages.success(request, f"Version {number} is restored, as version {new}.")
    return redirect(key_url(task_instance_id, history.entry.key))


def key_url(task_instance_id: int, name: str) -> str:
    """The page of a key."""
    return f"{reverse('dashboard:key', args=[task_instance_id])}?{urlencode({'key': name})}"


def _history(request: HttpRequest, task_instance_id: int, *rights: Right) -> KeyHistory:
    name = request.POST.get("key", request.GET.get("key", "")).replace("\0", "")
    principal = principal_of_user(request.user)
    history = queries.key_history(task_instance_id, name, principal)
    for right in rights:
        principal.require(history.scope, right)
    return history


def _shown(history: KeyHistory) -> KeyHistory:
    """Without the value and its versions, where something in them looks like a secret."""
    hidden = queries.hidden_keys([history.task_instance_id])
    entry = queries.masked(history.entry, history.task_instance_id, hidden)
    return history if entry is history.entry else replace(history, entry=entry, versions=[])


def _may(request: HttpRequest, history: KeyHistory, right: Right) -> bool:
    try:
        principal_of_user(request.user).require(history.scope, right)
    except ForbiddenError:
        return False
    return True


def _writer(request: HttpRequest) -> Writer:
    reason = request.POST.get("reason", "").replace("\0", "")
    return Writer(principal_of_user(request.user).name, reason=reason)


def steps_of(versions: list[Version]) -> list[Step]:
    """The versions, newest first, each with its difference from the one before it."""
    steps = [
        Step(new, json_view(new.value), difference(old.value, new.value), first=False)
        for new, old in pairwise(versions)
    ]
    if versions:
        steps.append(Step(versions[-1], json_view(versions[-1].value), [], first=True))
    return steps


def difference(old: str, new: str) -> list[Line] | None:
    """What changed from one JSON text to another, by lines; None where they are too long."""
    if max(len(old), len(new)) > LONG:
        return None
    before, after = pretty(old).splitlines(), pretty(new).splitlines()
    if max(len(before), len(after)) > LINES_MAX:
        return None
    _from, _to, *lines = [*unified_diff(before, after, n=1, lineterm="")] or ["", ""]
    return [Line(line[0].strip(), line[1:]) for line in lines if not line.startswith("@@")]


def fields_of(versions: list[Version]) -> list[str]:
    """The fields that hold a number in every version; an empty name stands for the value itself."""
    values = [json.loads(version.value) for version in versions if len(version.value) <= LONG]
    if len(values) < len(versions) or len(values) < 2:
        return []
    if all(number_of(value) is not None for value in values):
        return [""]
    if not all(isinstance(value, dict) for value in values):
        return []
    return [
        name
        for name in values[0]
        if all(number_of(value.get(name)) is not None for value in values)
    ]


def curve_of(versions: list[Version], field: str | None) -> Curve | None:
    """The chart of a field, or of the first that is a number in every version."""
    fields = fields_of(versions)
    if not fields:
        return None
    name = field if field in fields else fields[0]
    values = [json.loads(version.value) for version in reversed(versions)]
    try:
        numbers = [float(value[name] if name else value) for value in values]
    except OverflowError:  # an integer beyond any float
        return None
    least, most, last = min(numbers), max(numbers), len(numbers) - 1
    span = most - least or 1
    points = (
        f"{WIDTH * place / last:g},{round(HEIGHT - HEIGHT * (number - least) / span, 1):g}"
        for place, number in enumerate(numbers)
    )
    return Curve(name, " ".join(points), least, most)
