"""Between HTTP and Python: what requests mean, and the JSON of answers.

Written by hand, because the value must reach the database and come back as the text that was sent.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from statestore.errors import StateStoreError, TooLargeError
from statestore.jsontext import Member, read_object
from statestore.protocol import (
    ATTEMPT_HEADER,
    MAP_INDEX_NONE,
    NEVER_EXPIRE,
    ErrorCode,
    InvalidInput,
    TaskScope,
    check_scope,
)
from statestore.queries import Entry, EntryPage
from statestore.services import Expiry, Precondition

BODY_SLACK = 16 * 1024  # bytes that a body may have beside its value
EXPIRES_IN_MAX = 100 * 366 * 86400  # seconds


class MediaTypeError(StateStoreError):
    """The body must be JSON: send Content-Type: application/json."""

    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


class MalformedRequestError(StateStoreError):
    """The request cannot be read."""

    code = ErrorCode.MALFORMED_REQUEST


# --- requests ---


@dataclass(frozen=True, slots=True)
class EntryInput:
    """The body of a PUT or PATCH."""

    text: str  # of the value, as it was sent
    decoded: Any
    expiry: Expiry = None


def read_scope(request: HttpRequest, dag_id: str, run_id: str, task_id: str) -> TaskScope:
    """The task instance that a path and its `map_index` name."""
    map_index = read_int(request, "map_index", default=MAP_INDEX_NONE)
    return check_scope(TaskScope(dag_id, run_id, task_id, map_index))


def read_int(request: HttpRequest, name: str, *, default: int, least: int | None = None) -> int:
    """A whole number in the query string."""
    text = request.GET.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise InvalidInput(("query", name), f"{name} must be an integer", "int_parsing")
    if least is not None and int(text) < least:
        raise InvalidInput(
            ("query", name),
            f"{name} must be greater than or equal to {least}",
            "greater_than_equal",
        )
    return int(text)


def read_flag(request: HttpRequest, name: str) -> bool:
    """True or false in the query string; false when it is left out."""
    text = request.GET.get(name, "false").lower()
    if text not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise InvalidInput(("query", name), f"{name} must be true or false", "bool_parsing")
    return text in {"true", "1", "yes", "on"}


def read_attempt(request: HttpRequest) -> int | None:
    """The attempt that the writer says it is."""
    text = request.headers.get(ATTEMPT_HEADER)
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise InvalidInput(
            ("header", ATTEMPT_HEADER),
            f"{ATTEMPT_HEADER} must be a number from 1 on",
            "int_parsing",
        )
    return int(text)


def read_precondition(request: HttpRequest) -> Precondition:
    """If-Match and If-None-Match (RFC 9110, section 13.1)."""
    match, none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if match is not None and none_match is not None:
        raise InvalidInput(
            ("header", "If-Match"), "send If-Match or If-None-Match, not both", "value_error"
        )
    if none_match is not None:
        if none_match.strip() != "*":
            raise InvalidInput(
                ("header", "If-None-Match"), "If-None-Match must be *", "value_error"
            )
        return Precondition(absent=True)
    if match is None:
        return Precondition()
    if match.strip() == "*":
        return Precondition(present=True)
    version = re.fullmatch(r'\s*"([1-9][0-9]{0,17})"\s*', match)
    if version is None:
        raise InvalidInput(
            ("header", "If-Match"),
            'If-Match must be * or one ETag, for instance "7"',
            "value_error",
        )
    return Precondition(version=int(version[1]))


def read_entry_put(request: HttpRequest) -> EntryInput:
    """`{"value": …}` with `expires_at` (a time, null or "default") or `expires_in` (seconds)."""
    members = _read_body(request, {"value", "expires_at", "expires_in"})
    value = _required_value(members)
    return EntryInput(value.text, value.value, _read_expiry(members))


def read_entry_patch(request: HttpRequest) -> EntryInput:
    """`{"value": …}`."""
    value = _required_value(_read_body(request, {"value"}))
    return EntryInput(value.text, value.value)


def _read_body(request: HttpRequest, allowed: set[str]) -> dict[str, Member]:
    media_type = (request.META.get("CONTENT_TYPE") or "").partition(";")[0]
    if media_type.strip().lower() != "application/json":
        raise MediaTypeError
    limit = settings.STATESTORE_VALUE_MAX_BYTES + BODY_SLACK
    members = read_object(_read_bytes(request, limit))
    for name in members:
        if name not in allowed:
            raise InvalidInput(
                ("body", name),
                f"unknown field; the body may have {', '.join(sorted(allowed))}",
                "extra_forbidden",
            )
    return members


def _read_bytes(request: HttpRequest, limit: int) -> bytes:
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


def _required_value(members: dict[str, Member]) -> Member:
    if "value" not in members:
        raise InvalidInput(("body", "value"), "value is required", "missing")
    value = members["value"]
    if value.value is None:
        raise InvalidInput(
            ("body", "value"), "value must not be null: DELETE removes a key", "none_not_allowed"
        )
    size = len(value.text.encode())
    if size > settings.STATESTORE_VALUE_MAX_BYTES:
        raise InvalidInput(
            ("body", "value"),
            f"value has {size} bytes of JSON, and may have {settings.STATESTORE_VALUE_MAX_BYTES}:"
            " keep large data elsewhere and store where it is",
            "value_too_large",
        )
    return value


def _read_expiry(members: dict[str, Member]) -> Expiry:
    if "expires_in" in members:
        if "expires_at" in members:
            raise InvalidInput(
                ("body", "expires_in"), "send expires_at or expires_in, not both", "value_error"
            )
        return _read_expires_in(members["expires_in"].value)
    if "expires_at" not in members:
        return None
    expires_at = members["expires_at"].value
    if expires_at is None:
        return NEVER_EXPIRE
    if expires_at == "default":
        return None
    return _read_time(expires_at)


def _read_expires_in(seconds: Any) -> timedelta:
    loc = ("body", "expires_in")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidInput(loc, "expires_in must be a number of seconds", "float_type")
    if not 0 <= seconds <= EXPIRES_IN_MAX:
        raise InvalidInput(
            loc, f"expires_in must be between 0 and {EXPIRES_IN_MAX} seconds", "value_error"
        )
    return timedelta(seconds=seconds)


def _read_time(text: Any) -> datetime:
    loc = ("body", "expires_at")
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


# --- answers ---


def entry_json(entry: Entry) -> str:
    """An entry; its value is the text that was sent."""
    return (
        f'{{"key":{json.dumps(entry.key)},"value":{entry.value},'
        f'"updated_at":{_time(entry.updated_at)},"expires_at":{_time(entry.expires_at)}}}'
    )


def page_json(page: EntryPage) -> str:
    """A page of entries, in Airflow's envelope."""
    rows = ",".join(map(entry_json, page.entries))
    return f'{{"task_state_store":[{rows}],"total_entries":{page.total}}}'


def _time(time: datetime | None) -> str:
    return "null" if time is None else f'"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"'


def etag(version: int) -> str:
    """An entry's version as an ETag."""
    return f'"{version}"'
