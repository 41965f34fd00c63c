"""Writing many entries at once, whatever was there."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from statestore.protocol import PROGRESS_KEY, Scope
from statestore.services import summaries
from statestore.services.entries import (
    SAMPLE_EVERY,
    Expiry,
    Writer,
    expiry_columns,
    writer_columns,
)
from statestore.services.holding import Held
from statestore.services.summaries import Written
from statestore.sql.entries import writes_of


class Overwrite(NamedTuple):
    """A key that is written whatever is there."""

    owner: Held
    """The row of its scope, which the transaction holds."""
    key: str
    value: str
    decoded: Any
    """What the value means; it may be left out (None) where the key is not progress."""
    expiry: Expiry
    attempt: int | None
    sequence: int | None


def entries_overwrite(
    *, of: Scope, overwrites: Sequence[Overwrite], writer: Writer
) -> list[int | None]:
    """Create or overwrite different entries of scopes of one kind, of which `of` is any; their versions.

    As `entry_set` for each, but the caller has called `refuse_secret`. One statement writes all
    progress, and one everything else.
    """
    now = datetime.now(UTC)
    reports = [one for one in overwrites if one.key == PROGRESS_KEY]
    others = [one for one in overwrites if one.key != PROGRESS_KEY]
    rows = _set_many(of, reports, writer, now) | _set_many(of, others, writer, now)
    one_of_each = {one.owner.id: one for one in others if (one.owner.id, one.key) in rows}
    written = [
        Written(one.key, one.decoded, one.attempt, *(*row[:3], *one.owner[1:]))
        for one in (*reports, *one_of_each.values())
        if (row := rows.get((one.owner.id, one.key)))
    ]
    summaries.update_held(written, now)
    found = (rows.get((one.owner.id, one.key)) for one in overwrites)
    return [None if row is None else row[0] for row in found]


def _set_many(
    of: Scope, overwrites: Sequence[Overwrite], writer: Writer, now: datetime
) -> dict[tuple[int, str], tuple[Any, ...]]:
    """Overwrite keys of which all leave samples, or all versions; the rows by owner and key."""
    if not overwrites:
        return {}
    owners, keys, values, _, expiries, attempts, sequences = zip(*overwrites, strict=True)
    columns = {one: expiry_columns(of, one, now) for one in set(expiries)}
    rows = writes_of(of, keys[0]).set_many.rows(
        rows={
            "owner": [owner.id for owner in owners],
            "key": keys,
            "value": values,
            "expires_at": [columns[one]["expires_at"] for one in expiries],
            "expires_hour": [columns[one]["expires_hour"] for one in expiries],
            "attempt": attempts,
            "sequence": sequences,
        },
        now=now,
        sampled_before=now - SAMPLE_EVERY,
        session=writer.session,
        **writer_columns(writer),
    )
    return {(row[1], row[3]): row for row in rows}
