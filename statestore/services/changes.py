"""Changing a value that is there: read, change and write it in one transaction, as one attempt."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

from django.db import transaction

from statestore.errors import NotANumberError, NotFoundError, PreconditionFailedError
from statestore.jsontext import MAX_DIGITS, decode, merge
from statestore.protocol import InvalidInput, Scope, TaskScope
from statestore.services.attempts import require_newest
from statestore.services.entries import (
    ALWAYS,
    Expiry,
    Precondition,
    Writer,
    entry_patch,
    entry_set,
)
from statestore.sql.entries import entries_of, owner_of
from statestore.sql.statement import first


@dataclass(frozen=True, slots=True)
class Changed:
    """What an entry has become."""

    value: str
    version: int


def entry_merge(
    *, scope: Scope, key: str, patch: str, writer: Writer, precondition: Precondition = ALWAYS
) -> Changed:
    """Merge an object into an entry's value (RFC 7396), and keep its expiry.

    Raises:
        NotFoundError: there is no such entry.
        InvalidInputError: the merged value is not allowed.
        StaleAttemptError, PreconditionFailedError: as for any write.
    """
    return _change(scope, key, lambda value: merge(value, patch), writer, precondition)


def entry_increment(
    *, scope: Scope, key: str, by: str, writer: Writer, expiry: Expiry = None
) -> Changed:
    """Add a number to an entry's value, exactly; a key that is not there counts as 0.

    Raises:
        NotANumberError: the value is no number.
        InvalidInputError: the sum has too many digits.
        StaleAttemptError: a newer attempt has started.
    """
    try:
        return _change(scope, key, lambda value: _sum(value, by), writer, ALWAYS)
    except NotFoundError:
        total = _sum("0", by)
    only_new = Precondition(absent=True)
    try:
        version = entry_set(
            scope=scope, key=key, value=total, decoded=decode(total),
            writer=writer, expiry=expiry, precondition=only_new,
        )  # fmt: skip
    except PreconditionFailedError:  # somebody else's first increment came first
        return _change(scope, key, lambda value: _sum(value, by), writer, ALWAYS)
    return Changed(total, version)


@transaction.atomic
def _change(
    scope: Scope,
    key: str,
    change: Callable[[str], str],
    writer: Writer,
    precondition: Precondition,
) -> Changed:
    if isinstance(scope, TaskScope):
        require_newest(scope, writer.attempt)
    held = entries_of(scope).hold.rows(owner=owner_of(scope), key=key, now=datetime.now(UTC))
    row = first(held)
    if row is None:
        raise NotFoundError(f"There is no key {key!r} in {scope}: PUT creates one.")
    value = change(row[1])
    version = entry_patch(
        scope=scope, key=key, value=value, decoded=decode(value),
        writer=writer, precondition=precondition,
    )  # fmt: skip
    return Changed(value, version)


def _sum(value: str, by: str) -> str:
    """The exact decimal sum of two JSON numbers."""
    number = decode(value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise NotANumberError(
            f"The value is {type(number).__name__}, and only a number can be added to."
        )
    exact = Context(prec=MAX_DIGITS, traps=[Inexact, InvalidOperation, Overflow])
    try:
        text = str(exact.add(Decimal(value), Decimal(by)))
    except DecimalException:
        text = "1e999"
    if not text.lstrip("-").isdecimal() and math.isinf(float(text)):
        raise InvalidInput(("body", "by"), "the sum has too many digits", "finite_number")
    return text
