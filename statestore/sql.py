"""The statements that the ORM cannot say, or not in one round trip: named, for both databases.

A statement is written once. `{at}` marks a parameter that is a time (PostgreSQL must be told),
`{share}` locks the task instance's row against a newer attempt that starts at the same moment, and
`{skip}` keeps sweepers out of each other's way; SQLite has one writer at a time and needs neither.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection

_FRAGMENTS: Final = {
    "postgresql": {
        "at": "::timestamptz",
        "int": "::bigint",
        "share": "FOR SHARE",
        "hold": "FOR NO KEY UPDATE",
        "skip": "FOR UPDATE SKIP LOCKED",
    },
    "sqlite": {"at": "", "int": "", "share": "", "hold": "", "skip": ""},
}


class Statement:
    """One named SQL statement with named parameters."""

    def __init__(self, text: str) -> None:
        self._texts = {vendor: text.format(**fragments) for vendor, fragments in _FRAGMENTS.items()}

    def rows(self, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run it and fetch what it returns."""
        with connection.cursor() as cursor:
            cursor.execute(self._texts[connection.vendor], _adapted(parameters))
            return list(cursor.fetchall())

    def count(self, **parameters: Any) -> int:
        """Run it; how many rows it changed."""
        with connection.cursor() as cursor:
            cursor.execute(self._texts[connection.vendor], _adapted(parameters))
            return int(cursor.rowcount)


def _adapted(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    if connection.vendor == "postgresql":
        return parameters
    return {
        name: connection.ops.adapt_datetimefield_value(value)
        if isinstance(value, datetime)
        else value
        for name, value in parameters.items()
    }


def read_time(value: Any) -> Any:
    """A time as the driver gave it, made aware: SQLite keeps text in UTC without saying so."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def first(rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...] | None:
    """The only row, or none."""
    return rows[0] if rows else None


# The task instance of a write, unless a newer attempt has started.
_WRITER: Final = """
    SELECT id FROM statestore_taskinstance
    WHERE scope_digest = %(digest)s AND attempt <= %(attempt)s {share}
"""
_WRITER_UNFENCED: Final = "SELECT id FROM statestore_taskinstance WHERE scope_digest = %(digest)s"

# Create or overwrite an entry; the summary columns of its task instance come back with the version.
_SET: Final = """
INSERT INTO statestore_entry AS e
    (task_instance_id, key, value, version, created_at, updated_at,
    expires_at, expires_hour, writer, attempt)
SELECT id, %(key)s, %(value)s, 1, %(now)s{{at}}, %(now)s{{at}},
    %(expires_at)s{{at}}, %(expires_hour)s{{int}}, %(writer)s, %(by_attempt)s{{int}}
FROM ({writer}) AS t WHERE true
ON CONFLICT (task_instance_id, key) DO UPDATE SET
    value = excluded.value, version = e.version + 1, updated_at = excluded.updated_at,
    expires_at = excluded.expires_at, expires_hour = excluded.expires_hour,
    writer = excluded.writer, attempt = excluded.attempt,
    created_at = CASE WHEN e.expires_at <= excluded.updated_at
        THEN excluded.created_at ELSE e.created_at END
{condition}
RETURNING version, task_instance_id,
    (SELECT active_at FROM statestore_taskinstance t WHERE t.id = task_instance_id),
    (SELECT status FROM statestore_taskinstance t WHERE t.id = task_instance_id)
"""
_ONLY_IF_EXPIRED: Final = "WHERE e.expires_at <= excluded.updated_at"

# Change an entry that exists, in the version that the caller expects (null: in any).
_REPLACE: Final = """
UPDATE statestore_entry SET
    value = %(value)s, version = version + 1, updated_at = %(now)s{{at}}, {expiry}
    writer = %(writer)s, attempt = %(by_attempt)s{{int}}
WHERE task_instance_id = ({writer}) AND key = %(key)s
    AND (expires_at IS NULL OR expires_at > %(now)s{{at}})
    AND (%(version)s{{int}} IS NULL OR version = %(version)s{{int}})
RETURNING version, task_instance_id,
    (SELECT active_at FROM statestore_taskinstance t WHERE t.id = task_instance_id),
    (SELECT status FROM statestore_taskinstance t WHERE t.id = task_instance_id)
"""
_WITH_EXPIRY: Final = "expires_at = %(expires_at)s{at}, expires_hour = %(expires_hour)s{int},"

_DELETE: Final = """
DELETE FROM statestore_entry
WHERE task_instance_id = ({writer}) AND key = %(key)s
    AND (%(version)s{{int}} IS NULL OR (version = %(version)s{{int}}
        AND (expires_at IS NULL OR expires_at > %(now)s{{at}})))
RETURNING task_instance_id
"""


class Fenced:
    """A write in two forms: of an attempt that must be the newest, and of one that does not say."""

    def __init__(self, template: str, **fragments: str) -> None:
        unfenced = template.format(writer=_WRITER_UNFENCED, **fragments)
        fenced = template.format(writer=_WRITER, **fragments)
        self._unfenced, self._fenced = Statement(unfenced), Statement(fenced)

    def rows(self, *, attempt: int | None, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run it; no row where the precondition does not hold, or the attempt is not the newest."""
        if attempt is None:
            return self._unfenced.rows(**parameters)
        return self._fenced.rows(attempt=attempt, **parameters)


entry_set: Final = Fenced(_SET, condition="")
entry_create: Final = Fenced(_SET, condition=_ONLY_IF_EXPIRED)
entry_replace: Final = Fenced(_REPLACE, expiry=_WITH_EXPIRY)
entry_replace_value: Final = Fenced(_REPLACE, expiry="")
entry_delete: Final = Fenced(_DELETE)

# The newest attempt; one that starts meanwhile waits for the end of the transaction.
attempt_hold: Final = Statement("""
SELECT attempt FROM statestore_taskinstance WHERE scope_digest = %(digest)s {hold}
""")

# Clear a task instance.
entry_clear: Final = Statement("""
DELETE FROM statestore_entry WHERE task_instance_id = (
    SELECT id FROM statestore_taskinstance WHERE scope_digest = %(digest)s)
RETURNING task_instance_id, key
""")

# Clear every map index of a task.
entry_clear_all_map_indices: Final = Statement("""
DELETE FROM statestore_entry WHERE task_instance_id IN (
    SELECT id FROM statestore_taskinstance
    WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s AND task_id = %(task_id)s)
RETURNING task_instance_id, key
""")

# One entry that has not expired.
entry_get: Final = Statement("""
SELECT e.key, e.value, e.version, e.created_at, e.updated_at, e.expires_at, e.writer, e.attempt
FROM statestore_entry e JOIN statestore_taskinstance t ON t.id = e.task_instance_id
WHERE t.scope_digest = %(digest)s AND e.key = %(key)s
    AND (e.expires_at IS NULL OR e.expires_at > %(now)s{at})
""")

# A page of the entries that have not expired, by key.
entry_page: Final = Statement("""
SELECT e.key, e.value, e.version, e.created_at, e.updated_at, e.expires_at, e.writer, e.attempt
FROM statestore_entry e JOIN statestore_taskinstance t ON t.id = e.task_instance_id
WHERE t.scope_digest = %(digest)s AND (e.expires_at IS NULL OR e.expires_at > %(now)s{at})
ORDER BY e.key LIMIT %(limit)s OFFSET %(offset)s
""")

entry_count: Final = Statement("""
SELECT count(*) FROM statestore_entry e JOIN statestore_taskinstance t ON t.id = e.task_instance_id
WHERE t.scope_digest = %(digest)s AND (e.expires_at IS NULL OR e.expires_at > %(now)s{at})
""")

task_instance_create: Final = Statement("""
INSERT INTO statestore_taskinstance
    (scope_digest, dag_id, run_id, task_id, map_index, attempt, status, active_at, created_at)
VALUES (%(digest)s, %(dag_id)s, %(run_id)s, %(task_id)s, %(map_index)s,
    0, '', %(now)s{at}, %(now)s{at})
ON CONFLICT (scope_digest) DO NOTHING
""")

# Start the next attempt: the row's new number shuts out every write of an older one.
attempt_start: Final = Statement("""
INSERT INTO statestore_taskinstance AS t
    (scope_digest, dag_id, run_id, task_id, map_index, attempt, status, active_at, created_at)
VALUES (%(digest)s, %(dag_id)s, %(run_id)s, %(task_id)s, %(map_index)s,
    1, '', %(now)s{at}, %(now)s{at})
ON CONFLICT (scope_digest) DO UPDATE SET attempt = t.attempt + 1, active_at = excluded.active_at
RETURNING attempt
""")

# What a refused write is told: the newest attempt, and the version of the entry (null: none).
write_obstacle: Final = Statement("""
SELECT t.attempt, (
    SELECT e.version FROM statestore_entry e
    WHERE e.task_instance_id = t.id AND e.key = %(key)s
        AND (e.expires_at IS NULL OR e.expires_at > %(now)s{at}))
FROM statestore_taskinstance t WHERE t.scope_digest = %(digest)s
""")

# Keep the task instance's summary near the truth; guarded, so that concurrent writers do it once.
task_instance_touch: Final = Statement("""
UPDATE statestore_taskinstance SET active_at = %(now)s{at}, status = %(status)s
WHERE id = %(id)s AND (active_at < %(now)s{at} OR status <> %(status)s)
""")

# A batch of expired entries, oldest hour first. The outer condition is the one that counts: a row
# that was renewed after the inner SELECT saw it is not deleted (on PostgreSQL it is also locked and
# re-read).
sweep_batch: Final = Statement("""
DELETE FROM statestore_entry
WHERE id IN (
    SELECT id FROM statestore_entry
    WHERE expires_hour <= %(hour)s AND expires_at <= %(now)s{at}
    ORDER BY expires_hour LIMIT %(limit)s {skip})
AND expires_at <= %(now)s{at}
RETURNING task_instance_id, key
""")

# How many entries have expired and still take room, up to a limit.
expired_count: Final = Statement("""
SELECT count(*) FROM (
    SELECT 1 FROM statestore_entry
    WHERE expires_hour <= %(hour)s AND expires_at <= %(now)s{at} LIMIT %(limit)s) AS expired
""")
