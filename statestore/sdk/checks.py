"""What the caller passes is checked here, before anything is sent: alike with a server and without."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from statestore.protocol import (
    ATTEMPT_MAX,
    NEVER_EXPIRE,
    RETENTION_MAX,
    VERSION_MAX,
    InvalidInput,
    NeverExpire,
    check_key,
)
from statestore.sdk.errors import InvalidValueError

Retention = timedelta | NeverExpire | None
"""How long after its last write an entry lives; None: the server's default."""

_NUMBER_MAX: Final = 10**18 - 1  # in a query


def key(text: str) -> str:
    """A key.

    Raises:
        InvalidValueError: it is none.
    """
    try:
        return check_key(text, where=())
    except InvalidInput as problem:
        raise InvalidValueError(problem.msg, ("key",)) from None


def attempt(number: Any) -> int:
    """The number of an attempt.

    Raises:
        InvalidValueError: it is none.
    """
    return _whole(number, "attempt", least=1, most=ATTEMPT_MAX)


def version(number: Any) -> int:
    """The version of an entry.

    Raises:
        InvalidValueError: it is none.
    """
    return _whole(number, "version", least=1, most=VERSION_MAX)


def count(number: Any, name: str) -> int:
    """A whole number from 0 on.

    Raises:
        InvalidValueError: it is none.
    """
    return _whole(number, name, least=0, most=_NUMBER_MAX)


def number(value: Any, name: str) -> float:
    """A number, whole or not.

    Raises:
        InvalidValueError: it is none, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValueError(f"{name} must be a number, not {_said(value)}", (name,))
    if value - value != 0:  # nan and the infinities
        raise InvalidValueError(f"{name} must be a finite number, not {value}", (name,))
    return value


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """A dictionary, or what is like one.

    Raises:
        InvalidValueError: it is none.
    """
    if not isinstance(value, Mapping):
        raise InvalidValueError(f"{name} must be a dictionary, not {_said(value)}", (name,))
    return value


def retention(value: Retention) -> Retention:
    """How long an entry lives.

    Raises:
        TypeError: it is neither a timedelta nor NEVER_EXPIRE nor None.
        InvalidValueError: it is negative, or over 100 years.
    """
    if value is None or value is NEVER_EXPIRE:
        return value
    if not isinstance(value, timedelta):
        raise TypeError(
            f"retention must be a timedelta, NEVER_EXPIRE or None, not {type(value).__name__}:"
            " write timedelta(seconds=…) or timedelta(days=…)"
        )
    if value < timedelta(0):
        raise InvalidValueError("retention must not be negative", ("retention",))
    if value > timedelta(seconds=RETENTION_MAX):
        raise InvalidValueError(
            f"retention must be at most {RETENTION_MAX // 86400} days; NEVER_EXPIRE has no end",
            ("retention",),
        )
    return value


def _whole(value: Any, name: str, *, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValueError(f"{name} must be a whole number, not {_said(value)}", (name,))
    if not least <= value <= most:
        raise InvalidValueError(
            f"{name} must be between {least} and {most}, not {_said(value)}", (name,)
        )
    return value


def _said(value: Any) -> str:
    """What was passed, in one short line."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "so long a one"
    return text if len(text) <= 60 else f"{type(value).__name__}"
