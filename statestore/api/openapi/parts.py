"""The parameters and answers that operations share, as OpenAPI's reusable components."""

from typing import Any, Final

from statestore.api.openapi.json_schema import (
    DAG_ID,
    KEY,
    MAP_INDEX,
    NO_NUL,
    RUN_ID,
    TASK_ID,
    Schema,
    number,
    ref,
)
from statestore.protocol import (
    ASSET_ID_MAX,
    ATTEMPT_HEADER,
    ATTEMPT_MAX,
    AUDIT_REASON_MAX,
    DEADLINE_HEADER,
    ID_MAX,
    REASON_HEADER,
    WRITE_HEADER,
)
from statestore.queries import ASSET_ORDERS, WORDS_MAX, TaskState

_ENCODED: Final = (
    " Percent-encode it, slashes too (%2F). It must not contain the words"
    " /dagRuns/, /taskInstances/, /state-store or /attempts."
)


def _path(name: str, schema: Schema, more: str = "") -> Schema:
    description = schema["description"] + more
    return {
        "name": name, "in": "path", "required": True, "schema": schema, "description": description
    }  # fmt: skip


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _header(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "header", "schema": schema, "description": description}


_STRING: Final[Schema] = {"type": "string"}
_WORDS: Final[Schema] = {"type": "string", "pattern": NO_NUL}
_WILDCARDS: Final = (
    "Upper and lower case are the same; % stands for any text, _ for one character, | for or, ~ for"
    " everything."
)
_BEGINNING: Final = (
    "What is neither letter nor digit at its end does not count; | stands for or, ~ for everything."
)
_ANY_LENGTH: Final = number(0, 10**18 - 1)

PARAMETERS: Final[dict[str, Schema]] = {
    "dag_id": _path("dag_id", DAG_ID, _ENCODED),
    "dag_run_id": _path("dag_run_id", RUN_ID, _ENCODED),
    "task_id": _path("task_id", TASK_ID, _ENCODED),
    "asset_id": _path(
        "asset_id", number(0, ASSET_ID_MAX, description="The id of an asset.", examples=[1])
    ),
    "key": _path("key", KEY, " Percent-encode it, slashes too (%2F)."),
    "map_index": _query("map_index", MAP_INDEX, "Which one of a mapped task; -1: not mapped."),
    "all_map_indices": _query(
        "all_map_indices", {"type": "boolean", "default": False}, "Clear those of every map index."
    ),
    "limit": _query("limit", {**_ANY_LENGTH, "default": 50}, "Rows of a page, 100 at most."),
    "least_one": _query(
        "limit", {**_ANY_LENGTH, "minimum": 1, "default": 50}, "Rows of a page, 100 at most."
    ),
    "offset": _query("offset", {**_ANY_LENGTH, "default": 0}, "Rows to leave out before."),
    "after": _query(
        "after",
        _WORDS,
        "Only the keys behind this one. Read on with the last key of a page: none is"
        " left out where others are deleted meanwhile, as with offset.",
    ),
    "wait": _query(
        "wait",
        {**_ANY_LENGTH, "default": 0, "examples": [0]},
        "Seconds, 30 at most, to wait for a version newer than newer_than.",
    ),
    "newer_than": _query(
        "newer_than", {**_ANY_LENGTH, "default": 0}, "The version that is known already."
    ),
    "if_match": _header(
        "If-Match",
        {
            "type": "string",
            "anyOf": [{"const": "*"}, {"pattern": '^"[1-9][0-9]{0,17}"$'}],
            "examples": ['"7"'],
        },
        "Only if the entry has this ETag (`*`: any).",
    ),
    "if_none_match": _header(
        "If-None-Match", {"const": "*"}, "Only if there is no such entry. Not with If-Match."
    ),
    "attempt": _header(
        ATTEMPT_HEADER,
        number(1, ATTEMPT_MAX),
        "Which attempt writes; refused once a newer one has started.",
    ),
    "reason": _header(
        REASON_HEADER,
        {"type": "string", "maxLength": AUDIT_REASON_MAX, "examples": ["the source was wrong"]},
        "Why, for the audit: UTF-8, in which any character may be percent-encoded. What tokens do to"
        " single keys is not in the audit.",
    ),
    "write": _header(
        WRITE_HEADER,
        {
            "type": "string",
            "anyOf": [{"pattern": "^[0-9A-Za-z]{1,16}-[0-9]{1,15}$"}],
            "examples": ["5f3a9c-17"],
        },
        "The client's name for itself, and the number of this overwrite: it changes nothing where an"
        " overwrite of this client with that or a higher number was the last one of the entry.",
    ),
    "deadline": _header(
        DEADLINE_HEADER,
        {"type": "number", "minimum": 0, "examples": [4102444800.25]},
        "Until when this may begin to be carried out, by the clock of Statestore-Time: seconds since"
        " 1970. Whoever sends again after that need not fear the first one.",
    ),
    "name_pattern": _query("name_pattern", _WORDS, f"A part of the name. {_WILDCARDS}"),
    "uri_pattern": _query("uri_pattern", _WORDS, f"A part of the uri. {_WILDCARDS}"),
    "name_prefix_pattern": _query(
        "name_prefix_pattern", _WORDS, f"The beginning of the name. {_BEGINNING}"
    ),
    "uri_prefix_pattern": _query(
        "uri_prefix_pattern", _WORDS, f"The beginning of the uri. {_BEGINNING}"
    ),
    "dag_ids": _query(
        "dag_ids",
        {"type": "array", "items": _STRING},
        "Dags of the asset; none is known, so nothing is found.",
    ),
    "only_active": _query("only_active", {"type": "boolean"}, "All assets are active."),
    "order_by": _query(
        "order_by",
        {
            "type": "array",
            "items": {"enum": [f"{sign}{name}" for sign in ("", "-") for name in ASSET_ORDERS]},
        },
        "Fields, the most important one first; - before one turns its order round.",
    ),
    "find_dag_id": _query("dag_id", _WORDS, "This dag alone."),
    "find_run_id": _query("run_id", _WORDS, "This run alone."),
    "find_task_id": _query("task_id", _WORDS, "This task alone."),
    "status": _query("status", {"enum": [state.value for state in TaskState]}, "In this state."),
    "q": _query(
        "q",
        _WORDS,
        f"Words that the ids contain, all of them; at most {WORDS_MAX} of {ID_MAX} characters.",
    ),
    "cursor": _query("cursor", {"type": "string", "format": "cursor"}, "A page's next_cursor."),
    "format": _query("format", {"enum": ["json", "yaml"]}, "Instead of Accept."),
}


def _refusal(status: int, description: str, **headers: Schema) -> dict[str, Any]:
    schema = ref(f"{_REFUSED[status][0]}Error")
    answer: dict[str, Any] = {
        "description": description, "content": {"application/json": {"schema": schema}}
    }  # fmt: skip
    return {**answer, "headers": headers} if headers else answer


def _always(schema: Schema, description: str) -> Schema:
    return {"schema": schema, "description": description, "required": True}


_RETRY: Final = {"Retry-After": _always({"type": "string", "pattern": "^[0-9]+$"}, "Seconds.")}
_REFUSED: Final = {
    400: ("Malformed", "The body is no JSON, or the path no UTF-8.", {}),
    401: (
        "NotAuthenticated",
        "No credentials, or not valid ones.",
        {"WWW-Authenticate": _always(_STRING, "Bearer.")},
    ),
    403: (
        "Forbidden",
        "The credentials lack the right, or do not reach it; or a person asks for a possible secret.",
        {},
    ),
    404: ("NotFound", "Not there, expired, or not to be seen with these credentials.", {}),
    405: (
        "MethodNotAllowed",
        "The path has no such verb.",
        {"Allow": _always(_STRING, "Those that it has.")},
    ),
    408: ("TooLate", "Statestore-Deadline had passed: it was not carried out.", {}),
    409: ("Conflict", "A newer attempt has started, or the value is no number.", {}),
    412: ("PreconditionFailed", "If-Match or If-None-Match does not hold.", {}),
    413: ("TooLarge", "The body is longer than any value may be.", {}),
    415: ("UnsupportedMediaType", "The body is not sent as JSON.", {}),
    422: ("Invalid", "Something is not allowed; detail says where.", {}),
    429: ("Throttled", "Too many requests.", _RETRY),
    503: ("Unavailable", "The database is away, or too many wait: try again.", _RETRY),
}

ETAG: Final = _always(
    {"type": "string", "pattern": '^"[1-9][0-9]*"$'}, 'The entry\'s version: "7".'
)


def refused(status: int) -> Schema:
    """Where the answer with this status is described."""
    return {"$ref": f"#/components/responses/{_REFUSED[status][0]}"}


def responses() -> dict[str, Schema]:
    """Every refusal that operations share, by name."""
    return {
        name: _refusal(status, description, **headers)
        for status, (name, description, headers) in _REFUSED.items()
    }


SECURITY_SCHEMES: Final[dict[str, Schema]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of create_api_token, /auth/token or /task-tokens. To the second, which is"
        " a person, possible secrets are hidden.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "A browser that has logged in; writes also need X-CSRFToken. Possible secrets are"
        " hidden: 403 where one key is read, and `hidden: possible secret` in place of the value in"
        " lists, batches, answers to merge patches, and the progress of task instances.",
    },
}
