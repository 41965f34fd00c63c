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


def counts(*found: QuerySet[Any], at_most: int = COUNTED) -> list[int]:
    """How many rows each has, at most so many (one more than the limit says: there are more).

    Rows that are ordered as an index orders them are counted there, instead of in the whole table.
    """
    parts: list[str] = []
    parameters: list[Any] = []
    for rows in found:
        try:
            text, values = rows.values(one=_ONE)[: at_most + 1].query.sql_with_params()
        except EmptyResultSet:
            text, values = "SELECT 1 WHERE 1 = 0", ()
        parts.append(f"(SELECT COUNT(*) FROM ({text}) AS found)")  # noqa: S608 - by Django
        parameters += values
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", parameters)
        return [int(count) for count in cursor.fetchone()]


def nth_values(
    columns: Sequence[str], found: Sequence[QuerySet[Any]], number: int
) -> list[tuple[Any, ...] | None]:
    """What these columns hold in the row of each that comes so far down (from 1); None: it has fewer."""
    names = [column.removeprefix("-") for column in columns]
    parts: list[str] = []
    parameters: list[Any] = []
    for place, rows in enumerate(found):
        try:
            one = rows.values(*names)[number - 1 : number]
            text, values = one.query.sql_with_params()
        except EmptyResultSet:
            continue
        parts.append(f"SELECT {place}, ends.* FROM ({text}) AS ends")  # noqa: S608 - by Django
        parameters += values
    ends: list[tuple[Any, ...] | None] = [None] * len(found)
    if parts:
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), parameters)
            for place, *values in cursor.fetchall():
                ends[place] = tuple(
                    read_time(value) if name in TIMES else value
                    for name, value in zip(names, values, strict=True)
                )
    return ends


def few_of(found: QuerySet[Any], column: str, number: str = "pk") -> set[int] | None:
    """The numbers of rows that are a range of the column's index; None: they are more than FEW.

    Read in the order of the index, so that nothing else is taken for quicker, and no further than that.
    """
    numbers = list(found.order_by(column).values_list(number, flat=True)[: FEW + 1])
    return set(numbers) if len(numbers) <= FEW else None
