"""What a request's path, query and headers mean; a refusal names the place."""

import re

from django.http import HttpRequest

from statestore.protocol import (
    ATTEMPT_HEADER,
    BATCH_MAX,
    MAP_INDEX_NONE,
    WRITE_HEADER,
    InvalidInput,
    TaskScope,
    check_map_index,
    check_scope,
)
from statestore.queries import ASSET_ORDERS, AssetQuery, TaskQuery, TaskState
from statestore.services import Precondition


def scope_of(request: HttpRequest, dag_id: str, run_id: str, task_id: str) -> TaskScope:
    """The task instance that a path and its `map_index` name."""
    map_index = check_map_index(
        number(request, "map_index", default=MAP_INDEX_NONE), where=("query",)
    )
    return check_scope(TaskScope(dag_id, run_id, task_id, map_index))


def number(request: HttpRequest, name: str, *, default: int, least: int | None = None) -> int:
    """A whole number in the query string."""
    digits = request.GET.get(name)
    if digits is None:
        return default
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", digits):
        raise InvalidInput(("query", name), f"{name} must be an integer", "int_parsing")
    if least is not None and int(digits) < least:
        raise InvalidInput(
            ("query", name),
            f"{name} must be greater than or equal to {least}",
            "greater_than_equal",
        )
    return int(digits)


def text(request: HttpRequest, name: str) -> str | None:
    """Text in the query string."""
    found = request.GET.get(name)
    if found is not None and "\0" in found:
        raise InvalidInput(("query", name), f"{name} must not contain U+0000", "string_pattern")
    return found


def flag(request: HttpRequest, name: str) -> bool:
    """True or false in the query string; false when it is left out."""
    word = request.GET.get(name, "false").lower()
    if word not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise InvalidInput(("query", name), f"{name} must be true or false", "bool_parsing")
    return word in {"true", "1", "yes", "on"}


def attempt_of(request: HttpRequest) -> int | None:
    """The attempt that the writer says it is."""
    digits = request.headers.get(ATTEMPT_HEADER)
    if digits is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,8}", digits):
        raise InvalidInput(
            ("header", ATTEMPT_HEADER),
            f"{ATTEMPT_HEADER} must be a number from 1 on",
            "int_parsing",
        )
    return int(digits)


def write_of(request: HttpRequest) -> tuple[str | None, int | None]:
    """The client that numbers its writes, and the number of this one, with room for a batch."""
    text = request.headers.get(WRITE_HEADER)
    if text is None:
        return None, None
    write = re.fullmatch(r"([0-9A-Za-z]{1,16})-([0-9]{1,15})", text)
    if write is None:
        raise InvalidInput(
            ("header", WRITE_HEADER), f"{WRITE_HEADER} must be like 5f3a9c-17", "string_pattern"
        )
    return write[1], int(write[2]) * BATCH_MAX


def precondition_of(request: HttpRequest) -> Precondition:
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


def refuse_precondition(request: HttpRequest) -> None:
    """Refuse a precondition where nothing could check it."""
    for name in ("If-Match", "If-None-Match"):
        if name in request.headers:
            raise InvalidInput(
                ("header", name), f"{name} is for one key: many have many versions", "value_error"
            )


def task_query(request: HttpRequest) -> TaskQuery:
    """Which task instances a search asks for."""
    status = request.GET.get("status")
    states = [state.value for state in TaskState]
    if status is not None and status not in states:
        raise InvalidInput(
            ("query", "status"), f"status must be one of {', '.join(states)}", "enum"
        )
    return TaskQuery(
        dag_id=text(request, "dag_id"),
        run_id=text(request, "run_id"),
        task_id=text(request, "task_id"),
        state=None if status is None else TaskState(status),
        words=tuple((text(request, "q") or "").split()),
    )


def asset_query(request: HttpRequest) -> AssetQuery:
    """Which assets a list asks for, and in which order."""
    orders = [
        word for words in request.GET.getlist("order_by") for word in words.split(",") if word
    ]
    for word in orders:
        if word.removeprefix("-") not in ASSET_ORDERS:
            known = ", ".join(ASSET_ORDERS)
            raise InvalidInput(("query", "order_by"), f"order_by must be some of {known}", "enum")
    return AssetQuery(
        name_pattern=text(request, "name_pattern") or "",
        uri_pattern=text(request, "uri_pattern") or "",
        name_prefix=text(request, "name_prefix_pattern") or "",
        uri_prefix=text(request, "uri_prefix_pattern") or "",
        order_by=tuple(orders),
    )
