"""Django for programs: what presents a token needs no session, cookies, messages or policy for browsers.

So a request goes straight to its view: without the middleware of the settings, which takes as long as a
short view, and without the signals and the nesting of Django's own handler, which take a third of that.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from django.core.handlers.exception import response_for_exception
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections, reset_queries
from django.http import HttpResponse
from django.urls import URLResolver, set_script_prefix
from django.urls.resolvers import RegexPattern
from django.utils.log import log_response

from statestore.origin import request_remembered

API: Final = "/api/v2/"
_resolver: Final = URLResolver(RegexPattern(f"^{API}"), "statestore.api.urls")


def handle(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer a request below `API`."""
    close_old_connections()  # those that are broken, or have been open for long enough
    reset_queries()  # which are kept in debugging alone
    request = WSGIRequest(environ)
    set_script_prefix(environ.get("SCRIPT_NAME") or "/")
    with request_remembered(request):  # for the audit
        try:
            view, arguments, named = _resolver.resolve(request.path_info)
            answer: HttpResponse = view(request, *arguments, **named)
            if hasattr(answer, "render"):
                answer = answer.render()
        except Exception as exception:  # noqa: BLE001 - the view answers its own refusals
            answer = response_for_exception(request, exception)
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log_response("%s: %s", answer.reason_phrase, request.path, response=answer, request=request)
    start_response(f"{answer.status_code} {answer.reason_phrase}", [*answer.items()])
    return [answer.content]
