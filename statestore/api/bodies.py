"""What the bodies of requests mean; a refusal names the place.

Read by hand, because a value must reach the database as the text that was sent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest

from statestore.errors import StateStoreError, TooLargeError
from statestore.jsontext import Member, read_object, split_array, split_object
from statestore.protocol import (
    ASSET_ID_MAX,
    ATTEMPT_MAX,
    BATCH_MAX,
    MAP_INDEX_MAX,
    MAP_INDEX_NONE,
    NEVER_EXPIRE,
    VERSION_MAX,
    AssetScope,
    ErrorCode,
    InvalidInput,
    Place,
    Scope,
    TaskScope,
    check_asset_text,
    check_key,
    check_scope,
)
from statestore.services import Expiry, Operation, Precondition

BODY_SLACK: Final = 16 * 1024  # bytes that a body may have beside its value
EXPIRES_IN_MAX: Final = 100 * 366 * 86400  # seconds
BATCH_MAX_BYTES: Final = 16 * 1024 * 1024
MERGE_PATCH: Final = "application/merge-patch+json"


class MediaTypeError(StateStoreError):
    """The body must be JSON: send Content-Type: application/json."""

    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class EntryInput:
    """The body of a PUT or PATCH."""

    text: str  # of the value, as it was sent
    decoded: Any
    expiry: Expiry = None


def entry_put(request: HttpRequest, scope: Scope) -> EntryInput:
    """`{"value": …}`; for tasks with `expires_at` (a time, null or "default") or `expires_in`."""
    members = _object(request, {"value", *_expiry_fields(scope)})
    value = _value(members)
    return EntryInput(value.text, value.value, _expiry(members))


def entry_patch(request: HttpRequest) -> EntryInput:
    """`{"value": …}`."""
    value = _value(_object(request, {"value"}))
    return EntryInput(value.text, value.value)


def is_merge_patch(request: HttpRequest) -> bool:
    """Whether a PATCH changes some fields instead of the whole value."""
    return _media_type(request) == MERGE_PATCH


def merge_patch(request: HttpRequest) -> str:
    """The patch itself (RFC 7396): an object."""
    text = _bytes(request, settings.STATESTORE_VALUE_MAX_BYTES + BODY_SLACK)
    read_object(text)
    return text.decode().strip()


def increment(request: HttpRequest, scope: Scope) -> tuple[str, Expiry]:
    """`{"by": 5}`, with an expiry where a task's key may be new."""
    members = _object(request, {"by", *_expiry_fields(scope)})
    by = members.get("by", Member("1", 1))
    if isinstance(by.value, bool) or not isinstance(by.value, int | float):
        raise InvalidInput(("body", "by"), "by must be a number", "float_type")
    return by.text, _expiry(members)


def asset(request: HttpRequest) -> tuple[str, str]:
    """`{"name": …, "uri": …}`; the uri is the name where it is left out."""
    members = _object(request, {"name", "uri"})
    name = _text(members, "name")
    uri = _text(members, "uri") if "uri" in members else name
    for field, text in (("name", name), ("uri", uri)):
        check_asset_text(text, ("body", field))
    return name, uri


def login(request: HttpRequest) -> tuple[str, str]:
    """`{"username": …, "password": …}`."""
    members = _object(request, {"username", "password"})
    username = _text(members, "username")
    if "\0" in username:
        loc = ("body", "username")
        raise InvalidInput(loc, "username must not contain U+0000", "string_pattern")
    return username, _text(members, "password")


def task_token(request: HttpRequest, *, ttl_most: int) -> tuple[TaskScope, int]:
    """`{"dag_id", "run_id", "task_id", "map_index", "ttl"}`; the time to live is in seconds."""
    members = _object(request, {"dag_id", "run_id", "task_id", "map_index", "ttl"})
    ttl = _number(members, "ttl", default=3600, least=1, most=ttl_most)
    return _task_scope(members, ("body",)), ttl


def batch(request: HttpRequest) -> list[Operation]:
    """`{"operations": [{"op", …}, …]}`."""
    members = _object(request, {"operations"}, limit=BATCH_MAX_BYTES)
    if "operations" not in members:
        raise InvalidInput(("body", "operations"), "operations is required", "missing")
    loc = ("body", "operations")
    elements = split_array(members["operations"].text, loc)
    if len(elements) > BATCH_MAX:
        raise InvalidInput(loc, f"a batch may have at most {BATCH_MAX} operations", "too_long")
    return [_operation(element, (*loc, place)) for place, element in enumerate(elements)]


_TASK: Final = frozenset({"dag_id", "run_id", "task_id", "map_index"})
_OPERATION: Final = frozenset({"op", "key", "attempt", "asset_id", *_TASK})
_MORE: Final = {
    "get": frozenset[str](),
    "delete": frozenset({"if_version"}),
    "set": frozenset({"value", "expires_at", "expires_in", "if_version", "if_absent"}),
}


def _operation(element: Member, loc: Place) -> Operation:
    members = split_object(element.text, loc)
    op = members["op"].value if "op" in members else None
    if not isinstance(op, str) or op not in _MORE:
        raise InvalidInput((*loc, "op"), 'op must be "get", "set" or "delete"', "literal_error")
    _allow(members, _OPERATION | _MORE[op], loc)
    scope = _scope(members, loc)
    key = check_key(_text(members, "key", loc), where=loc)
    attempt = _number(members, "attempt", default=0, least=1, most=ATTEMPT_MAX, loc=loc) or None
    if op != "set":
        return Operation(op, scope, key, attempt, precondition=_precondition(members, loc))
    value = _value(members, loc)
    expiry = _expiry(members, loc) if isinstance(scope, TaskScope) else None
    precondition = _precondition(members, loc)
    return Operation(op, scope, key, attempt, value.text, value.value, expiry, precondition)


def _precondition(members: Mapping[str, Member], loc: Place) -> Precondition:
    if "if_absent" in members:
        if members["if_absent"].value is not True or "if_version" in members:
            raise InvalidInput((*loc, "if_absent"), "if_absent must be true, alone", "value_error")
        return Precondition(absent=True)
    version = _number(members, "if_version", default=0, least=1, most=VERSION_MAX, loc=loc)
    return Precondition(version=version or None)


def _scope(members: Mapping[str, Member], loc: Place) -> Scope:
    if "asset_id" not in members:
        return _task_scope(members, loc)
    return AssetScope(_number(members, "asset_id", default=0, least=1, most=ASSET_ID_MAX, loc=loc))


def _task_scope(members: Mapping[str, Member], loc: Place) -> TaskScope:
    dag, run, task = (_text(members, name, loc) for name in ("dag_id", "run_id", "task_id"))
    map_index = _number(
        members, "map_index", default=MAP_INDEX_NONE, least=-1, most=MAP_INDEX_MAX, loc=loc
    )
    return check_scope(TaskScope(dag, run, task, map_index), where=loc)


# --- parts of bodies ---


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
    request: HttpRequest, allowed: set[str], *, limit: int | None = None
) -> dict[str, Member]:
    if _media_type(request) != "application/json":
        raise MediaTypeError
    members = read_object(
        _bytes(request, limit or settings.STATESTORE_VALUE_MAX_BYTES + BODY_SLACK)
    )
    _allow(members, allowed, ("body",))
    return members


def _allow(members: Mapping[str, Member], allowed: set[str] | frozenset[str], loc: Place) -> None:
    for name in members:
        if name not in allowed:
            fields = ", ".join(sorted(allowed))
            raise InvalidInput(
                (*loc, name), f"unknown field; there may be {fields}", "extra_forbidden"
            )


def _text(members: Mapping[str, Member], name: str, loc: Place = ("body",)) -> str:
    if name not in members:
        raise InvalidInput((*loc, name), f"{name} is required", "missing")
    text = members[name].value
    if not isinstance(text, str):
        raise InvalidInput((*loc, name), f"{name} must be a string", "string_type")
    return text


def _number(
    members: Mapping[str, Member],
    name: str,
    *,
    default: int,
    least: int,
    most: int,
    loc: Place = ("body",),
) -> int:
    if name not in members:
        return default
    number = members[name].value
    if isinstance(number, float) and number.is_integer():
        number = int(number)  # JSON knows no integers, and 3.0 is one to JSON Schema
    if isinstance(number, bool) or not isinstance(number, int):
        raise InvalidInput((*loc, name), f"{name} must be an integer", "int_type")
    if not least <= number <= most:
        raise InvalidInput(
            (*loc, name), f"{name} must be between {least} and {most}", "value_error"
        )
    return number


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
    return body


def _value(members: Mapping[str, Member], loc: Place = ("body",)) -> Member:
    if "value" not in members:
        raise InvalidInput((*loc, "value"), "value is required", "missing")
    value = members["value"]
    if value.value is None:
        raise InvalidInput(
            (*loc, "value"), "value must not be null: DELETE removes a key", "none_not_allowed"
        )
    size = len(value.text.encode())
    if size > settings.STATESTORE_VALUE_MAX_BYTES:
        raise InvalidInput(
            (*loc, "value"),
            f"value has {size} bytes of JSON, and may have {settings.STATESTORE_VALUE_MAX_BYTES}:"
            " keep large data elsewhere and store where it is",
            "value_too_large",
        )
    return value


def _expiry(members: Mapping[str, Member], loc: Place = ("body",)) -> Expiry:
    if "expires_in" in members:
        if "expires_at" in members:
            raise InvalidInput(
                (*loc, "expires_in"), "send expires_at or expires_in, not both", "value_error"
            )
        return _expires_in(members["expires_in"].value, (*loc, "expires_in"))
    if "expires_at" not in members:
        return None
    expires_at = members["expires_at"].value
    if expires_at is None:
        return NEVER_EXPIRE
    if expires_at == "default":
        return None
    return _expires_at(expires_at, (*loc, "expires_at"))


def _expires_in(seconds: Any, loc: Place) -> timedelta:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidInput(loc, "expires_in must be a number of seconds", "float_type")
    if not 0 <= seconds <= EXPIRES_IN_MAX:
        raise InvalidInput(
            loc, f"expires_in must be between 0 and {EXPIRES_IN_MAX} seconds", "value_error"
        )
    return timedelta(seconds=seconds)


def _expires_at(text: Any, loc: Place) -> datetime:
    form = (
        'expires_at must be "default", null, or a time with an offset such as 2026-12-31T12:00:00Z'
    )
    if not isinstance(text, str) or not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]", text):
        raise InvalidInput(loc, form, "datetime_type")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(loc, form, "datetime_parsing") from None
    if time.tzinfo is None:
        raise InvalidInput(loc, f"expires_at needs an offset: {text}Z for UTC", "timezone_aware")
    try:
        return time.astimezone(UTC)
    except OverflowError:
        years = "expires_at is outside of the years 1 to 9999"
        raise InvalidInput(loc, years, "datetime_parsing") from None
