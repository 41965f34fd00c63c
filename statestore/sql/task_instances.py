"""Task instances: creating them, their attempts, their summary, what lists show of them."""

from typing import Final

from statestore.sql.statement import Statement

create: Final = Statement("""
INSERT INTO statestore_taskinstance
    (scope_digest, dag_id, run_id, task_id, map_index, attempt, status, active_at, created_at)
VALUES (%(digest)s, %(dag_id)s, %(run_id)s, %(task_id)s, %(map_index)s,
    0, '', %(now)s{at}, %(now)s{at})
ON CONFLICT (scope_digest) DO NOTHING
""")

# Start the next attempt: the row's new number shuts out every write of an older one.
start_attempt: Final = Statement("""
INSERT INTO statestore_taskinstance AS t
    (scope_digest, dag_id, run_id, task_id, map_index, attempt, status, active_at, created_at)
VALUES (%(digest)s, %(dag_id)s, %(run_id)s, %(task_id)s, %(map_index)s,
    1, '', %(now)s{at}, %(now)s{at})
ON CONFLICT (scope_digest) DO UPDATE SET attempt = t.attempt + 1, active_at = excluded.active_at
RETURNING attempt, id, status
""")

# Keep that the progress which is there tells of a failure, before the next attempt writes over it.
keep_failure: Final = Statement("""
INSERT INTO statestore_failedattempt (task_instance_id, attempt, at)
SELECT task_instance_id, attempt, updated_at FROM statestore_entry
WHERE task_instance_id = %(id)s AND key = %(key)s AND attempt < %(newest)s
    AND (expires_at IS NULL OR expires_at > %(now)s{at})
ON CONFLICT (task_instance_id, attempt) DO NOTHING
""")

# Every map index of a task, held in the order in which everybody holds several scopes.
hold_all_map_indices: Final = Statement("""
SELECT attempt FROM statestore_taskinstance
WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s AND task_id = %(task_id)s
ORDER BY scope_digest {hold}
""")

# Keep the task instance's summary near the truth; guarded, so that concurrent writers do it once.
touch: Final = Statement("""
UPDATE statestore_taskinstance SET active_at = %(now)s{at}
WHERE id = %(id)s AND active_at < %(now)s{at}
""")

# A task instance that nobody else holds or changes until the transaction ends.
hold_by_id: Final = Statement("SELECT id FROM statestore_taskinstance WHERE id = %(id)s {hold}")

# The progress that is there, and has not expired.
progress_now: Final = Statement("""
SELECT value, version FROM statestore_entry
WHERE task_instance_id = %(id)s AND key = %(key)s
    AND (expires_at IS NULL OR expires_at > %(now)s{at})
""")

report: Final = Statement("""
UPDATE statestore_taskinstance SET active_at = %(now)s{at}, status = %(status)s
WHERE id = %(id)s AND status <> %(status)s
""")

# What lists show of some task instances: how many keys, the last write, the progress and when it was
# last sampled, whether that looks like a secret, and the first other keys with the beginnings of their
# values. Each by a few look-ups, so that one with very many keys costs little more than others.
listed: Final = Statement(
    """
SELECT r.id, COUNT(e.id), MAX(e.updated_at),
    MAX(CASE WHEN e.key = 'progress' THEN e.value END),
    MAX(CASE WHEN e.key = 'progress' THEN e.sampled_at END),
    EXISTS (SELECT 1 FROM statestore_secretfinding f WHERE NOT f.of_asset AND f.owner_id = r.id
        AND f.key = 'progress' AND f.dismissed_at IS NULL),
    (SELECT {array_of}({array}(o.key, o.value)) FROM (
        SELECT key, CASE WHEN EXISTS (SELECT 1 FROM statestore_secretfinding f
            WHERE NOT f.of_asset AND f.owner_id = r.id AND f.entry_id = other.id
            AND f.dismissed_at IS NULL) THEN %(hidden)s{text} ELSE substr(value, 1, %(length)s) END AS value
        FROM statestore_entry other WHERE task_instance_id = r.id AND key <> 'progress'
            AND (expires_at IS NULL OR expires_at > %(now)s{at})
        ORDER BY key LIMIT %(others)s) AS o){text}
FROM {rows} LEFT JOIN statestore_entry e ON e.task_instance_id = r.id
    AND (e.expires_at IS NULL OR e.expires_at > %(now)s{at})
GROUP BY r.id
""",
    {"id": "bigint"},
)

# What of some task instances changes whenever their pages do: by a write, by expiry, by falling silent,
# by a finding of the scan, by anything that a person does.
marks: Final = Statement(
    """
SELECT t.id, t.attempt, t.status, t.active_at < %(silent_since)s{at},
    COUNT(e.id), CAST(SUM(e.version) AS bigint), MAX(e.id), MAX(e.updated_at),
    (SELECT COUNT(*) FROM statestore_secretfinding f WHERE NOT f.of_asset AND f.owner_id = t.id
        AND f.dismissed_at IS NULL),
    (SELECT MAX(id) FROM statestore_auditentry)
FROM {rows} JOIN statestore_taskinstance t ON t.id = r.id
LEFT JOIN statestore_entry e ON e.task_instance_id = t.id
    AND (e.expires_at IS NULL OR e.expires_at > %(now)s{at})
GROUP BY t.id, t.attempt, t.status, t.active_at
""",
    {"id": "bigint"},
)
