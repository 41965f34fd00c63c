"""From a JSON value to a bar, a percentage and words. Any JSON may come; what is not known is not shown.

The usual form is `{"current", "total", "unit", "status", "message"}`; statestore/progress.py knows others.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from dashboard.jsonview import clipped
from statestore.progress import Number, current_of, number_of

MESSAGE_MAX: Final = 200
TEXT_MAX: Final = 60
_EXACT_BELOW: Final = 10**18


@dataclass(frozen=True, slots=True)
class Progress:
    """What a task reports of itself, ready to be shown."""

    percent: int | None = None  # whole percent, rounded down: 100 means that everything is done
    current: str = ""
    total: str = ""
    unit: str = ""
    message: str = ""
    note: str = ""  # why there is no percentage
    text: str = ""  # the value itself, where it has no form that is known


def progress_of(text: str | None) -> Progress | None:
    """The progress in an entry's JSON text; None where there is no entry."""
    if text is None:
        return None
    value = json.loads(text)
    if not isinstance(value, dict):
        return Progress(text=clipped(text, TEXT_MAX))
    total, (name, current) = number_of(value.get("total")), current_of(value)
    percent, note = _percent(value, current, total)
    shown = Progress(
        percent=percent,
        current="" if current is None else number_text(current),
        total="" if total is None else number_text(total),
        unit=clipped(_words(value.get("unit")) or name, TEXT_MAX),
        message=clipped(_words(value.get("message")), MESSAGE_MAX),
        note=note,
    )
    if shown.percent is None and not (shown.current or shown.message):
        return Progress(text=clipped(text, TEXT_MAX))
    return shown


def number_text(number: Number) -> str:
    """The number with thousands separated: `12,000`, `0.25`, `≈ 1.50E+40`."""
    if isinstance(number, float) and number.is_integer() and abs(number) < _EXACT_BELOW:
        number = int(number)
    if abs(number) >= _EXACT_BELOW or (number and abs(number) < 0.0001):
        return f"≈ {Decimal(number):.2E}"
    if isinstance(number, int):
        return f"{number:,}"
    return f"{number:,.4f}".rstrip("0").rstrip(".")


def short_number(number: float) -> str:
    """The number for a scale: `0.25`, `750`, `12.5k`, `2.4M`."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size <= abs(number) < 1000 * size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}" if abs(number) < 1000 else number_text(number)


def _percent(
    value: dict[str, Any], current: Number | None, total: Number | None
) -> tuple[int | None, str]:
    if current is not None and total is not None:
        if total <= 0:
            return None, f"total is {number_text(total)}"
        if current < 0:
            return None, "below zero"
        if current > total:
            return None, "over the total"
        return int(100 * Fraction(current) / Fraction(total)), ""
    reported = number_of(value.get("percent"))
    if reported is not None and 0 <= reported <= 100:
        return int(reported), ""
    return None, "" if current is None else "no total reported"


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""
