"""Changing a value that is there: read, change and write it in one transaction, as one attempt."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

from django.conf import settings
from django.db import transaction

from statestore.errors import NotANumberError, NotFoundError, PreconditionFailedError
from statestore.jsontext import MAX_DIGITS, decode, merge
from statestore.protocol import InvalidInput, Scope
from statestore.services.entries import (
    ALWAYS,
    Expiry,
    Precondition,
    Writer,
    entry_patch,
    entry_set,
)
from statestore.services.holding import hold
from statestore.sql.entries import entries_of, owner_of
from statestore.sql.statement import first

KINDS = {
    str: "a string",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
}


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
    while True:
        # Whichever finds that somebody else has created or deleted the key meanwhile gives way.
        with suppress(NotFoundError):
            return _change(scope, key, lambda value: _sum(value, by), writer, ALWAYS)
        with suppress(PreconditionFailedError):
            return _create(scope, key, _sum("0", by), writer, expiry)


def _create(scope: Scope, key: str, value: str, writer: Writer, expiry: Expiry) -> Changed:
    version = entry_set(
        scope=scope, key=key, value=value, decoded=decode(value),
        writer=writer, expiry=expiry, precondition=Precondition(absent=True),
    )  # fmt: skip
    return Changed(value, version or 1)


@transaction.atomic
def _change(
    scope: Scope,
    key: str,
    change: Callable[[str], str],
    writer: Writer,
    precondition: Precondition,
) -> Changed:
    row = None
    if hold(scope, writer.attempt) is not None:
        held = entries_of(scope).hold.rows(owner=owner_of(scope), key=key, now=datetime.now(UTC))
        row = first(held)
    if row is None:
        raise NotFoundError(f"There is no key {key!r} in {scope}: PUT creates one.")
    present, version = row
    try:
        value = change(present)
    except NotANumberError as refusal:
        refusal.extra["version"] = version
        raise
    if len(value.encode()) > settings.STATESTORE_VALUE_MAX_BYTES:
        most = settings.STATESTORE_VALUE_MAX_BYTES
        raise InvalidInput(
            ("body",), f"the value would have more than {most} bytes of JSON", "value_too_large"
        )
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
            f"The value is {KINDS[type(number)]}, and only a number can be added to."
        )
    exact = Context(prec=MAX_DIGITS, traps=[Inexact, InvalidOperation, Overflow])
    try:
        text = str(exact.add(Decimal(value), Decimal(by)))
    except DecimalException:
        text = "1e999"
    if not text.lstrip("-").isdecimal() and math.isinf(float(text)):
        raise InvalidInput(("body", "by"), "the sum has too many digits", "finite_number")
    return text
