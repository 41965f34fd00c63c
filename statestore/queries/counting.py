"""Counts that stop at a limit, and where so many rows end: several in one round trip."""

from collections.abc import Sequence
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import IntegerField, QuerySet, Value

from statestore.queries.keyset import TIMES
from statestore.sql.statement import read_time

_ONE = Value(1, output_field=IntegerField())  # no column: an index alone may answer
COUNTED = 5_000
"""A page says "5,000+" beyond it: to count further would read the whole table."""

FEW: Final = 500  # rows that are taken from an index as a whole


Several = tuple[QuerySet[Any], ...]


def counts(*found: QuerySet[Any] | Several, at_most: int = COUNTED) -> list[int]:
    """How many rows each has, at most so many (one more than the limit says: there are more).

    Rows that are ordered as an index orders them are counted there, instead of in the whole table.
    Those of several are counted together, and the later ones only where the first are not too many.
    """
    parts: list[str] = []
    parameters: list[Any] = []
    for one in found:
        texts = []
        for rows in one if isinstance(one, tuple) else (one,):
            try:
                text, values = rows.values(one=_ONE)[: at_most + 1].query.sql_with_params()
            except EmptyResultSet:
                text, values = "SELECT 1 WHERE 1 = 0", ()
            texts.append(text)
            parameters += values
        if len(texts) > 1:
            each = " UNION ALL ".join(f"SELECT 1 FROM ({text}) AS part" for text in texts)  # noqa: S608 - by Django
            texts = [f"{each} LIMIT {at_most + 1}"]
        parts.append(f"(SELECT COUNT(*) FROM ({texts[0]}) AS found)")  # noqa: S608 - the same
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", parameters)
        return [int(count) for count in cursor.fetchone()]


def nth_values(
    columns: Sequence[str], found: Sequence[QuerySet[Any]], number: int
) -> list[tuple[Any, ...] | None]:
    """What these columns hold in the row of each that comes so far down (from 1); None: it has fewer."""
    names = [column.removeprefix("-") for column in columns]
    ends: list[tuple[Any, ...] | None] = [None] * len(found)
    for place, *values in _rows([rows.values(*names)[number - 1 : number] for rows in found]):
        ends[place] = tuple(
            read_time(value) if name in TIMES else value
            for name, value in zip(names, values, strict=True)
        )
    return ends


Range = tuple[QuerySet[Any], str, str]
"""Rows that are a range of a column's index, the column, and the name of their numbers."""


def few_of(*ranges: Range) -> set[int] | None:
    """The numbers of the rows of the first range that has no more than FEW; None: there is none.

    Read in the order of the index, so that nothing else is taken for quicker, and no further than that.
    """
    found: list[set[int]] = [set() for _ in ranges]
    counted = [0] * len(ranges)
    firsts = [rows.order_by(column).values(number) for rows, column, number in ranges]
    for place, number in _rows([rows[: FEW + 1] for rows in firsts]):
        found[place].add(number)
        counted[place] += 1
    few = (numbers for numbers, count in zip(found, counted, strict=True) if count <= FEW)
    return next(few, None)


def _rows(found: Sequence[QuerySet[Any, Any]]) -> list[tuple[Any, ...]]:
    """The rows of each, after its place among them."""
    parts: list[str] = []
    parameters: list[Any] = []
    for place, rows in enumerate(found):
        try:
            text, values = rows.query.sql_with_params()
        except EmptyResultSet:
            continue
        parts.append(f"SELECT {place}, found.* FROM ({text}) AS found")  # noqa: S608 - by Django
        parameters += values
    if not parts:
        return []
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), parameters)
        return list(cursor.fetchall())
