"""The JSON of bodies and answers: what OpenAPI calls component schemas."""

from typing import Final

from django.conf import settings

from statestore.api.openapi.json_schema import (
    DAG_ID,
    KEY,
    MAP_INDEX,
    NO_NUL,
    RUN_ID,
    TASK_ID,
    TIME,
    Schema,
    fields,
    number,
    or_null,
    ref,
    text,
)
from statestore.protocol import (
    ASSET_ID_MAX,
    ASSET_NAME_MAX,
    ATTEMPT_MAX,
    BATCH_MAX,
    RETENTION_MAX,
    TOKEN_ASSETS_MAX,
    VERSION_MAX,
    ErrorCode,
)
from statestore.queries import TaskState

_VALUE: Final[Schema] = {
    "type": ["string", "number", "integer", "boolean", "array", "object"],
    "description": "Any JSON but null; it comes back as the text that was sent.",
    "examples": [7, {"rows": 120}],
}
_EXPIRES_AT: Final[Schema] = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"const": "default"}, {"type": "null"}],
    "default": "default",
    "description": 'A time with an offset, null for never, or "default": the server\'s retention.',
    "examples": ["2026-12-31T12:00:00Z"],
}
_EXPIRES_IN: Final[Schema] = {
    "type": "number",
    "minimum": 0,
    "maximum": RETENTION_MAX,
    "description": "Seconds from now, in the place of expires_at.",
    "examples": [3600],
}
_VERSION: Final = number(1, VERSION_MAX, description="Counts the writes of the entry; its ETag.")
_NOT_BOTH: Final[Schema] = {"not": {"required": ["expires_at", "expires_in"]}}
_TASK_FIELDS: Final = {"dag_id": DAG_ID, "run_id": RUN_ID, "task_id": TASK_ID}


def _page(name: str, row: str) -> Schema:
    return fields(
        f"{name} total_entries",
        **{name: {"type": "array", "items": ref(row)}, "total_entries": number(0)},
    )


def _entry(*, required: str, **more: Schema) -> Schema:
    return fields(
        f"key value updated_at {required}", key=KEY, value=ref("Value"), updated_at=TIME, **more
    )


def _operation(op: str, required: str, optional: str, **properties: Schema) -> Schema:
    """An operation of a batch, on a task instance or on an asset."""
    common = {"op": {"const": op}, "key": KEY, **properties}
    of_task = fields(
        f"op key dag_id run_id task_id {required}",
        f"map_index attempt {optional}",
        **_TASK_FIELDS,
        map_index=MAP_INDEX,
        attempt=number(1, ATTEMPT_MAX),
        **common,
    )
    of_asset = fields(
        f"op key asset_id {required}", optional, asset_id=number(1, ASSET_ID_MAX), **common
    )
    if op == "set":
        for name in ("expires_at", "expires_in"):
            of_asset["properties"].pop(name)
        alone = [["expires_at", "expires_in"], ["if_version", "if_absent"]]
        of_task["allOf"] = [{"not": {"required": names}} for names in alone]
        of_asset["not"] = {"required": ["if_version", "if_absent"]}
    return {"anyOf": [of_task, of_asset]}


def _error(*codes: ErrorCode, detail: Schema | None = None, **more: Schema) -> Schema:
    """A refusal: `detail` for people, `code` for programs."""
    said = detail or {"type": "string", "description": "What is wrong, and what to do."}
    return {
        "type": "object",
        "properties": {"detail": said, "code": {"enum": [str(code) for code in codes]}, **more},
        "required": ["detail", "code", *(name for name in more if name != "operation")],
    }


_IN_BATCH: Final = {
    "operation": number(0, description="In a batch: which one was refused, from 0.")
}
_PROBLEM: Final = fields(
    "loc msg type",
    loc={
        "type": "array",
        "items": {"type": ["string", "integer"]},
        "examples": [["body", "value", "rows", 3]],
    },
    msg={"type": "string"},
    type={"type": "string"},
)
_WRITER: Final = fields(
    "kind dag_id run_id task_id map_index",
    kind={"enum": ["task", "api"]},
    **{name: {"type": ["string", "null"]} for name in _TASK_FIELDS},
    map_index={"type": ["integer", "null"]},
)


def _error_schemas() -> dict[str, Schema]:
    single = {
        "MalformedError": _error(ErrorCode.MALFORMED_JSON, ErrorCode.MALFORMED_REQUEST),
        "NotAuthenticatedError": _error(ErrorCode.NOT_AUTHENTICATED),
        "ForbiddenError": _error(ErrorCode.FORBIDDEN, ErrorCode.HIDDEN, **_IN_BATCH),
        "NotFoundError": _error(ErrorCode.NOT_FOUND, **_IN_BATCH),
        "MethodNotAllowedError": _error(ErrorCode.METHOD_NOT_ALLOWED),
        "PreconditionFailedError": _error(
            ErrorCode.PRECONDITION_FAILED,
            version=or_null(number(1, description="The current version; null: not there.")),
            **_IN_BATCH,
        ),
        "TooLateError": _error(ErrorCode.TOO_LATE),
        "TooLargeError": _error(ErrorCode.TOO_LARGE),
        "UnsupportedMediaTypeError": _error(ErrorCode.UNSUPPORTED_MEDIA_TYPE),
        "InvalidError": _error(
            ErrorCode.INVALID, detail={"type": "array", "items": _PROBLEM}, **_IN_BATCH
        ),
        "ThrottledError": _error(ErrorCode.THROTTLED),
        "UnavailableError": _error(ErrorCode.UNAVAILABLE),
        "StaleAttemptError": _error(
            ErrorCode.STALE_ATTEMPT, attempt=number(1), newest_attempt=number(1), **_IN_BATCH
        ),
        "NotANumberError": _error(ErrorCode.NOT_A_NUMBER),
    }
    return {
        **single,
        "ConflictError": {"anyOf": [ref("StaleAttemptError"), ref("NotANumberError")]},
    }


def _body_schemas() -> dict[str, Schema]:
    largest = f" At most {settings.STATESTORE_VALUE_MAX_BYTES} bytes of JSON."
    value = {**_VALUE, "description": _VALUE["description"] + largest}
    expiry = {"expires_at": _EXPIRES_AT, "expires_in": _EXPIRES_IN}
    increment = {"by": {"type": "number", "default": 1, "examples": [5]}}
    preconditions = {"if_version": _VERSION, "if_absent": {"const": True}}
    names = {
        "name": text(ASSET_NAME_MAX, "The asset's name.", "orders"),
        "uri": text(ASSET_NAME_MAX, "Where it lies; the name where left out.", "s3://lake/orders"),
    }
    return {
        "Value": value,
        "TaskEntryInput": {
            **fields("value", "expires_at expires_in", value=ref("Value"), **expiry),
            **_NOT_BOTH,
        },
        "EntryInput": fields("value", value=ref("Value")),
        "MergePatch": {
            "type": "object",
            "description": "RFC 7396: null removes a field, objects are merged, the rest replaces.",
            "examples": [{"status": "running", "message": None}],
        },
        "TaskIncrement": {
            **fields("", "by expires_at expires_in", **increment, **expiry),
            **_NOT_BOTH,
        },
        "Increment": fields("", "by", **increment),
        "AssetInput": fields("name", "uri", **names),
        "Login": fields(
            "username password",
            username={"type": "string", "pattern": NO_NUL, "examples": ["vera"]},
            password={"type": "string", "format": "password"},
        ),
        "TaskTokenInput": fields(
            "dag_id run_id task_id",
            "map_index ttl assets",
            **_TASK_FIELDS,
            map_index=MAP_INDEX,
            ttl=number(1, 30 * 86400, default=3600, description="Seconds."),
            assets={
                "type": "array",
                "items": names["name"],
                "maxItems": TOKEN_ASSETS_MAX,
                "description": "Names of the only assets that it reaches; [] for none.",
            },
        ),
        "Batch": fields(
            "operations",
            operations={
                "type": "array",
                "maxItems": BATCH_MAX,
                "items": {"anyOf": [ref("BatchGet"), ref("BatchSet"), ref("BatchDelete")]},
            },
        ),
        "BatchGet": _operation("get", "", ""),
        "BatchSet": _operation(
            "set",
            "value",
            "expires_at expires_in if_version if_absent",
            value=ref("Value"),
            **expiry,
            **preconditions,
        ),
        "BatchDelete": _operation("delete", "", "if_version", if_version=_VERSION),
    }


def _answer_schemas() -> dict[str, Schema]:
    asset_lists = ("scheduled_dags", "producing_tasks", "consuming_tasks", "aliases", "watchers")
    empty = {name: {"type": "array", "maxItems": 0} for name in asset_lists}
    return {
        "TaskEntry": _entry(required="expires_at", expires_at=or_null(TIME)),
        "AssetEntry": _entry(required="last_updated_by", last_updated_by=or_null(_WRITER)),
        "TaskEntryPage": _page("task_state_store", "TaskEntry"),
        "AssetEntryPage": _page("asset_state_store", "AssetEntry"),
        "Changed": fields("value", value=ref("Value")),
        "Attempt": fields("attempt", attempt=number(1)),
        "Asset": fields(
            f"id name uri group extra created_at updated_at last_asset_event {' '.join(empty)}",
            id=number(1),
            name={"type": "string"},
            uri={"type": "string"},
            group={"type": "string"},
            extra={"type": "object"},
            created_at=TIME,
            updated_at=TIME,
            last_asset_event={"type": "null"},
            **empty,
        ),
        "AssetPage": _page("assets", "Asset"),
        "BatchResults": fields(
            "results",
            results={
                "type": "array",
                "description": "In the order of the operations.",
                "items": {
                    "anyOf": [
                        fields(
                            "entry",
                            "version",
                            entry={
                                "anyOf": [ref("TaskEntry"), ref("AssetEntry"), {"type": "null"}]
                            },
                            version=_VERSION,
                        ),
                        fields("", "version", version=_VERSION),
                    ]
                },
            },
        ),
        "TaskInstance": fields(
            "id dag_id run_id task_id map_index attempt status keys last_write progress",
            id=number(1),
            **_TASK_FIELDS,
            map_index=MAP_INDEX,
            attempt=number(0, description="The newest; 0: none was started."),
            status={"enum": [state.value for state in TaskState]},
            keys=number(0, description="How many it has."),
            last_write=or_null(TIME),
            progress={"description": "The value of its key progress, or null."},
        ),
        "TaskInstancePage": fields(
            "task_instances next_cursor",
            task_instances={"type": "array", "items": ref("TaskInstance")},
            next_cursor={
                "type": ["string", "null"],
                "description": "Null: that was the last page.",
            },
        ),
        "UserToken": fields("access_token", access_token={"type": "string"}),
        "TaskToken": fields("token expires_at", token={"type": "string"}, expires_at=TIME),
        "Health": fields("status", status={"const": "ok"}),
        "Readiness": fields(
            "status sweep last_sweep_seconds_ago",
            status={"const": "ready"},
            sweep={"enum": ["ok", "late", "never"]},
            last_sweep_seconds_ago={"type": ["integer", "null"]},
        ),
    }


def schemas() -> dict[str, Schema]:
    """Every component schema, by name."""
    return {**_body_schemas(), **_answer_schemas(), **_error_schemas()}


_SUM: Final = {"by": 5}
_TASK: Final = {"dag_id": "sales", "run_id": "2026-11-20", "task_id": "ingest"}
BODY_EXAMPLES: Final = {
    "TaskEntryInput": {"value": {"rows": 120}, "expires_in": 3600},
    "EntryInput": {"value": "2026-11-20T06:00:00Z"},
    "MergePatch": {"status": "running", "message": None},
    "TaskIncrement": _SUM,
    "Increment": _SUM,
    "AssetInput": {"name": "orders", "uri": "s3://lake/orders"},
    "Login": {"username": "vera", "password": "vera-likes-long-ones"},
    "TaskTokenInput": {**_TASK, "ttl": 3600, "assets": ["sales_orders"]},
    "Batch": {
        "operations": [
            {"op": "set", **_TASK, "key": "last_page", "value": 7, "attempt": 1},
            {"op": "set", **_TASK, "key": "owner", "value": "worker-3", "if_absent": True},
            {"op": "get", **_TASK, "key": "summary"},
            {"op": "delete", "asset_id": 1, "key": "watermark", "if_version": 3},
        ]
    },
}

_NOW: Final = "2026-11-20T06:00:00.000000Z"
_TASK_ENTRY: Final[Schema] = {
    "key": "last_page", "value": 7, "updated_at": _NOW, "expires_at": "2026-12-20T06:00:00.000000Z"
}  # fmt: skip
_ASSET_ENTRY: Final[Schema] = {
    "key": "watermark", "value": "2026-11-20", "updated_at": _NOW,
    "last_updated_by": {"kind": "task", **_TASK, "map_index": -1},
}  # fmt: skip
_ASSET: Final[Schema] = {
    "id": 1, "name": "orders", "uri": "s3://lake/orders", "group": "asset", "extra": {},
    "created_at": _NOW, "updated_at": _NOW, "scheduled_dags": [], "producing_tasks": [],
    "consuming_tasks": [], "aliases": [], "watchers": [], "last_asset_event": None,
}  # fmt: skip
ANSWER_EXAMPLES: Final[dict[str, Schema]] = {
    "TaskEntry": _TASK_ENTRY,
    "TaskEntryPage": {"task_state_store": [_TASK_ENTRY], "total_entries": 1},
    "AssetEntry": _ASSET_ENTRY,
    "AssetEntryPage": {"asset_state_store": [_ASSET_ENTRY], "total_entries": 1},
    "Changed": {"value": 12},
    "Attempt": {"attempt": 2},
    "Asset": _ASSET,
    "AssetPage": {"assets": [_ASSET], "total_entries": 1},
    "BatchResults": {
        "results": [{"version": 3}, {"version": 1}, {"entry": _TASK_ENTRY, "version": 3}, {}]
    },
    "TaskInstancePage": {
        "task_instances": [
            {
                "id": 17, **_TASK, "map_index": -1, "attempt": 2, "status": "running", "keys": 2,
                "last_write": _NOW, "progress": {"current": 11, "total": 50},
            }
        ],
        "next_cursor": None,
    },
    "UserToken": {"access_token": "stu_…"},
    "TaskToken": {"token": "stt_…", "expires_at": _NOW},
    "Health": {"status": "ok"},
    "Readiness": {"status": "ready", "sweep": "ok", "last_sweep_seconds_ago": 12},
}  # fmt: skip
