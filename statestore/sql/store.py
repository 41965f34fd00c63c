"""Figures of the whole store that cost next to nothing: what the database knows of itself."""

from typing import Any, Final

from django.db import connection

from statestore.sql.statement import Statement

# A value that differs once anything was committed. It may differ without cause, never the other way
# round; PostgreSQL moves it a moment before the commit can be seen.
_PULSE: Final = {
    "postgresql": """
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
    ELSE pg_current_wal_insert_lsn() END::text
""",
    "sqlite": "SELECT data_version FROM pragma_data_version",
}

# Writes of entries since some time in the past: by number, each of which only grows while it is there; and
# the highest number that is given by now. PostgreSQL's tables are always there, SQLite's task instances
# only while they are among the newest.
_WRITES: Final = {
    "postgresql": """
SELECT relid::bigint, n_tup_ins + n_tup_upd, 0 FROM pg_stat_user_tables
WHERE relname IN ('statestore_entry', 'statestore_assetentry')
""",
    "sqlite": """
SELECT t.id, COALESCE(SUM(e.version), 0), (SELECT MAX(id) FROM statestore_taskinstance)
FROM (SELECT id FROM statestore_taskinstance ORDER BY active_at DESC LIMIT 500) AS t
LEFT JOIN statestore_entry AS e ON e.task_instance_id = t.id
GROUP BY t.id
""",
}

# Bytes on disk, with indexes; SQLite says it of the whole file alone.
_SIZE: Final = {
    "postgresql": """
SELECT SUM(pg_total_relation_size(name::regclass)) FROM (VALUES
    ('statestore_entry'), ('statestore_assetentry'), ('statestore_taskinstance')) AS tables (name)
""",
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
}

# Entries, and the part of them that never expires, as the last ANALYZE has seen them; of PostgreSQL.
# Prepared: to plan what is behind pg_stats takes four times as long as all else.
_ESTIMATE: Final = Statement("""
SELECT CAST(c.reltuples AS double precision), CAST(s.null_frac AS double precision) FROM pg_class c
LEFT JOIN pg_stats s ON s.tablename = c.relname AND s.attname = 'expires_hour'
    AND s.schemaname = c.relnamespace::regnamespace::text
WHERE c.oid = 'statestore_entry'::regclass
""")


# The newest number that a row which grants a right was ever given, though it may be gone, in each table.
_GRANTS: Final = {
    "postgresql": """
SELECT name, CASE WHEN has_sequence_privilege(pg_get_serial_sequence(name, 'id'), 'SELECT')
    THEN pg_sequence_last_value(pg_get_serial_sequence(name, 'id')::regclass) END
FROM (VALUES ('auth_user_user_permissions'), ('auth_user_groups'), ('auth_group_permissions')) AS t (name)
ORDER BY name
""",
    "sqlite": """
SELECT name, seq FROM sqlite_sequence
WHERE name IN ('auth_user_user_permissions', 'auth_user_groups', 'auth_group_permissions')
ORDER BY name
""",
}

# How long a statement waits for a lock at most, with its unit; 0: for ever.
_LOCK_TIMEOUT: Final = "SHOW lock_timeout"


def lock_timeout() -> str:
    """See _LOCK_TIMEOUT; of PostgreSQL."""
    return str(_rows(_LOCK_TIMEOUT)[0][0])


def grants() -> object:
    """See _GRANTS."""
    return _rows(_GRANTS[connection.vendor])


def pulse() -> object:
    """See _PULSE; of SQLite it differs for each connection."""
    return _rows(_PULSE[connection.vendor])[0][0]


def writes() -> tuple[dict[int, int], int]:
    """See _WRITES."""
    rows = _rows(_WRITES[connection.vendor])
    return {number: int(count) for number, count, _ in rows}, rows[0][2] if rows else 0


def size() -> int:
    """Bytes on disk."""
    return int(_rows(_SIZE[connection.vendor])[0][0])


def estimate() -> tuple[int, float] | None:
    """About how many entries there are, and the part that never expires; None: it is not known."""
    if connection.vendor != "postgresql":
        return None
    ((entries, never),) = _ESTIMATE.rows()
    return None if entries < 0 or never is None else (int(entries), float(never))


def _rows(text: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text)
        return list(cursor.fetchall())
