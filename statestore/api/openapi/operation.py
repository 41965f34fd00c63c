"""The record of one operation, and its OpenAPI form."""

from dataclasses import dataclass, field
from typing import Any, Final

from statestore.api.openapi.json_schema import Schema, ref
from statestore.api.openapi.parts import ETAG, refused
from statestore.api.openapi.shapes import ANSWER_EXAMPLES, BODY_EXAMPLES

JSON: Final = "application/json"
_ANY: Final = (400, 405)
_FOR_WHO_IS_KNOWN: Final = (401, 429, 503)
_WITH_BODY: Final = (413, 415)


@dataclass(frozen=True, slots=True)
class Operation:
    """One verb of one path."""

    tag: str
    id: str
    summary: str
    answer: tuple[int, str | Schema | None]
    """The status of success, and its JSON by name; or its content types; None: no body."""
    parameters: str = ""
    """Names in parts.PARAMETERS; those in the path need not be named."""
    refusals: tuple[int, ...] = ()
    """Beside those that any body has, and any request with credentials."""
    body: dict[str, str] = field(default_factory=dict)
    """Which JSON in which content type."""
    description: str = ""
    etag: bool = False
    open: bool = False
    """Needs no credentials."""
    more: dict[int, Schema] = field(default_factory=dict)
    """Other answers of success."""

    def described(self, in_path: list[str], method: str) -> dict[str, Any]:
        """The same as OpenAPI's operation object."""
        writes = method != "GET" and not self.open
        names = [*in_path, *self.parameters.split(), *(["deadline"] if writes else [])]
        said: dict[str, Any] = {
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in names],
            "responses": self._responses(writes),
            "security": [] if self.open else [{"bearer": []}, {"session": []}],
        }
        if self.description:
            said["description"] = self.description
        if self.body:
            content = {
                type_: {"schema": ref(name), "example": BODY_EXAMPLES[name]}
                for type_, name in self.body.items()
            }
            said["requestBody"] = {"required": True, "content": content}
        return said

    def _responses(self, writes: bool) -> dict[str, Schema]:
        status, shape = self.answer
        refusals = {*_ANY, *self.refusals, *(() if self.open else _FOR_WHO_IS_KNOWN)}
        refusals |= {408, 422} if writes else set()
        refusals |= set(_WITH_BODY if self.body else ())
        answers = {status: self._success(shape), **self.more}
        answers |= {status: refused(status) for status in refusals}
        return {str(status): answers[status] for status in sorted(answers)}

    def _success(self, shape: str | Schema | None) -> Schema:
        answer: Schema = {"description": self.summary}
        if self.etag:
            answer["headers"] = {"ETag": ETAG}
        if isinstance(shape, str):
            answer["content"] = {JSON: {"schema": ref(shape), "example": ANSWER_EXAMPLES[shape]}}
        elif shape is not None:
            answer["content"] = shape
        return answer
