"""Pages that begin after a row instead of at a number: quick however far down, and nothing jumps."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q

TIMES = frozenset({"active_at", "updated_at"})


def after(columns: Sequence[str], values: Sequence[Any]) -> Q:
    """Rows that come after the one with these values, in the order of the columns (`-name`: falling)."""
    condition = Q(pk__in=[])
    for column, value in reversed(list(zip(columns, values, strict=True))):
        name, beyond = column.removeprefix("-"), "lt" if column.startswith("-") else "gt"
        condition = Q(**{f"{name}__{beyond}": value}) | (Q(**{name: value}) & condition)
    # Said once more of the first column alone: a range that an index can begin with.
    first, bound = columns[0].removeprefix("-"), "lte" if columns[0].startswith("-") else "gte"
    return Q(**{f"{first}__{bound}": values[0]}) & condition


def until(columns: Sequence[str], values: Sequence[Any]) -> Q:
    """Rows up to the one with these values, and that one."""
    first, bound = columns[0].removeprefix("-"), "gte" if columns[0].startswith("-") else "lte"
    return Q(**{f"{first}__{bound}": values[0]}) & ~after(columns, values)


def begins(column: str, text: str) -> Q:
    """The column begins with the text, case and all: a range of the index, with any plan."""
    return Q(**{f"{column}__gte": text, f"{column}__lt": f"{text}\U0010ffff"})


def names(column: str, text: str, *, whole: bool) -> Q:
    """The column is the text, or begins with it: a range of the index in either case."""
    return Q(**{f"{column}__gte": text, f"{column}__lte": text}) if whole else begins(column, text)


def values_of(columns: Sequence[str], row: Any) -> tuple[Any, ...]:
    """Where the row stands in this order."""
    return tuple(getattr(row, column.removeprefix("-")) for column in columns)


def encode(section: int, values: Sequence[Any] | None) -> str:
    """A position as text for a query string; without values, the beginning of the section."""
    plain = [v.isoformat() if isinstance(v, datetime) else v for v in values or ()]
    text = json.dumps([section, *plain], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(text: str, columns: Sequence[str]) -> tuple[int, tuple[Any, ...] | None]:
    """The position; what is none of this order begins at the first row."""
    try:
        padded = text + "=" * (-len(text) % 4)
        section, *plain = json.loads(base64.urlsafe_b64decode(padded.encode()))
        values = tuple(
            _value(column.removeprefix("-"), value)
            for column, value in zip(columns, plain, strict=bool(plain))
        )
        if isinstance(section, int) and 0 <= section < 100:
            return section, values or None
    except (ValueError, TypeError, binascii.Error, RecursionError):
        pass
    return 0, None


def _value(column: str, value: Any) -> Any:
    if column in TIMES:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError
        return moment
    if column in {"id", "map_index", "rank"}:
        if not isinstance(value, int) or abs(value) >= 2**63:
            raise ValueError
        return value
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    return value
