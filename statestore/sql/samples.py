"""Samples of progress."""

from typing import Final

from statestore.sql.statement import Statement
from statestore.sql.task_instances import WITHOUT_PROGRESS

# Samples of some task instances; of the writer's attempt, or else of the newest.
take: Final = Statement(
    """
INSERT INTO statestore_progresssample (task_instance_id, at, attempt, done, total)
SELECT t.id, %(now)s{at}, COALESCE(r.attempt, t.attempt), r.done, r.total
FROM {rows} JOIN statestore_taskinstance t ON t.id = r.id
""",
    {
        "id": "bigint",
        "attempt": "integer",
        "done": "double precision",
        "total": "double precision",
    },
)

# Those of some task instances from a time on, oldest first.
read: Final = Statement(
    """
SELECT s.task_instance_id, s.at, s.attempt, s.done, s.total
FROM {rows} JOIN statestore_progresssample s ON s.task_instance_id = r.id
WHERE s.at >= %(since)s{at}
ORDER BY s.task_instance_id, s.at
""",
    {"id": "bigint"},
)

# Those of task instances whose progress was deleted, and not written again.
forget: Final = Statement(
    """
DELETE FROM statestore_progresssample
WHERE task_instance_id IN (SELECT r.id FROM {rows} WHERE {without})
""".replace("{without}", WITHOUT_PROGRESS),
    {"id": "bigint"},
)

# The oldest ones, up to a limit: ids grow with the time, so no index on it is needed. What a clear is at,
# which deletes them by task, is passed over.
delete_batch: Final = Statement("""
DELETE FROM statestore_progresssample
WHERE {among} FROM statestore_progresssample ORDER BY id LIMIT %(limit)s {skip}))
AND at < %(end)s{at}
""")
