"""Requests are built and answers read here, by pure functions; a transport only sends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from statestore.jsontext import dumps
from statestore.protocol import (
    ATTEMPT_HEADER,
    NEVER_EXPIRE,
    ErrorCode,
    InvalidInput,
    NeverExpire,
    TaskScope,
    check_key,
    check_scope,
)
from statestore.sdk import errors
from statestore.sdk.records import Entry

Retention = timedelta | NeverExpire | None
"""How long after its last write an entry lives; None: the server's default."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, as it was received; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


# --- requests ---


def entry_get(scope: TaskScope, key: str) -> Request:
    """Read one key."""
    return Request("GET", _entry_path(scope, key), _map_index(scope))


def entry_page(scope: TaskScope, offset: int, limit: int = 100) -> Request:
    """Read a page of keys."""
    params = {**_map_index(scope), "limit": str(limit), "offset": str(offset)}
    return Request("GET", f"{_task_path(scope)}/state-store", params)


def entry_set(
    scope: TaskScope,
    key: str,
    value: Any,
    *,
    retention: Retention = None,
    attempt: int | None = None,
    precondition: Mapping[str, str] | None = None,
) -> Request:
    """Create or overwrite one key.

    Raises:
        InvalidValueError: the key, the value or the retention cannot be stored.
        TypeError: the retention is neither a timedelta nor NEVER_EXPIRE nor None.
    """
    if value is None:
        raise errors.InvalidValueError(
            "value: None cannot be stored; delete() removes a key", ("value",)
        )
    path = _entry_path(scope, key)
    try:
        text = dumps(value)
    except InvalidInput as problem:
        raise errors.InvalidValueError.of(problem) from None
    content = f'{{"value":{text}{_expiry(retention)}}}'.encode()
    headers = {"content-type": "application/json", **_attempt(attempt), **(precondition or {})}
    return Request("PUT", path, _map_index(scope), headers, content)


def entry_delete(scope: TaskScope, key: str, *, attempt: int | None = None) -> Request:
    """Delete one key."""
    return Request("DELETE", _entry_path(scope, key), _map_index(scope), _attempt(attempt))


def entries_clear(
    scope: TaskScope, *, all_map_indices: bool, attempt: int | None = None
) -> Request:
    """Delete every key."""
    params = {**_map_index(scope), "all_map_indices": "true" if all_map_indices else "false"}
    return Request("DELETE", f"{_task_path(scope)}/state-store", params, _attempt(attempt))


def attempt_start(scope: TaskScope) -> Request:
    """Start the next attempt."""
    return Request("POST", f"{_task_path(scope)}/attempts", _map_index(scope))


def version_is(version: int | None) -> Mapping[str, str]:
    """The precondition that the entry is in a version (None: that it does not exist)."""
    return {"if-none-match": "*"} if version is None else {"if-match": f'"{version}"'}


def _task_path(scope: TaskScope) -> str:
    try:
        check_scope(scope, where=("scope",))
    except InvalidInput as problem:
        raise errors.InvalidValueError.of(problem) from None
    dag, run, task = (quote(part, safe="") for part in (scope.dag_id, scope.run_id, scope.task_id))
    return f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}"


def _entry_path(scope: TaskScope, key: str) -> str:
    try:
        check_key(key, where=())
    except InvalidInput as problem:
        raise errors.InvalidValueError(problem.msg, ("key",)) from None
    return f"{_task_path(scope)}/state-store/{quote(key, safe='')}"


def _map_index(scope: TaskScope) -> dict[str, str]:
    return {"map_index": str(scope.map_index)}


def _attempt(attempt: int | None) -> dict[str, str]:
    return {} if attempt is None else {ATTEMPT_HEADER.lower(): str(attempt)}


def _expiry(retention: Retention) -> str:
    if retention is None:
        return ""
    if retention is NEVER_EXPIRE:
        return ',"expires_at":null'
    if not isinstance(retention, timedelta):
        raise TypeError(
            f"retention must be a timedelta, NEVER_EXPIRE or None, not {type(retention).__name__}:"
            " write timedelta(seconds=…) or timedelta(days=…)"
        )
    if retention < timedelta(0):
        raise errors.InvalidValueError("retention must not be negative", ("retention",))
    return f',"expires_in":{retention.total_seconds()!r}'


# --- answers ---


def read_entry(answer: Answer, key: str) -> Entry | None:
    """The entry, or None where there is none."""
    if answer.status == 404 and _code(answer) == ErrorCode.NOT_FOUND:
        return None
    body = read_json(answer)
    return _entry(body, key, version=read_version(answer))


def read_page(answer: Answer) -> tuple[list[Entry], int]:
    """A page of entries, and how many there are in all."""
    body = read_json(answer)
    try:
        return [_entry(row, row["key"]) for row in body["task_state_store"]], int(
            body["total_entries"]
        )
    except (KeyError, TypeError, ValueError):
        raise _not_ours(answer) from None


def read_attempt(answer: Answer) -> int:
    """The number of the attempt that has started."""
    try:
        return int(read_json(answer)["attempt"])
    except (KeyError, TypeError, ValueError):
        raise _not_ours(answer) from None


def read_version(answer: Answer) -> int | None:
    """The version in the ETag."""
    tag = answer.headers.get("etag", "").strip('"')
    return int(tag) if tag.isdecimal() else None


def read_done(answer: Answer) -> None:
    """Nothing, where the request was carried out."""
    if answer.status != 204:
        read_json(answer)
        raise _not_ours(answer)


def read_json(answer: Answer) -> Any:
    """The body of a success.

    Raises:
        StatestoreError: the server refused; the class says why.
    """
    if not 200 <= answer.status < 300:
        raise _refusal(answer)
    try:
        return json.loads(answer.content)
    except ValueError:
        raise _not_ours(answer) from None


def _entry(body: Any, key: str, version: int | None = None) -> Entry:
    try:
        expires_at = body["expires_at"]
        return Entry(
            key=key,
            value=body["value"],
            updated_at=datetime.fromisoformat(body["updated_at"]),
            expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
            version=version,
        )
    except (KeyError, TypeError, ValueError):
        raise errors.ServerError(
            "The server's answer is no entry: is STATESTORE_URL right?"
        ) from None


_ERRORS: dict[str, type[errors.StatestoreError]] = {
    ErrorCode.NOT_AUTHENTICATED: errors.UnauthorizedError,
    ErrorCode.FORBIDDEN: errors.ForbiddenError,
    ErrorCode.NOT_FOUND: errors.NotFoundError,
    ErrorCode.STALE_ATTEMPT: errors.StaleAttemptError,
    ErrorCode.TOO_LARGE: errors.TooLargeError,
}


def _body(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _code(answer: Answer) -> str:
    return str(_body(answer).get("code", ""))


def _refusal(answer: Answer) -> errors.StatestoreError:
    body = _body(answer)
    code, detail = str(body.get("code", "")), body.get("detail")
    if code == ErrorCode.PRECONDITION_FAILED:
        return errors.PreconditionFailedError(str(detail), body.get("version"))
    if code == ErrorCode.INVALID and isinstance(detail, list) and detail:
        problem = detail[0]
        loc = tuple(problem.get("loc", ()))
        if problem.get("type") == "value_too_large":
            return errors.TooLargeError(str(problem.get("msg")))
        return errors.InvalidValueError(f"{'.'.join(map(str, loc))}: {problem.get('msg')}", loc)
    if code in _ERRORS:
        return _ERRORS[code](str(detail))
    if code:
        return errors.ServerError(f"The server refused ({answer.status}, {code}): {detail}")
    return _not_ours(answer)


def _not_ours(answer: Answer) -> errors.ServerError:
    start = answer.content[:80].decode("utf-8", "replace")
    return errors.ServerError(
        f"An answer that is not Statestore's (status {answer.status}, {start!r}): is STATESTORE_URL right,"
        " and is there a proxy between?"
    )
