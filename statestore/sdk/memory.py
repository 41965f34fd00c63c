"""What the server keeps, kept in memory: for tasks that run where there is none (STATESTORE_MODE=off).

Answers the SDK's own requests as the server does: versions, preconditions, attempts, expiry. There are
no rights, and all of it is gone with the process.
"""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from math import isinf
from typing import Any, Final
from urllib.parse import unquote

from statestore.protocol import (
    ATTEMPT_HEADER,
    BATCH_MAX,
    TASK_TOKEN_PREFIX,
    VALUE_MAX_BYTES,
    AssetScope,
    ErrorCode,
    InvalidInput,
    Scope,
    TaskScope,
    check_asset_text,
)
from statestore.sdk.answers import Answer
from statestore.sdk.requests import Request

RETENTION: Final = timedelta(days=30)


@cache
def shared_memory() -> "MemoryTransport":
    """The one memory of this process, which every StateStore() of STATESTORE_MODE=off shares."""
    return MemoryTransport()


class Refusal(Exception):  # noqa: N818 - an answer
    """The request is answered with this status."""

    def __init__(self, status: int, code: ErrorCode, detail: Any, **extra: Any) -> None:
        super().__init__(code)
        self.status, self.body = status, {"detail": detail, "code": code, **extra}


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry."""

    text: str
    version: int
    updated_at: datetime
    expires_at: datetime | None

    def json(self, key: str) -> dict[str, Any]:
        """As the server shows it."""
        return {
            "key": key,
            "value": json.loads(self.text),
            "updated_at": self.updated_at.isoformat(),
            "expires_at": self.expires_at and self.expires_at.isoformat(),
        }


@dataclass(slots=True)
class State:
    """Everything."""

    entries: dict[Scope, dict[str, Kept]] = field(default_factory=dict)
    attempts: dict[TaskScope, int] = field(default_factory=dict)
    assets: dict[tuple[str, str], int] = field(default_factory=dict)


class MemoryTransport:
    """A transport whose server is a dictionary; safe with threads, and not shared with forks."""

    def __init__(self) -> None:
        self._state = State()
        self._changed = threading.Condition()

    def send(self, request: Request, *, retry_seconds: float | None = None) -> Answer:
        """Carry it out."""
        with self._changed:
            try:
                return self._answer(request)
            except Refusal as refusal:
                return _json(refusal.body, status=refusal.status)
            finally:
                self._changed.notify_all()

    async def asend(self, request: Request, *, retry_seconds: float | None = None) -> Answer:
        """The same; what waits does so in a thread."""
        if request.waits:
            import asyncio  # noqa: PLC0415 - who awaits this has it already, and others need not

            return await asyncio.to_thread(self.send, request)
        return self.send(request)

    def close(self) -> None:
        """Nothing to give back."""

    async def aclose(self) -> None:
        """Nothing to give back."""

    def _answer(self, request: Request) -> Answer:
        # The parts of a path are quoted one by one, so that each slash divides two.
        match [unquote(part) for part in request.path.split("/")[1:]]:
            case ["assets"] if request.method == "GET":
                return self._assets(request.params)
            case ["assets"]:
                return self._register(json.loads(request.content or b""))
            case ["task-tokens"]:  # reaches nothing, for there is no server to reach
                return _json({"token": TASK_TOKEN_PREFIX + "memory"}, status=201)
            case ["state-store", "batch"]:
                return self._batch(json.loads(request.content or b"")["operations"])
            case ["dags", dag, "dagRuns", run, "taskInstances", task, *rest]:
                scope = TaskScope(dag, run, task, int(request.params["map_index"]))
                return self._in_scope(request, scope, rest)
            case ["assets", asset_id, *rest]:
                return self._in_scope(request, self._asset(int(asset_id)), rest)
        raise Refusal(404, ErrorCode.NOT_FOUND, f"There is nothing at {request.path}.")

    def _in_scope(self, request: Request, scope: Scope, rest: list[str]) -> Answer:
        attempt = int(request.headers.get(ATTEMPT_HEADER.lower(), 0)) or None
        body = json.loads(request.content) if request.content else {}
        match request.method, rest:
            case "POST", ["attempts"] if isinstance(scope, TaskScope):
                self._state.attempts[scope] = self._state.attempts.get(scope, 0) + 1
                return _json({"attempt": self._state.attempts[scope]})
            case "GET", ["state-store"]:
                return self._page(scope, request.params)
            case "DELETE", ["state-store"]:
                self._fence(scope, attempt)
                self._clear(scope, every=request.params.get("all_map_indices") == "true")
                return Answer(204, {}, b"")
            case "GET", ["state-store", key]:
                self._wait(scope, key, request)
                kept = self._found(scope, key)
                return _json(kept.json(key), version=kept.version)
            case "PUT", ["state-store", key]:
                version = self._put(scope, key, body, attempt, _precondition(request.headers))
                return Answer(204, {"etag": f'"{version}"'}, b"")
            case "PATCH", ["state-store", key]:
                self._fence(scope, attempt)
                merged = _merge(json.loads(self._found(scope, key).text), body)
                return self._replace(scope, key, json.dumps(merged), {})
            case "POST", ["state-store", key, "increment"]:
                self._fence(scope, attempt)
                return self._increment(scope, key, body)
            case "DELETE", ["state-store", key]:
                self._fence(scope, attempt)
                self._state.entries.get(scope, {}).pop(key, None)
                return Answer(204, {}, b"")
        raise Refusal(404, ErrorCode.NOT_FOUND, f"There is nothing at {request.path}.")

    # --- reading ---

    def _live(self, scope: Scope, key: str) -> Kept | None:
        kept = self._state.entries.get(scope, {}).get(key)
        ended = kept is not None and kept.expires_at and kept.expires_at <= datetime.now(UTC)
        return None if ended else kept

    def _found(self, scope: Scope, key: str) -> Kept:
        kept = self._live(scope, key)
        if kept is None:
            raise Refusal(404, ErrorCode.NOT_FOUND, f"There is no key {key!r} in {scope}.")
        return kept

    def _page(self, scope: Scope, params: Mapping[str, str]) -> Answer:
        limit, after = int(params["limit"]), params.get("after", "")
        keys = sorted(key for key in self._state.entries.get(scope, {}) if self._live(scope, key))
        behind = [key for key in keys if key > after]
        rows = [self._found(scope, key).json(key) for key in behind[:limit]]
        return _json({"task_state_store": rows, "total_entries": len(keys)})

    def _wait(self, scope: Scope, key: str, request: Request) -> None:
        newer_than, end = int(request.params.get("newer_than", 0)), time.monotonic() + request.waits
        while (left := end - time.monotonic()) > 0:
            kept = self._live(scope, key)
            if kept is not None and kept.version > newer_than:
                return
            self._changed.wait(left)

    # --- writing ---

    def _fence(self, scope: Scope, attempt: int | None) -> None:
        newest = self._state.attempts.get(scope, 0) if isinstance(scope, TaskScope) else 0
        if attempt is not None and attempt < newest:
            detail = f"Attempt {attempt} may write no more: attempt {newest} has started."
            raise Refusal(409, ErrorCode.STALE_ATTEMPT, detail)

    def _put(
        self,
        scope: Scope,
        key: str,
        body: Mapping[str, Any],
        attempt: int | None,
        wanted: int | None,
    ) -> int:
        self._fence(scope, attempt)
        kept = self._live(scope, key)
        present = 0 if kept is None else kept.version
        if wanted is not None and wanted != present:
            detail = (
                f"The key {key!r} is in version {present}."
                if kept
                else f"The key {key!r} does not exist."
            )
            raise Refusal(412, ErrorCode.PRECONDITION_FAILED, detail, version=present or None)
        return self._keep(scope, key, json.dumps(body["value"]), body)

    def _keep(self, scope: Scope, key: str, text: str, body: Mapping[str, Any]) -> int:
        if len(json.dumps(json.loads(text), ensure_ascii=False).encode()) > VALUE_MAX_BYTES:
            raise _invalid(
                ("body", "value"),
                f"the value has more than {VALUE_MAX_BYTES} bytes",
                "value_too_large",
            )
        now, before = datetime.now(UTC), self._live(scope, key)
        version = before.version + 1 if before else 1
        kept = Kept(text, version, now, _expires_at(body, now, scope))
        self._state.entries.setdefault(scope, {})[key] = kept
        return version

    def _replace(self, scope: Scope, key: str, text: str, body: Mapping[str, Any]) -> Answer:
        """Another value, with the expiry that it has."""
        before = self._live(scope, key)
        version = self._keep(scope, key, text, body)
        if before is not None:
            kept = self._state.entries[scope][key]
            self._state.entries[scope][key] = replace(kept, expires_at=before.expires_at)
        return _json({"value": json.loads(text)}, version=version)

    def _increment(self, scope: Scope, key: str, body: Mapping[str, Any]) -> Answer:
        before = self._live(scope, key)
        number = 0 if before is None else json.loads(before.text)
        if isinstance(number, bool) or not isinstance(number, int | float):
            detail = f"The value is {type(number).__name__}, and only a number can be added to."
            raise Refusal(409, ErrorCode.NOT_A_NUMBER, detail)
        if isinstance(number, int) and isinstance(body["by"], int):
            return self._replace(scope, key, str(number + body["by"]), body)
        total = Decimal(repr(number)) + Decimal(repr(body["by"]))
        if isinf(float(total)):
            raise _invalid(("body", "by"), "the sum has too many digits", "finite_number")
        return self._replace(scope, key, str(total), body)

    def _clear(self, scope: Scope, *, every: bool) -> None:
        scopes = [scope]
        if isinstance(scope, TaskScope) and every:
            tasks = [known for known in self._state.entries if isinstance(known, TaskScope)]
            scopes += [known for known in tasks if known.at(scope.map_index) == scope]
        for cleared in scopes:
            self._state.entries.pop(cleared, None)

    def _batch(self, operations: list[dict[str, Any]]) -> Answer:
        if len(operations) > BATCH_MAX:
            detail = f"a batch may have at most {BATCH_MAX} operations"
            raise _invalid(("body", "operations"), detail, "too_long")
        before = {scope: dict(keys) for scope, keys in self._state.entries.items()}
        try:
            return _json({"results": [self._operation(operation) for operation in operations]})
        except Refusal:
            self._state.entries = before  # all of them, or none
            raise

    def _operation(self, operation: Mapping[str, Any]) -> dict[str, Any]:
        if "asset_id" in operation:
            scope: Scope = self._asset(operation["asset_id"])
        else:
            ids = (operation[name] for name in ("dag_id", "run_id", "task_id", "map_index"))
            scope = TaskScope(*ids)
        key = operation["key"]
        if operation["op"] == "set":
            return {"version": self._put(scope, key, operation, operation.get("attempt"), None)}
        kept = self._live(scope, key)
        return {"entry": kept and kept.json(key)}

    # --- assets ---

    def _register(self, body: Mapping[str, str]) -> Answer:
        for name in ("name", "uri"):
            try:
                check_asset_text(body[name], ("body", name))
            except InvalidInput as problem:
                raise _invalid(problem.loc, str(problem), problem.type) from None
        assets = self._state.assets
        asset_id = assets.setdefault((body["name"], body["uri"]), len(assets) + 1)
        return _json({"id": asset_id, **body})

    def _assets(self, params: Mapping[str, str]) -> Answer:
        names = [{"name": name, "uri": uri} for name, uri in self._state.assets]
        for part in ("name", "uri"):
            wanted = params.get(f"{part}_pattern", "")
            names = [each for each in names if wanted in each[part]]
        offset, limit = int(params["offset"]), int(params["limit"])
        page = names[offset : offset + limit]
        return _json({"assets": page, "total_entries": len(names)})

    def _asset(self, asset_id: int) -> AssetScope:
        if asset_id > len(self._state.assets):
            raise Refusal(404, ErrorCode.NOT_FOUND, f"There is no asset {asset_id}.")
        return AssetScope(asset_id)


def _json(body: Any, *, status: int = 200, version: int | None = None) -> Answer:
    headers = {} if version is None else {"etag": f'"{version}"'}
    return Answer(status, headers, json.dumps(body).encode())


def _invalid(loc: tuple[str | int, ...], msg: str, type_: str) -> Refusal:
    return Refusal(422, ErrorCode.INVALID, [{"loc": list(loc), "msg": msg, "type": type_}])


def _precondition(headers: Mapping[str, str]) -> int | None:
    """The version that is asked for; 0: there must be none; None: any will do."""
    if "if-none-match" in headers:
        return 0
    return int(headers["if-match"].strip('"')) if "if-match" in headers else None


def _expires_at(body: Mapping[str, Any], now: datetime, scope: Scope) -> datetime | None:
    if isinstance(scope, AssetScope) or ("expires_at" in body and body["expires_at"] is None):
        return None
    if "expires_in" in body:
        return now + timedelta(seconds=body["expires_in"])
    return now + RETENTION


def _merge(value: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for name, change in patch.items():
        if change is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), change)
    return merged
