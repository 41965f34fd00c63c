"""Counts that stop at a limit, several in one round trip."""

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

COUNTED = 5_000
"""A page says "5,000+" beyond it: to count further would read the whole table."""


def counts(*found: QuerySet[Any], at_most: int = COUNTED) -> list[int]:
    """How many rows each has, at most so many (one more than the limit says: there are more).

    Rows that are ordered as an index orders them are counted there, instead of in the whole table.
    """
    parts: list[str] = []
    parameters: list[Any] = []
    for rows in found:
        try:
            text, values = rows.values("pk")[: at_most + 1].query.sql_with_params()
        except EmptyResultSet:
            text, values = "SELECT 1 WHERE 1 = 0", ()
        parts.append(f"(SELECT COUNT(*) FROM ({text}) AS found)")  # noqa: S608 - by Django
        parameters += values
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", parameters)
        return [int(count) for count in cursor.fetchone()]
