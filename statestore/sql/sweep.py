"""The sweep of expired entries."""

from typing import Final

from statestore.sql.statement import Statement
from statestore.sql.versions import FORGET, WithVersions

# A batch of what has expired, oldest hour first.
expired: Final = Statement("""
SELECT id, task_instance_id, key FROM statestore_entry
WHERE expires_hour <= %(hour)s AND expires_at <= %(now)s{at}
ORDER BY expires_hour LIMIT %(limit)s
""")

# Hold those of some task instances that nobody else holds, until the transaction ends.
hold_free: Final = Statement(
    """
SELECT id FROM statestore_taskinstance
WHERE id IN (SELECT r.id FROM {rows}) ORDER BY scope_digest {skip}
""",
    {"id": "bigint"},
)

# Delete those of some entries that are still expired. The outer condition is the one that counts: a
# row that was renewed after the inner SELECT saw it is not deleted (on PostgreSQL it is also locked
# and re-read).
delete: Final = WithVersions(
    """
DELETE FROM statestore_entry
WHERE id IN (
    SELECT id FROM statestore_entry
    WHERE id IN (SELECT r.id FROM {rows}) AND expires_at <= %(now)s{at} {skip})
AND expires_at <= %(now)s{at}
RETURNING task_instance_id, key, id
""",
    FORGET,
    {"id": "bigint"},
    entry="statestore_entry",
    returned="task_instance_id, key, id",
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
