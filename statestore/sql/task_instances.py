"""Task instances: creating them, their attempts, their summary, what lists show of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connection

from statestore.sql.statement import Statement

# Of a task instance r.id. It is asked of each, for PostgreSQL would join all the progress that there is to
# some thousand of them.
WITHOUT_PROGRESS: Final = """
(SELECT 1 FROM statestore_entry e WHERE e.task_instance_id = r.id AND e.key = 'progress' LIMIT 1) IS NULL
"""

create: Final = Statement("""
INSERT INTO statestore_taskinstance
    (scope_digest, dag_id, run_id, task_id, map_index, attempt, status, active_at, created_at)
VALUES (%(digest)s, %(dag_id)s, %(run_id)s, %(task_id)s, %(map_index)s,
    0, '', %(now)s{at}, %(now)s{at})
ON CONFLICT (scope_digest) DO NOTHING
""")

_CREATE_MANY: Final = Statement(
    """
INSERT INTO statestore_taskinstance
    (scope_digest, dag_id, run_id, task_id, map_index, attempt, status, active_at, created_at)
SELECT r.digest, r.dag_id, r.run_id, r.task_id, r.map_index, 0, '', %(now)s{at}, %(now)s{at}
FROM {rows} WHERE (SELECT 1 FROM statestore_taskinstance WHERE scope_digest = r.digest LIMIT 1) IS NULL
ORDER BY r.digest
ON CONFLICT (scope_digest) DO NOTHING
""",
    {
        "digest": "bytea",
        "dag_id": "text",
        "run_id": "text",
        "task_id": "text",
        "map_index": "integer",
    },
)
_HOLD_MANY: Final = Statement(
    """
SELECT t.scope_digest, t.attempt, t.id, t.active_at, t.status
FROM {rows} JOIN statestore_taskinstance t ON t.scope_digest = r.digest
ORDER BY t.scope_digest {hold_t}
""",
    {"digest": "bytea"},
)
# The count is made before any row is held. Task instances are never deleted, so those that were counted are.
_HOLD_ALL_OR_NONE: Final = Statement(
    """
SELECT t.scope_digest, t.attempt, t.id, t.active_at, t.status
FROM {rows} JOIN statestore_taskinstance t ON t.scope_digest = r.digest
WHERE %(count)s = (
    SELECT count(*) FROM {rows} JOIN statestore_taskinstance i ON i.scope_digest = r.digest)
ORDER BY t.scope_digest {hold_t}
""",
    {"digest": "bytea"},
)
_HOLD_ONE: Final = Statement("""
SELECT scope_digest, attempt, id, active_at, status FROM statestore_taskinstance
WHERE scope_digest = %(digest)s {hold}
""")


def create_missing(rows: Sequence[Mapping[str, Any]], *, now: datetime) -> None:
    """Create those of some task instances that are not there, by digest. SQLite's JSON holds no bytes:
    there it is one after the other."""
    if connection.vendor == "sqlite":
        for row in rows:
            if not _HOLD_ONE.rows(digest=row["digest"]):
                create.count(**row, now=now)
    elif rows:
        _CREATE_MANY.count(rows={name: [row[name] for row in rows] for name in rows[0]}, now=now)


def hold_those_there(digests: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """Hold some task instances by digest, in that order, until the transaction ends: their digests,
    newest attempts, ids, last writes and statuses."""
    if connection.vendor == "sqlite":
        return [row for digest in digests for row in _HOLD_ONE.rows(digest=digest)]
    return _HOLD_MANY.rows(rows={"digest": digests}) if digests else []


def hold_all_or_none(digests: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """The same if all of them are there; else none is held."""
    if connection.vendor == "sqlite":
        found = hold_those_there(digests)
        return found if len(found) == len(digests) else []
    return _HOLD_ALL_OR_NONE.rows(rows={"digest": digests}, count=len(digests))


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

# Keep the task instance's summary near the truth; of concurrent writers one does it.
touch: Final = Statement("""
UPDATE statestore_taskinstance SET active_at = %(now)s{at}
WHERE id = %(id)s AND active_at < %(late)s{at}
""")

# The same of many that the transaction holds.
touch_many: Final = Statement(
    """
UPDATE statestore_taskinstance SET active_at = %(now)s{at}
WHERE id IN (SELECT r.id FROM {rows}) AND active_at < %(now)s{at}
""",
    {"id": "bigint"},
)

# A task instance that nobody else holds or changes until the transaction ends.
hold_by_id: Final = Statement("SELECT id FROM statestore_taskinstance WHERE id = %(id)s {hold}")

# The progress that is there, for the status that it reports (null: it has expired); it counts how often that
# was taken over, so that a write which waits for this learns that what it saw of the status is old.
take_over: Final = Statement("""
UPDATE statestore_entry SET changes = changes + 1
WHERE task_instance_id = %(id)s AND key = %(key)s
RETURNING CASE WHEN expires_at IS NULL OR expires_at > %(now)s{at} THEN value END
""")

report: Final = Statement("""
UPDATE statestore_taskinstance SET active_at = %(now)s{at}, status = %(status)s
WHERE id = %(id)s AND status <> %(status)s
""")

# The same of many that the transaction holds.
report_many: Final = Statement(
    """
UPDATE statestore_taskinstance AS t SET active_at = %(now)s{at}, status = r.status
FROM {rows} WHERE t.id = r.id AND t.status <> r.status
""",
    {"id": "bigint", "status": "text"},
)

# Take back the status of those whose progress was deleted, and not written again.
silence: Final = Statement(
    """
UPDATE statestore_taskinstance SET status = ''
WHERE status <> '' AND id IN (SELECT r.id FROM {rows} WHERE {without})
""".replace("{without}", WITHOUT_PROGRESS),
    {"id": "bigint"},
)

# Whether some progress has expired, while the sweep has still to take it back, of a task instance that runs
# or was active since some time; or more has expired than is looked at. The task instance is asked of each, as
# above.
unswept: Final = Statement("""
SELECT COUNT(*) > 500 OR COUNT((
    SELECT 1 FROM statestore_taskinstance t
    WHERE t.id = e.id AND (t.status = 'running' OR t.active_at >= %(since)s{at}) LIMIT 1)) > 0
FROM (SELECT task_instance_id AS id FROM statestore_entry
        WHERE key = 'progress' AND expires_hour < %(hour)s{int}
    UNION ALL SELECT task_instance_id FROM statestore_entry
        WHERE key = 'progress' AND expires_hour = %(hour)s{int} AND expires_at <= %(now)s{at}
    LIMIT 501) AS e
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
