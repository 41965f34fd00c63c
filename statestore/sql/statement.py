"""A named SQL statement, written once for PostgreSQL and SQLite.

`{at}` marks a parameter that is a time, `{int}` a number, `{text}` a text (PostgreSQL must be told),
`{share}` locks a task instance's row against a newer attempt that starts at the same moment, `{hold}`
locks a row until the transaction ends (`{hold_t}`: that of t alone), `{hold_free}` those that nobody
holds, and `{skip}` keeps sweepers out of each other's way; SQLite has one writer at a time and needs none
of the locks. `{waited}` says whether somebody else wrote an entry e, or took over the status that it
reports, between the statement's look at the database and its write. `{array}(a, b)` is a JSON array, and
`{array_of}(a)` one of all rows. `{among}` begins a condition that finds rows by a query, which runs once
and ends with two brackets.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from statestore.sql.arrays import array
from statestore.sql.prepared import Prepared

_FRAGMENTS: Final = {
    "postgresql": {
        "at": "::timestamptz",
        "int": "::bigint",
        "text": "::text",
        "share": "FOR SHARE",
        "hold": "FOR NO KEY UPDATE",
        "hold_t": "FOR NO KEY UPDATE OF t",
        "hold_free": "FOR NO KEY UPDATE SKIP LOCKED",
        "skip": "FOR UPDATE SKIP LOCKED",
        "waited": (
            "COALESCE((version, changes) <> (SELECT s.version + 1, s.changes"
            " FROM statestore_entry s WHERE s.id = e.id), true)"
        ),
        "array": "json_build_array",
        "array_of": "json_agg",
        "among": "ctid = ANY (ARRAY(SELECT ctid",
    },
    "sqlite": {
        **dict.fromkeys(("at", "int", "text", "share", "hold", "hold_t", "hold_free", "skip"), ""),
        "waited": "false",
        "array": "json_array",
        "array_of": "json_group_array",
        "among": "id IN (SELECT id FROM (SELECT id",
    },
}


class Statement:
    """One named SQL statement with named parameters.

    `{rows}` in it is a table of the parameter `rows`: a list for each of the columns given here.
    """

    def __init__(
        self,
        text: str,
        columns: Mapping[str, str] | None = None,
        *,
        planned_each_time: bool = False,
    ) -> None:
        rows = _tables(columns or {})
        self._texts = {
            vendor: text.format(rows=rows[vendor], **fragments)
            for vendor, fragments in _FRAGMENTS.items()
        }
        self._prepared = None if planned_each_time else Prepared(self._texts["postgresql"])

    def rows(self, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run it and fetch what it returns."""
        database = connections[DEFAULT_DB_ALIAS]
        adapted = _adapted(parameters, database.vendor)
        if self._prepared and _prepares(database):
            return self._prepared.rows(database, adapted)
        with database.cursor() as cursor:
            cursor.execute(self._texts[database.vendor], adapted)
            return list(cursor.fetchall())

    def count(self, **parameters: Any) -> int:
        """Run it; how many rows it changed."""
        database = connections[DEFAULT_DB_ALIAS]
        adapted = _adapted(parameters, database.vendor)
        if self._prepared and _prepares(database):
            return self._prepared.count(database, adapted)
        with database.cursor() as cursor:
            cursor.execute(self._texts[database.vendor], adapted)
            return int(cursor.rowcount)


def _prepares(database: BaseDatabaseWrapper) -> bool:
    """Whether statements are prepared there: not where a pooler, or whoever looks on, must see them."""
    if database.vendor != "postgresql" or settings.STATESTORE_PGBOUNCER:
        return False
    return not (database.queries_logged or database.execute_wrappers)


def _tables(columns: Mapping[str, str]) -> dict[str, str]:
    """An array for each column, which PostgreSQL reads in half the time of JSON; SQLite has no arrays."""
    arrays = ", ".join(f"%(rows.{name})s::{kind}[]" for name, kind in columns.items())
    members = ", ".join(
        f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(columns)
    )
    return {
        "postgresql": f"unnest({arrays}) AS r ({', '.join(columns)})",
        "sqlite": f"(SELECT {members} FROM json_each(%(rows)s)) AS r",  # noqa: S608 - our own names
    }


def _adapted(parameters: Mapping[str, Any], vendor: str) -> Mapping[str, Any]:
    if vendor == "sqlite":
        parameters = {name: _parameter(value) for name, value in parameters.items()}
    columns = parameters.get("rows")
    if columns is None:
        return parameters
    if vendor == "sqlite":
        records = zip(
            *([_parameter(one) for one in column] for column in columns.values()), strict=True
        )
        return {**parameters, "rows": _encode(list(records))}
    arrays = {f"rows.{name}": array(column) for name, column in columns.items()}
    return {**parameters, **arrays}


def _parameter(value: Any) -> Any:
    """A parameter as SQLite stores it."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value


_encode: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


def columns(names: str, records: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """The parameter `rows` of some records."""
    values = zip(*records, strict=True)
    return dict(zip(names.split(), map(list, values), strict=True))


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
