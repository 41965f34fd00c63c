"""What each verb of each path does: one record each."""

from typing import Final

from statestore.api.bodies import MERGE_PATCH
from statestore.api.openapi.json_schema import ref
from statestore.api.openapi.operation import JSON, Operation

TASK: Final = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}"
ASSET: Final = "/assets/{asset_id}"
_ONE: Final = "/state-store/{key}"
_FENCED: Final = "if_match if_none_match attempt"
_CREATES: Final = "Creates the task instance where it is new. Each PUT replaces the expiry."

_TASK_ENTRIES: Final = {
    f"GET {TASK}/state-store": Operation(
        "Task entries",
        "list_task_entries",
        "A page of the keys of a task instance, by key",
        (200, "TaskEntryPage"),
        "map_index limit offset after",
        (403, 422),
        description="An unknown task instance has none.",
    ),
    f"DELETE {TASK}/state-store": Operation(
        "Task entries",
        "clear_task_entries",
        "Clear all keys of a task instance",
        (204, None),
        "map_index all_map_indices attempt write reason",
        (403, 409, 422),
        description="The number of its newest attempt stays.",
    ),
    f"GET {TASK}{_ONE}": Operation(
        "Task entries",
        "get_task_entry",
        "Read a key, or wait until it is newer",
        (200, "TaskEntry"),
        "map_index wait newer_than",
        (403, 404, 422),
        etag=True,
        description="With wait, whatever is there when the time is up is the answer.",
    ),
    f"PUT {TASK}{_ONE}": Operation(
        "Task entries",
        "set_task_entry",
        "Create or overwrite a key",
        (204, None),
        f"map_index {_FENCED} write",
        (403, 409, 412, 422),
        {JSON: "TaskEntryInput"},
        description=_CREATES,
        etag=True,
    ),
    f"PATCH {TASK}{_ONE}": Operation(
        "Task entries",
        "patch_task_entry",
        "Change the value of a key, or some of its fields",
        (200, {JSON: {"schema": {"anyOf": [{"type": "null"}, ref("Changed")]}}}),
        f"map_index {_FENCED}",
        (403, 404, 409, 412, 422),
        {JSON: "EntryInput", MERGE_PATCH: "MergePatch"},
        description="Keeps the expiry. A merge patch answers what the value has become.",
        etag=True,
    ),
    f"DELETE {TASK}{_ONE}": Operation(
        "Task entries",
        "delete_task_entry",
        "Delete a key, if it is there",
        (204, None),
        f"map_index {_FENCED} write reason",
        (403, 409, 412, 422),
    ),
    f"POST {TASK}{_ONE}/increment": Operation(
        "Task entries",
        "increment_task_entry",
        "Add to the number under a key, atomically",
        (200, "Changed"),
        "map_index attempt",
        (403, 409, 422),
        {JSON: "TaskIncrement"},
        description="A key that is not there counts as 0. The expiry is for such a new key.",
        etag=True,
    ),
    f"POST {TASK}/attempts": Operation(
        "Attempts",
        "start_attempt",
        "Start the next attempt of a task instance",
        (201, "Attempt"),
        "map_index",
        (403, 422),
        description="Older attempts can write no more where they name themselves.",
    ),
}
_ASSETS: Final = {
    "GET /assets": Operation(
        "Assets",
        "list_assets",
        "A page of the assets, by id",
        (200, "AssetPage"),
        "name_pattern uri_pattern name_prefix_pattern uri_prefix_pattern dag_ids only_active order_by"
        " limit offset",
        (403, 422),
    ),
    "POST /assets": Operation(
        "Assets",
        "register_asset",
        "Get or create an asset",
        (201, "Asset"),
        "",
        (403, 422),
        {JSON: "AssetInput"},
        more={
            200: {
                "description": "It was there already",
                "content": {JSON: {"schema": ref("Asset")}},
            }
        },
    ),
    f"GET {ASSET}": Operation("Assets", "get_asset", "One asset", (200, "Asset"), "", (403, 404)),
    f"GET {ASSET}/state-store": Operation(
        "Assets",
        "list_asset_entries",
        "A page of the keys of an asset, by key",
        (200, "AssetEntryPage"),
        "limit offset after",
        (403, 404, 422),
    ),
    f"DELETE {ASSET}/state-store": Operation(
        "Assets",
        "clear_asset_entries",
        "Clear all keys of an asset",
        (204, None),
        "write reason",
        (403, 404, 422),
    ),
    f"GET {ASSET}{_ONE}": Operation(
        "Assets",
        "get_asset_entry",
        "Read a key, or wait until it is newer",
        (200, "AssetEntry"),
        "wait newer_than",
        (403, 404, 422),
        etag=True,
    ),
    f"PUT {ASSET}{_ONE}": Operation(
        "Assets",
        "set_asset_entry",
        "Create or overwrite a key",
        (204, None),
        "if_match if_none_match write",
        (403, 404, 412, 422),
        {JSON: "EntryInput"},
        etag=True,
    ),
    f"DELETE {ASSET}{_ONE}": Operation(
        "Assets",
        "delete_asset_entry",
        "Delete a key, if it is there",
        (204, None),
        "if_match if_none_match write reason",
        (403, 404, 412, 422),
    ),
    f"POST {ASSET}{_ONE}/increment": Operation(
        "Assets",
        "increment_asset_entry",
        "Add to the number under a key, atomically",
        (200, "Changed"),
        "",
        (403, 404, 409, 422),
        {JSON: "Increment"},
        etag=True,
    ),
}
_SEVERAL: Final = {
    "POST /state-store/batch": Operation(
        "Batch",
        "apply_batch",
        "Up to 1,000 operations in one transaction: all of them, or none",
        (200, "BatchResults"),
        "write",
        (403, 404, 409, 412, 422),
        {JSON: "Batch"},
        description="Over any task instances and assets that the credentials reach.",
    ),
    "GET /task-instances": Operation(
        "Search",
        "search_task_instances",
        "Task instances by their last write, newest first",
        (200, "TaskInstancePage"),
        "find_dag_id find_run_id find_task_id status q least_one cursor",
        (403, 422),
    ),
}
_TOKENS: Final = {
    "POST /auth/token": Operation(
        "Tokens",
        "create_user_token",
        "Log in: a token that is the user for 24 hours",
        (201, "UserToken"),
        "",
        (401, 422, 429, 503),
        {JSON: "Login"},
        open=True,
    ),
    "POST /task-tokens": Operation(
        "Tokens",
        "create_task_token",
        "A token for one task instance",
        (201, "TaskToken"),
        "",
        (403, 404, 422),
        {JSON: "TaskTokenInput"},
        description="It also reaches its maker's assets, or those of `assets`, and ends with the maker's.",
    ),
}
_TEXT: Final = {"schema": {"type": "string"}}
_DOCUMENT: Final = {"schema": {"type": "object"}}
_HEALTH: Final = {
    "GET /healthz": Operation(
        "Health", "health", "Whether this process answers", (200, "Health"), open=True
    ),
    "GET /readyz": Operation(
        "Health",
        "readiness",
        "Whether the database answers, and when beat last swept",
        (200, "Readiness"),
        "",
        (503,),
        open=True,
    ),
    "GET /metrics": Operation(
        "Health",
        "metrics",
        "What Prometheus gathers",
        (200, {"text/plain": _TEXT}),
        "",
        (403,),
    ),
    "GET /schema": Operation(
        "Health",
        "schema",
        "This description",
        (200, {JSON: _DOCUMENT, "application/yaml": _DOCUMENT}),
        "format",
        (422,),
        open=True,
    ),
    "GET /docs": Operation(
        "Health", "docs", "This description as a page", (200, {"text/html": _TEXT}), open=True
    ),
}

TAGS: Final = {
    "Task entries": "The keys of a task instance. All its attempts share them.",
    "Attempts": "The newest attempt alone may write.",
    "Assets": "Data sets by name and uri, and their keys, which outlive runs.",
    "Batch": "Many operations, one transaction.",
    "Search": "Task instances with their progress.",
    "Tokens": "Credentials that are made over HTTP; the others are made in the admin site.",
    "Health": "For load balancers, orchestrators, Prometheus, and this description.",
}
OPERATIONS: Final = {**_TASK_ENTRIES, **_ASSETS, **_SEVERAL, **_TOKENS, **_HEALTH}
