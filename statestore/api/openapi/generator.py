"""From the routes in urls.py to the document: every verb of every path must have its record."""

import re
from functools import cache
from typing import Any, Final

from drf_spectacular.drainage import error
from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from statestore.api.entries import EntryIncrement
from statestore.api.health import NothingHere
from statestore.api.openapi.operations import OPERATIONS, TAGS
from statestore.api.openapi.parts import PARAMETERS, SECURITY_SCHEMES, responses
from statestore.api.openapi.shapes import schemas

PREFIX: Final = "/api/v2"

Endpoint = tuple[str, str, str, Any]


def operation_name(method: str, path: str) -> str:
    """How an operation is called in the table."""
    return f"{method} {path.removeprefix(PREFIX)}"


class Routes(EndpointEnumerator):
    """The routes in the words that callers know."""

    def _get_api_endpoints(self, patterns: Any, prefix: str) -> list[Endpoint]:
        found = super()._get_api_endpoints(patterns, prefix)  # type: ignore[no-untyped-call]
        return [endpoint for endpoint in map(self._known, found) if endpoint is not None]

    def _known(self, endpoint: Endpoint) -> Endpoint | None:
        path, regex, method, callback = endpoint
        if callback.cls is NothingHere:
            return None
        if issubclass(callback.cls, EntryIncrement):
            if method != "POST":
                return None  # the path of a key that ends with this word
            path += "" if path.endswith("/increment") else "/increment"
        return path.replace("{run_id}", "{dag_run_id}"), regex, method, callback


class Described(AutoSchema):
    """The schema of a view: what the table says of it."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> dict[str, Any] | None:
        """The operation object."""
        name = operation_name(method, path)
        if name not in OPERATIONS:
            error(f"{name} is in no record of statestore/api/openapi/operations.py")
            return None
        return OPERATIONS[name].described(re.findall(r"{(\w+)}", path), method)


class Generator(SchemaGenerator):
    """The whole document."""

    endpoint_inspector_cls = Routes

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        """The same for everyone: what is reached is decided by the credentials."""
        document: dict[str, Any] = super().get_schema(None, True)  # type: ignore[no-untyped-call]
        document["tags"] = [
            {"name": name, "description": description} for name, description in TAGS.items()
        ]
        document["components"] = {
            "schemas": schemas(),
            "parameters": PARAMETERS,
            "responses": responses(),
            "securitySchemes": SECURITY_SCHEMES,
        }
        return document


@cache
def document() -> dict[str, Any]:
    """The document, made once in each process."""
    return Generator().get_schema()  # type: ignore[no-untyped-call]
