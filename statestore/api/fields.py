"""The fields of a body; a refusal names the place."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Any

from statestore.jsontext import unknown_field
from statestore.protocol import (
    MAP_INDEX_MAX,
    MAP_INDEX_NONE,
    NEVER_EXPIRE,
    RETENTION_MAX,
    InvalidInput,
    Place,
    TaskScope,
    check_scope,
)
from statestore.services import Expiry


def allow(members: Mapping[str, Any], allowed: AbstractSet[str], loc: Place) -> None:
    """Refuse a field beside those that are allowed."""
    if not members.keys() <= allowed:
        unknown_field(next(name for name in members if name not in allowed), allowed, loc)


def text(members: Mapping[str, Any], name: str, loc: Place = ("body",)) -> str:
    """A string that must be there."""
    if name not in members:
        raise InvalidInput((*loc, name), f"{name} is required", "missing")
    text = members[name]
    if not isinstance(text, str):
        raise InvalidInput((*loc, name), f"{name} must be a string", "string_type")
    return text


def number(
    members: Mapping[str, Any],
    name: str,
    *,
    default: int,
    least: int,
    most: int,
    loc: Place = ("body",),
) -> int:
    """A whole number between two others."""
    if name not in members:
        return default
    number = members[name]
    if isinstance(number, float) and number.is_integer():
        number = int(number)  # JSON knows no integers, and 3.0 is one to JSON Schema
    if isinstance(number, bool) or not isinstance(number, int):
        raise InvalidInput((*loc, name), f"{name} must be an integer", "int_type")
    if not least <= number <= most:
        raise InvalidInput(
            (*loc, name), f"{name} must be between {least} and {most}", "value_error"
        )
    return number


def value(members: Mapping[str, Any], text: str, loc: Place = ("body",), *, most: int) -> Any:
    """The value of an entry, whose text is given: anything but null, of at most so many bytes."""
    if "value" not in members:
        raise InvalidInput((*loc, "value"), "value is required", "missing")
    value = members["value"]
    if value is None:
        raise InvalidInput(
            (*loc, "value"), "value must not be null: DELETE removes a key", "none_not_allowed"
        )
    size = len(text) if text.isascii() else len(text.encode())
    if size > most:
        raise InvalidInput(
            (*loc, "value"),
            f"value has {size} bytes of JSON, and may have {most}:"
            " keep large data elsewhere and store where it is",
            "value_too_large",
        )
    return value


def expiry(members: Mapping[str, Any], loc: Place = ("body",)) -> Expiry:
    """What `expires_at` or `expires_in` says."""
    if "expires_in" in members:
        if "expires_at" in members:
            raise InvalidInput(
                (*loc, "expires_in"), "send expires_at or expires_in, not both", "value_error"
            )
        return _expires_in(members["expires_in"], (*loc, "expires_in"))
    if "expires_at" not in members:
        return None
    expires_at = members["expires_at"]
    if expires_at is None:
        return NEVER_EXPIRE
    if expires_at == "default":
        return None
    return _expires_at(expires_at, (*loc, "expires_at"))


def _expires_in(seconds: Any, loc: Place) -> timedelta:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidInput(loc, "expires_in must be a number of seconds", "float_type")
    if not 0 <= seconds <= RETENTION_MAX:
        raise InvalidInput(
            loc, f"expires_in must be between 0 and {RETENTION_MAX} seconds", "value_error"
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
    if re.search(r"[.,][0-9]{6}[0-9]*[1-9]", text):
        raise InvalidInput(loc, "expires_at is kept to the microsecond", "datetime_parsing")
    try:
        return time.astimezone(UTC)
    except OverflowError:
        years = "expires_at is outside of the years 1 to 9999"
        raise InvalidInput(loc, years, "datetime_parsing") from None


Scopes = dict[tuple[str, str, str, int], TaskScope]
"""The task instances that one body names: each is checked once."""


def task_scope(members: Mapping[str, Any], loc: Place, known: Scopes | None = None) -> TaskScope:
    """The task instance that the four ids name."""
    ids = (
        text(members, "dag_id", loc),
        text(members, "run_id", loc),
        text(members, "task_id", loc),
        number(members, "map_index", default=MAP_INDEX_NONE, least=-1, most=MAP_INDEX_MAX, loc=loc),
    )
    if known is not None and ids in known:
        return known[ids]
    scope = check_scope(TaskScope(*ids), where=loc)
    if known is not None:
        known[ids] = scope
    return scope
