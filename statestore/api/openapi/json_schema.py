"""How JSON Schema is written here, and the pieces that bodies, answers and parameters share."""

from typing import Any, Final

from statestore.protocol import (
    ID_MAX,
    KEY_MAX,
    MAP_INDEX_MAX,
    MAP_INDEX_NONE,
)

Schema = dict[str, Any]


# No control characters, no lone surrogates, and not the path segments that HTTP clients drop.
_PRINTABLE: Final = r"^[^\u0000-\u001F\u007F-\u009F]+$"
NO_NUL: Final = r"^[^\u0000]*$"
_NO_DOTS: Final = {"enum": [".", ".."]}


def ref(name: str) -> Schema:
    """A component schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(longest: int, description: str, example: str) -> Schema:
    """A name: a string of 1 to so many characters."""
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": longest,
        "pattern": _PRINTABLE,
        "not": _NO_DOTS,
        "description": description,
        "examples": [example],
    }


def number(least: int, most: int | None = None, **more: Any) -> Schema:
    """An integer."""
    most_schema = {} if most is None else {"maximum": most}
    return {"type": "integer", "minimum": least, **most_schema, **more}


def fields(required: str, optional: str = "", /, **properties: Schema) -> Schema:
    """An object of which every field is known."""
    names = set(required.split()) | set(optional.split())
    if names != set(properties):
        raise ValueError(f"described and listed fields differ: {names ^ set(properties)}")
    wanted = {"required": required.split()} if required else {}
    return {
        "type": "object",
        "properties": properties,
        **wanted,
        "additionalProperties": False,
    }


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


TIME: Final[Schema] = {
    "type": "string",
    "format": "date-time",
    "description": "In UTC, with microseconds.",
    "examples": ["2026-11-20T06:00:00.000000Z"],
}
MAP_INDEX: Final = number(
    MAP_INDEX_NONE,
    MAP_INDEX_MAX,
    default=MAP_INDEX_NONE,
    description="-1 where the task is not mapped.",
)
DAG_ID: Final = text(ID_MAX, "The dag, workflow or application.", "sales")
RUN_ID: Final = text(ID_MAX, "One run of it.", "2026-11-20")
TASK_ID: Final = text(ID_MAX, "One task of the run.", "ingest")
KEY: Final = text(KEY_MAX, "The key.", "last_page")
