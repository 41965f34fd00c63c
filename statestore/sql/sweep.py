"""The sweep of expired entries."""

from typing import Final

from statestore.sql.statement import Statement

# A batch of expired entries, oldest hour first. The outer condition is the one that counts: a row
# that was renewed after the inner SELECT saw it is not deleted (on PostgreSQL it is also locked and
# re-read).
delete_batch: Final = Statement("""
DELETE FROM statestore_entry
WHERE id IN (
    SELECT id FROM statestore_entry
    WHERE expires_hour <= %(hour)s AND expires_at <= %(now)s{at}
    ORDER BY expires_hour LIMIT %(limit)s {skip})
AND expires_at <= %(now)s{at}
RETURNING task_instance_id, key
""")

# How many entries have expired and still take room, up to a limit.
count: Final = Statement("""
SELECT count(*) FROM (
    SELECT 1 FROM statestore_entry
    WHERE expires_hour <= %(hour)s AND expires_at <= %(now)s{at} LIMIT %(limit)s) AS expired
""")
