"""Django for programs: what presents a token needs no session, cookies, messages or policy for browsers.

So a request goes straight to its view: without the middleware of the settings, which takes as long as a
short view, and without the signals, the nesting and the routing of Django's own handler.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final

from django.core.handlers.exception import response_for_exception
from django.core.handlers.wsgi import WSGIRequest
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import Http404, HttpResponse
from django.urls import set_script_prefix
from django.utils.log import log_response

from statestore.api.urls import urlpatterns
from statestore.origin import request_remembered

View = Callable[..., HttpResponse]

API: Final = "/api/v2/"
_routes: Final = [(route.pattern, route.callback) for route in urlpatterns]


def handle(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer a request below `API`."""
    database = connections[DEFAULT_DB_ALIAS]
    database.close_if_unusable_or_obsolete()
    database.queries_log.clear()  # it is kept in debugging alone
    request = WSGIRequest(environ)
    set_script_prefix(environ.get("SCRIPT_NAME") or "/")
    with request_remembered(request):  # for the audit
        try:
            view, arguments, named = route(request.path_info)
            answer = view(request, *arguments, **named)
            if hasattr(answer, "render"):
                answer = answer.render()
        except Exception as exception:  # noqa: BLE001 - the view answers its own refusals
            answer = response_for_exception(request, exception)
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log_response("%s: %s", answer.reason_phrase, request.path, response=answer, request=request)
    start_response(f"{answer.status_code} {answer.reason_phrase}", [*answer.items()])
    return [answer.content]


def route(path: str) -> tuple[View, tuple[Any, ...], dict[str, Any]]:
    """The view of the first route that fits, and its arguments. Django's resolver also says how it found
    them, which took as long as the service."""
    for pattern, view in _routes:
        if found := pattern.match(path[len(API) :]):
            _, arguments, named = found
            return view, arguments, named
    raise Http404  # the last route fits every path
