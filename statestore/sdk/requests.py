"""Requests are built here, by pure functions; a transport only sends them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from statestore.jsontext import dumps
from statestore.protocol import (
    ATTEMPT_HEADER,
    WAIT_MAX,
    AssetScope,
    InvalidInput,
    Scope,
    TaskScope,
    check_scope,
)
from statestore.sdk import checks, errors
from statestore.sdk.checks import Retention as Retention  # its readers find it here

_JSON: Final = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    repeatable: bool = True
    """Whether carrying it out twice is the same as once."""
    numbered: bool = False
    """Whether it only overwrites: sent twice, it is then carried out once."""
    waits: float = 0.0
    """Seconds that the server may take on purpose."""


def entry_get(scope: Scope, key: str) -> Request:
    """Read one key."""
    return Request("GET", _entry_path(scope, key), _map_index(scope))


def entry_wait(scope: Scope, key: str, *, newer_than: int, seconds: int) -> Request:
    """Read one key once it is in a newer version, or after so many seconds."""
    wait, known = checks.count(seconds, "seconds"), checks.count(newer_than, "newer_than")
    params = {**_map_index(scope), "wait": str(wait), "newer_than": str(known)}
    return Request("GET", _entry_path(scope, key), params, waits=min(wait, WAIT_MAX))


PAGE: Final = 100  # keys; as many as a server gives


def entry_page(scope: Scope, after: str) -> Request:
    """Read a page of the keys behind one ("": from the first)."""
    params = {**_map_index(scope), "limit": str(PAGE)}
    if after:
        params["after"] = after
    return Request("GET", f"{_scope_path(scope)}/state-store", params)


def entry_set(
    scope: Scope,
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
    path = _entry_path(scope, key)
    content = f'{{"value":{_value(value)}{_expiry(retention)}}}'.encode()
    headers = {**_JSON, **_attempt(attempt), **(precondition or {})}
    numbered = precondition is None
    return Request("PUT", path, _map_index(scope), headers, content, numbered=numbered)


def entry_update(
    scope: Scope, key: str, fields: Mapping[str, Any], *, attempt: int | None = None
) -> Request:
    """Change some fields of an object; a field with None is removed (RFC 7396)."""
    headers = {"content-type": "application/merge-patch+json", **_attempt(attempt)}
    content = _json(dict(checks.mapping(fields, "fields"))).encode()
    return Request("PATCH", _entry_path(scope, key), _map_index(scope), headers, content)


def entry_increment(
    scope: Scope, key: str, by: float, *, retention: Retention = None, attempt: int | None = None
) -> Request:
    """Add to a number; not to be sent twice."""
    path = f"{_entry_path(scope, key)}/increment"
    content = f'{{"by":{_json(checks.number(by, "by"))}{_expiry(retention)}}}'.encode()
    headers = {**_JSON, **_attempt(attempt)}
    return Request("POST", path, _map_index(scope), headers, content, repeatable=False)


def entries_set(
    scope: Scope,
    values: Mapping[str, Any],
    *,
    retention: Retention = None,
    attempt: int | None = None,
) -> Request:
    """Create or overwrite many keys, all or none."""
    expiry = _expiry(retention)
    fenced = "" if attempt is None else f',"attempt":{checks.attempt(attempt)}'
    operations = (
        f'{{"op":"set",{_ids(scope)},"key":{_json(checks.key(key))},"value":{_value(value)}{expiry}{fenced}}}'
        for key, value in checks.mapping(values, "values").items()
    )
    return _batch(operations)


def entries_get(scope: Scope, keys: Iterable[str]) -> Request:
    """Read many keys, all as they stood at one moment."""
    ids = _ids(scope)
    return _batch(f'{{"op":"get",{ids},"key":{_json(checks.key(key))}}}' for key in keys)


def asset_register(name: str, uri: str) -> Request:
    """Get or create an asset."""
    content = _json({"name": name, "uri": uri}).encode()
    return Request("POST", "/assets", {}, _JSON, content)


def asset_page(*, name: str | None, uri: str | None, offset: int) -> Request:
    """A page of the assets whose name, or uri, is this one, and of others that are like it."""
    pattern = {"uri_pattern": uri or ""} if name is None else {"name_pattern": name}
    return Request("GET", "/assets", {**pattern, "limit": str(PAGE), "offset": str(offset)})


def entry_delete(scope: Scope, key: str, *, attempt: int | None = None) -> Request:
    """Delete one key."""
    return Request("DELETE", _entry_path(scope, key), _map_index(scope), _attempt(attempt))


def entries_clear(scope: Scope, *, all_map_indices: bool, attempt: int | None = None) -> Request:
    """Delete every key."""
    params = {**_map_index(scope), "all_map_indices": "true" if all_map_indices else "false"}
    return Request("DELETE", f"{_scope_path(scope)}/state-store", params, _attempt(attempt))


def attempt_start(scope: TaskScope) -> Request:
    """Start the next attempt."""
    return Request("POST", f"{_task_path(scope)}/attempts", _map_index(scope))


def task_token(scope: TaskScope, ttl: timedelta, assets: Collection[str] | None) -> Request:
    """Make a token for one task instance, and for the assets of these names (None: every one)."""
    if isinstance(assets, str):
        raise TypeError(f"assets must be several names: [{assets!r}]")
    named = "" if assets is None else f',"assets":{_json(sorted(assets))}'
    content = f'{{{_ids(scope)},"ttl":{max(1, round(ttl.total_seconds()))}{named}}}'.encode()
    return Request("POST", "/task-tokens", {}, _JSON, content)


def version_is(version: int | None) -> Mapping[str, str]:
    """The precondition that the entry is in a version (None: that it does not exist)."""
    if version is None:
        return {"if-none-match": "*"}
    return {"if-match": f'"{checks.version(version)}"'}


def _scope_path(scope: Scope) -> str:
    if isinstance(scope, AssetScope):
        return f"/assets/{scope.asset_id}"
    return _task_path(scope)


def _task_path(scope: TaskScope) -> str:
    try:
        check_scope(scope, where=("scope",))
    except InvalidInput as problem:
        raise errors.InvalidValueError.of(problem) from None
    dag, run, task = (quote(part, safe="") for part in (scope.dag_id, scope.run_id, scope.task_id))
    return f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}"


def _entry_path(scope: Scope, key: str) -> str:
    return f"{_scope_path(scope)}/state-store/{quote(checks.key(key), safe='')}"


def _value(value: Any) -> str:
    if value is None:
        raise errors.InvalidValueError(
            "value: Cannot set value as None, which stands for a key that is not there;"
            " delete() removes a key",
            ("value",),
        )
    return _json(value)


def _json(value: Any) -> str:
    try:
        return dumps(value)
    except InvalidInput as problem:
        raise errors.InvalidValueError.of(problem) from None


def _ids(scope: Scope) -> str:
    if isinstance(scope, AssetScope):
        return f'"asset_id":{scope.asset_id}'
    return _json(asdict(scope))[1:-1]


def _batch(operations: Iterable[str]) -> Request:
    content = f'{{"operations":[{",".join(operations)}]}}'.encode()
    return Request("POST", "/state-store/batch", {}, _JSON, content, numbered=True)


def _map_index(scope: Scope) -> dict[str, str]:
    return {"map_index": str(scope.map_index)} if isinstance(scope, TaskScope) else {}


def _attempt(attempt: int | None) -> dict[str, str]:
    return {} if attempt is None else {ATTEMPT_HEADER.lower(): str(checks.attempt(attempt))}


def _expiry(retention: Retention) -> str:
    retention = checks.retention(retention)
    if retention is None:
        return ""
    if not isinstance(retention, timedelta):
        return ',"expires_at":null'
    return f',"expires_in":{retention.total_seconds()!r}'
