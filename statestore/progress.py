"""The numbers in a progress value. Any JSON may come; what is not known is not there.

The usual form is `{"current", "total"}`. Where an object has a `total` but no `current`, its only
other number counts: `{"rows_loaded": 12000, "total": 50000}`.
"""

from math import isfinite
from typing import Any

Number = int | float


def number_of(value: object) -> Number | None:
    """The value, where it is a finite number."""
    if isinstance(value, float) and not isfinite(value):
        return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def current_of(value: dict[str, Any]) -> tuple[str, Number | None]:
    """The name (where it says the unit) and the number of what is done."""
    if "current" in value:
        return "", number_of(value["current"])
    if "total" not in value:
        return "", None
    others = [
        (name, number)
        for name in value
        if name not in {"total", "percent"} and (number := number_of(value[name])) is not None
    ]
    if len(others) != 1:
        return "", None
    return others[0][0].replace("_", " "), others[0][1]


def sample_of(value: object) -> tuple[float, float | None] | None:
    """What is done, and of how much (None: it does not say), as a sample keeps them."""
    if not isinstance(value, dict):
        return None
    _, current = current_of(value)
    total = number_of(value.get("total"))
    try:
        return (
            None if current is None else (float(current), None if total is None else float(total))
        )
    except OverflowError:  # an integer beyond any float
        return None
