"""The sweep of expired entries."""

from typing import Final

from statestore.sql.statement import Statement
from statestore.sql.versions import FORGET, WithVersions

# Delete a batch of what has expired, oldest hour first, beside progress: how many, and up to which hour. What
# somebody holds is passed over. The outer condition is the one that counts: a row that was renewed after
# the inner SELECT saw it is not deleted (on PostgreSQL it is also locked and re-read). It begins at an
# hour, for the index still holds what was deleted just before.
delete: Final = WithVersions(
    """
DELETE FROM statestore_entry
WHERE {among} FROM statestore_entry
    WHERE expires_hour >= %(since)s AND expires_hour <= %(hour)s AND expires_at <= %(now)s{at}
        AND key <> 'progress'
    ORDER BY expires_hour LIMIT %(limit)s {skip}))
AND expires_at <= %(now)s{at}
RETURNING 1 AS one, expires_hour, id
""",
    FORGET,
    entry="statestore_entry",
    returned="count(*), max(expires_hour)",
)

# Progress that has expired, oldest hour first.
expired_progress: Final = Statement("""
SELECT id, task_instance_id FROM statestore_entry
WHERE key = 'progress' AND expires_hour <= %(hour)s AND expires_at <= %(now)s{at}
ORDER BY expires_hour LIMIT %(limit)s
""")

# Hold those of some task instances that nobody else holds, until the transaction ends.
hold_free: Final = Statement(
    """
SELECT id FROM statestore_taskinstance
WHERE id IN (SELECT r.id FROM {rows}) ORDER BY scope_digest {hold_free}
""",
    {"id": "bigint"},
)

# Delete that of some entries which is still expired, and which nobody holds.
delete_progress: Final = Statement(
    """
DELETE FROM statestore_entry
WHERE {among} FROM statestore_entry
    WHERE id IN (SELECT r.id FROM {rows}) AND expires_at <= %(now)s{at} {skip}))
AND expires_at <= %(now)s{at}
RETURNING task_instance_id, key
""",
    {"id": "bigint"},
)

# How many entries have expired and still take room, up to a limit.
count: Final = Statement(
    """
SELECT count(*) FROM (
    SELECT 1 FROM statestore_entry
    WHERE expires_hour <= %(hour)s AND expires_at <= %(now)s{at} LIMIT %(limit)s) AS expired
""",
    planned_each_time=True,  # for any parameters the plan would be to read the whole table
)
