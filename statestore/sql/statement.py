"""A named SQL statement, written once for PostgreSQL and SQLite.

`{at}` marks a parameter that is a time, `{int}` a number, `{text}` a text (PostgreSQL must be told),
`{share}` locks a task instance's row against a newer attempt that starts at the same moment, `{hold}`
locks a row until the transaction ends, and `{skip}` keeps sweepers out of each other's way; SQLite has
one writer at a time and needs none of the locks.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection

_FRAGMENTS: Final = {
    "postgresql": {
        "at": "::timestamptz",
        "int": "::bigint",
        "text": "::text",
        "share": "FOR SHARE",
        "hold": "FOR NO KEY UPDATE",
        "skip": "FOR UPDATE SKIP LOCKED",
    },
    "sqlite": {"at": "", "int": "", "text": "", "share": "", "hold": "", "skip": ""},
}


class Statement:
    """One named SQL statement with named parameters."""

    def __init__(self, text: str) -> None:
        self._texts = {vendor: text.format(**fragments) for vendor, fragments in _FRAGMENTS.items()}

    def rows(self, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run it and fetch what it returns."""
        with connection.cursor() as cursor:
            cursor.execute(self._texts[connection.vendor], _adapted(parameters))
            return list(cursor.fetchall())

    def count(self, **parameters: Any) -> int:
        """Run it; how many rows it changed."""
        with connection.cursor() as cursor:
            cursor.execute(self._texts[connection.vendor], _adapted(parameters))
            return int(cursor.rowcount)


def _adapted(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    if connection.vendor == "postgresql":
        return parameters
    return {
        name: connection.ops.adapt_datetimefield_value(value)
        if isinstance(value, datetime)
        else value
        for name, value in parameters.items()
    }


def read_time(value: Any) -> Any:
    """A time as the driver gave it, made aware: SQLite keeps text in UTC without saying so."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def first(rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...] | None:
    """The only row, or none."""
    return rows[0] if rows else None
