"""Runs: what concerns all their task instances at once."""

from typing import Final

from statestore.sql.statement import Statement
from statestore.sql.versions import FORGET, WithVersions

# Every task instance of a run, held in the order in which everybody holds several scopes.
hold: Final = Statement("""
SELECT id FROM statestore_taskinstance
WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s
ORDER BY scope_digest {hold}
""")

clear: Final = WithVersions(
    """
DELETE FROM statestore_entry WHERE task_instance_id IN (
    SELECT id FROM statestore_taskinstance WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s)
RETURNING task_instance_id, key, id
""",
    FORGET,
    entry="statestore_entry",
    returned="task_instance_id, key, id",
)
