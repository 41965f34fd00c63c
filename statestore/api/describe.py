"""The API's description of itself: OpenAPI as JSON or YAML, and as a page."""

from functools import cache
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from rest_framework.request import Request

from statestore.api.health import Open
from statestore.api.openapi.generator import document
from statestore.protocol import InvalidInput

_TYPES: Final = {"json": "application/json", "yaml": "application/yaml"}
_ACCEPTED: Final = {
    **{type_: type_ for type_ in _TYPES.values()},
    "application/vnd.oai.openapi+json": "application/json",
    "application/vnd.oai.openapi": "application/yaml",
    "text/yaml": "application/yaml",
}


class Schema(Open):
    """The description; it tells nothing that is secret, and so needs no credentials."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """JSON, or what `format` or Accept asks for."""
        answer = HttpResponse(_rendered(type_ := _wanted(request)), content_type=type_)
        patch_vary_headers(answer, ["Accept"])
        return answer


class Docs(Open):
    """The description as a page that sends requests."""

    def get(self, request: Request) -> HttpResponse:
        """In the frame of all pages."""
        return render(request._request, "api/docs.html")


def _wanted(request: HttpRequest) -> str:
    format_ = request.GET.get("format")
    if format_ is None:
        return _ACCEPTED[request.get_preferred_type(list(_ACCEPTED)) or _TYPES["json"]]
    if format_ not in _TYPES:
        raise InvalidInput(("query", "format"), "format must be json or yaml", "enum")
    return _TYPES[format_]


@cache
def _rendered(type_: str) -> bytes:
    renderer = OpenApiYamlRenderer if type_ == _TYPES["yaml"] else OpenApiJsonRenderer
    return bytes(renderer().render(document()))
