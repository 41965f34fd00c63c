"""Assets: when they were written to."""

from typing import Final

from statestore.sql.statement import Statement

# Keep the time of the last write near the truth; of concurrent writers one does it.
touch: Final = Statement(
    """
UPDATE statestore_asset SET active_at = %(now)s{at}
WHERE id IN (SELECT r.id FROM {rows}) AND active_at < %(late)s{at}
""",
    {"id": "bigint"},
)
