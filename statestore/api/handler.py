"""Django for programs: what presents a token needs no session, cookies, messages or policy for browsers."""

from typing import Any

from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler

from statestore.origin import remember_request


class ApiHandler(WSGIHandler):
    """Calls views without the middleware of the settings, which takes as long as a short view."""

    def load_middleware(self, is_async: bool = False) -> None:
        """What of it programs need: what they do is in the audit with their address."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._middleware_chain = remember_request(
            convert_exception_to_response(self._get_response)  # type: ignore[attr-defined,arg-type]  # synchronous
        )
