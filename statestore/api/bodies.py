"""What the bodies of requests mean; a refusal names the place.

Read by hand, because a value must reach the database as the text that was sent.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest

from statestore.api import fields
from statestore.errors import StateStoreError, TooLargeError
from statestore.jsontext import (
    Reader,
    read_body,
    read_object,
    read_value,
    unknown_field,
)
from statestore.protocol import (
    ASSET_ID_MAX,
    ATTEMPT_MAX,
    BATCH_MAX,
    PROGRESS_KEY,
    TOKEN_ASSETS_MAX,
    TOKEN_ASSETS_MAX_BYTES,
    VERSION_MAX,
    AssetScope,
    ErrorCode,
    InvalidInput,
    Place,
    Scope,
    TaskScope,
    check_asset_text,
    check_key,
)
from statestore.services import ALWAYS, Expiry, Operation, Precondition

BODY_SLACK: Final = 16 * 1024  # bytes that a body may have beside its value
BATCH_MAX_BYTES: Final = 16 * 1024 * 1024
MERGE_PATCH: Final = "application/merge-patch+json"


class MediaTypeError(StateStoreError):
    """The body must be JSON: send Content-Type: application/json."""

    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


class CutShortError(StateStoreError):
    """The body ended before its Content-Length: the request was cut off."""

    code = ErrorCode.MALFORMED_REQUEST


@dataclass(frozen=True, slots=True)
class EntryInput:
    """The body of a PUT or PATCH."""

    text: str  # of the value, as it was sent
    decoded: Any
    expiry: Expiry = None


def entry_put(request: HttpRequest, scope: Scope) -> EntryInput:
    """`{"value": …}`; for tasks with `expires_at` (a time, null or "default") or `expires_in`."""
    members, text = _object(request, {"value", *_expiry_fields(scope)})
    value = fields.value(members, text, most=settings.STATESTORE_VALUE_MAX_BYTES)
    return EntryInput(text, value, fields.expiry(members))


def entry_patch(request: HttpRequest) -> EntryInput:
    """`{"value": …}`."""
    members, text = _object(request, {"value"})
    return EntryInput(text, fields.value(members, text, most=settings.STATESTORE_VALUE_MAX_BYTES))


def is_merge_patch(request: HttpRequest) -> bool:
    """Whether a PATCH changes some fields instead of the whole value."""
    return _media_type(request) == MERGE_PATCH


def merge_patch(request: HttpRequest) -> str:
    """The patch itself (RFC 7396): an object."""
    patch = read_value(_bytes(request, settings.STATESTORE_VALUE_MAX_BYTES + BODY_SLACK))
    if not isinstance(patch.value, dict):
        raise InvalidInput(("body",), "this must be a JSON object", "dict_type")
    return patch.text


def increment(request: HttpRequest, scope: Scope) -> tuple[str, Expiry]:
    """`{"by": 5}`, with an expiry where a task's key may be new."""
    members, text = _object(request, {"by", *_expiry_fields(scope)}, text_of="by")
    by = members.get("by", 1)
    if isinstance(by, bool) or not isinstance(by, int | float):
        raise InvalidInput(("body", "by"), "by must be a number", "float_type")
    return text or "1", fields.expiry(members)


def asset(request: HttpRequest) -> tuple[str, str]:
    """`{"name": …, "uri": …}`; the uri is the name where it is left out."""
    members, _ = _object(request, {"name", "uri"})
    name = fields.text(members, "name")
    uri = fields.text(members, "uri") if "uri" in members else name
    for field, text in (("name", name), ("uri", uri)):
        check_asset_text(text, ("body", field))
    return name, uri


def login(request: HttpRequest) -> tuple[str, str]:
    """`{"username": …, "password": …}`."""
    members, _ = _object(request, {"username", "password"})
    username = fields.text(members, "username")
    if "\0" in username:
        loc = ("body", "username")
        raise InvalidInput(loc, "username must not contain U+0000", "string_pattern")
    return username, fields.text(members, "password")


def task_token(
    request: HttpRequest, *, ttl_most: int
) -> tuple[TaskScope, int, frozenset[str] | None]:
    """`{"dag_id", "run_id", "task_id", "map_index", "ttl", "assets"}`; `ttl` is in seconds, and
    `assets` are names."""
    members, _ = _object(request, {"dag_id", "run_id", "task_id", "map_index", "ttl", "assets"})
    ttl = fields.number(members, "ttl", default=3600, least=1, most=ttl_most)
    return fields.task_scope(members, ("body",)), ttl, _asset_names(members)


def _asset_names(members: Mapping[str, Any]) -> frozenset[str] | None:
    if "assets" not in members:
        return None
    names, loc = members["assets"], ("body", "assets")
    if not isinstance(names, list):
        raise InvalidInput(loc, "assets must be an array of names", "list_type")
    if len(names) > TOKEN_ASSETS_MAX:
        most = f"assets may have at most {TOKEN_ASSETS_MAX} names"
        raise InvalidInput(loc, most, "too_long")
    if len(json.dumps(names)) > TOKEN_ASSETS_MAX_BYTES:
        most = f"assets may have at most {TOKEN_ASSETS_MAX_BYTES} bytes of JSON in ASCII"
        raise InvalidInput(loc, most, "too_long")
    return frozenset(check_asset_text(name, (*loc, place)) for place, name in enumerate(names))


def batch(request: HttpRequest) -> list[Operation]:
    """`{"operations": [{"op", …}, …]}`."""
    _require_json(request)
    reader = read_body(_bytes(request, BATCH_MAX_BYTES))
    operations = None
    for name in reader.members(("body",)):
        if name != "operations":
            unknown_field(name, {"operations"}, ("body",))
        operations = _operations(reader, ("body", name))
    reader.end()
    if operations is None:
        raise InvalidInput(("body", "operations"), "operations is required", "missing")
    return operations


def _operations(reader: Reader, loc: Place) -> list[Operation]:
    """Each is read and checked before the next one, and none after the last that may be."""
    operations, scopes = list[Operation](), fields.Scopes()
    value_max = settings.STATESTORE_VALUE_MAX_BYTES  # once: it takes as long as reading a name
    for place in reader.elements(loc):
        if place == BATCH_MAX:
            raise InvalidInput(loc, f"a batch may have at most {BATCH_MAX} operations", "too_long")
        operations.append(_operation(reader, (*loc, place), scopes, value_max))
    return operations


_OPERATION: Final = frozenset({"op", "key"})
_OF_TASK: Final = frozenset({"dag_id", "run_id", "task_id", "map_index", "attempt"})
_EXPIRY: Final = frozenset({"expires_at", "expires_in"})
_MORE: Final = {
    "get": frozenset[str](),
    "delete": frozenset({"if_version"}),
    "set": frozenset({"value", "if_version", "if_absent"}),
}
_ANY_FIELD: Final = _OPERATION.union(*_MORE.values(), _OF_TASK, _EXPIRY, {"asset_id"})

# What an operation may say, by its word and whether it is of an asset.
_FIELDS: Final = {
    (op, of_asset): _OPERATION
    | more
    | (frozenset({"asset_id"}) if of_asset else _OF_TASK)
    | (_EXPIRY if op == "set" and not of_asset else frozenset())
    for op, more in _MORE.items()
    for of_asset in (False, True)
}


def _operation(reader: Reader, loc: Place, scopes: fields.Scopes, value_max: int) -> Operation:
    members, text = reader.record(loc, _ANY_FIELD, text_of="value")
    op = members.get("op")
    if not isinstance(op, str) or op not in _MORE:
        raise InvalidInput((*loc, "op"), 'op must be "get", "set" or "delete"', "literal_error")
    fields.allow(members, _FIELDS[op, "asset_id" in members], loc)
    scope = _scope(members, loc, scopes)
    key = check_key(fields.text(members, "key", loc), where=loc)
    attempt = (
        fields.number(members, "attempt", default=0, least=1, most=ATTEMPT_MAX, loc=loc) or None
    )
    if op != "set":
        return Operation(op, scope, key, attempt, precondition=_precondition(members, loc))
    value = fields.value(members, text, loc, most=value_max)
    expiry = fields.expiry(members, loc) if isinstance(scope, TaskScope) else None
    precondition = _precondition(members, loc)
    # Only progress is looked into: of a long batch no other value stays in memory decoded.
    decoded = value if key == PROGRESS_KEY else None
    return Operation(op, scope, key, attempt, text, decoded, expiry, precondition)


def _precondition(members: Mapping[str, Any], loc: Place) -> Precondition:
    if "if_absent" in members:
        if members["if_absent"] is not True or "if_version" in members:
            raise InvalidInput((*loc, "if_absent"), "if_absent must be true, alone", "value_error")
        return Precondition(absent=True)
    version = fields.number(members, "if_version", default=0, least=1, most=VERSION_MAX, loc=loc)
    return Precondition(version=version) if version else ALWAYS


def _scope(members: Mapping[str, Any], loc: Place, scopes: fields.Scopes) -> Scope:
    if "asset_id" not in members:
        return fields.task_scope(members, loc, scopes)
    return AssetScope(
        fields.number(members, "asset_id", default=0, least=1, most=ASSET_ID_MAX, loc=loc)
    )


# --- the body of a request ---


def _expiry_fields(scope: Scope) -> set[str]:
    return {"expires_at", "expires_in"} if isinstance(scope, TaskScope) else set()


def _media_type(request: HttpRequest) -> str:
    """The type of the body, which must be plain UTF-8."""
    media_type, _, parameters = (request.META.get("CONTENT_TYPE") or "").lower().partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", parameters)
    if charset is not None and charset[1] not in {"utf-8", "utf8", "us-ascii"}:
        raise MediaTypeError("The body must be in UTF-8.")
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise MediaTypeError("The body must not be compressed.")
    return media_type.strip()


def _object(
    request: HttpRequest, allowed: set[str], *, text_of: str = "value"
) -> tuple[dict[str, Any], str]:
    """The members of the body, decoded, and the text of one of them."""
    _require_json(request)
    body = _bytes(request, settings.STATESTORE_VALUE_MAX_BYTES + BODY_SLACK)
    members, text = read_object(body, text_of=text_of)
    fields.allow(members, allowed, ("body",))
    return members, text


def _require_json(request: HttpRequest) -> None:
    if _media_type(request) != "application/json":
        raise MediaTypeError


def _bytes(request: HttpRequest, limit: int) -> bytes:
    """The body; one that says it is over the limit is refused before it is read."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdecimal():
        body = request.read(limit + 1) if int(length) <= limit else None
    elif request.META.get("wsgi.input_terminated"):
        body = request.META["wsgi.input"].read(limit + 1)  # chunked; Django reads no such body
    else:
        body = b""
    if body is None or len(body) > limit:
        allowed = settings.STATESTORE_VALUE_MAX_BYTES
        raise TooLargeError(f"The body has more than {limit} bytes: a value may have {allowed}.")
    if length.isdecimal() and len(body) < int(length):
        raise CutShortError
    return body
