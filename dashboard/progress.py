"""From a JSON value to a bar, a percentage and words. Any JSON may come; what is not known is not shown.

The usual form is `{"current", "total", "unit", "status", "message"}`. Where an object has a `total`
but no `current`, its only other number counts: `{"rows_loaded": 12000, "total": 50000}`.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

MESSAGE_MAX: Final = 200
TEXT_MAX: Final = 60
_EXACT_BELOW: Final = 10**18

Number = int | float


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
        return Progress(text=_clipped(text, TEXT_MAX))
    total, (name, current) = _number(value.get("total")), _current(value)
    percent, note = _percent(value, current, total)
    shown = Progress(
        percent=percent,
        current="" if current is None else number_text(current),
        total="" if total is None else number_text(total),
        unit=_clipped(_words(value.get("unit")) or name, TEXT_MAX),
        message=_clipped(_words(value.get("message")), MESSAGE_MAX),
        note=note,
    )
    if shown.percent is None and not (shown.current or shown.message):
        return Progress(text=_clipped(text, TEXT_MAX))
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


def _current(value: dict[str, Any]) -> tuple[str, Number | None]:
    """The name (where it says the unit) and the number of what is done."""
    if "current" in value:
        return "", _number(value["current"])
    if "total" not in value:
        return "", None
    others = [
        (name, number)
        for name in value
        if name not in {"total", "percent"} and (number := _number(value[name])) is not None
    ]
    if len(others) != 1:
        return "", None
    return others[0][0].replace("_", " "), others[0][1]


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
    reported = _number(value.get("percent"))
    if reported is not None and 0 <= reported <= 100:
        return int(reported), ""
    return None, "" if current is None else "no total reported"


def _number(value: object) -> Number | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""


def _clipped(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
