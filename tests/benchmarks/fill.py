"""A large store for benchmarks of pages, made with COPY and INSERT … SELECT: PostgreSQL alone.

100,000 task instances and a million entries, uneven as life makes them: a few dags have most of the
runs, a few runs most of the map indices, a few task instances most of the keys.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import Group, Permission, User
from django.db import connection

from statestore.models import GroupReach
from statestore.protocol import MAP_INDEX_NONE, TaskScope, names_digest

TASKS: Final = 100_000
ENTRIES: Final = 1_000_000
DAGS: Final = 60
MOST_KEYS: Final = 20_000  # of one task instance
KEPT: Final = timedelta(days=30)

_TASKS: Final = (
    "COPY statestore_taskinstance (scope_digest, dag_id, run_id, task_id, map_index, attempt,"
    " status, active_at, created_at) FROM STDIN"
)
_ASSETS: Final = "COPY statestore_asset (digest, name, uri, created_at) FROM STDIN"

# Keys of task instance {id}: progress where it reports any, job_id, last_page, and parts.
_ENTRIES: Final = """
INSERT INTO statestore_entry (task_instance_id, key, value, version, created_at, updated_at,
    expires_at, expires_hour, writer, changes)
SELECT id, key, value, version, created_at, active_at, expires_at,
    floor(extract(epoch FROM expires_at) / 3600), 'token airflow', version
FROM (
    SELECT t.id, t.created_at, t.active_at,
        CASE WHEN n = 0 THEN CASE t.status WHEN '' THEN 'note' ELSE 'progress' END
            WHEN n = 1 THEN 'job_id' WHEN n = 2 THEN 'last_page'
            WHEN n = 3 THEN 'config' ELSE 'part_' || lpad(n::text, 5, '0') END AS key,
        CASE WHEN n = 0 THEN json_build_object('current', t.id %% 5000, 'total', 5000,
                'unit', 'rows', 'status', NULLIF(t.status, ''))::text
            WHEN n = 1 THEN '"application_' || t.id || '"'
            WHEN n = 3 THEN json_build_object('source', repeat('s3://bucket/', 8), 'n', n)::text
            ELSE json_build_object('offset', n * 1000, 'file', 'part-' || n || '.parquet')::text
            END AS value,
        1 + (t.id + n) %% 9 AS version,
        -- 5 %% never expire; 2 %% have expired, and the sweep is late
        CASE WHEN n = 1 AND t.id %% 2 = 0 THEN NULL
            WHEN (t.id * 31 + n) %% 50 = 0 THEN %(now)s - interval '1 minute' * (1 + t.id %% 600)
            ELSE t.active_at + interval '30 days' END AS expires_at
    FROM statestore_taskinstance t JOIN benchmark_keys k ON k.digest = t.scope_digest,
        generate_series(0, k.count - 1) AS n) AS e
"""

_REST: Final = (
    # what a fifth of the keys were before
    """
INSERT INTO statestore_entryversion (entry_id, slot, version, value, at, writer, attempt)
SELECT e.id, n, n, e.value, e.created_at, e.writer, 1
FROM statestore_entry e, generate_series(1, 4) AS n WHERE e.id % 5 = 0 AND e.key <> 'progress'
""",
    # progress of the last hours, of what runs
    """
INSERT INTO statestore_progresssample (task_instance_id, at, attempt, done, total)
SELECT t.id, now() - interval '10 s' * n, t.attempt, 10000 - n * 10, 20000
FROM statestore_taskinstance t, generate_series(0, CASE t.id % 50 WHEN 0 THEN 8000 ELSE 60 END) n
WHERE t.status = 'running'
""",
    """
INSERT INTO statestore_assetentry (asset_id, key, value, version, created_at, updated_at, writer,
    changes)
SELECT a.id, CASE n WHEN 0 THEN 'watermark' ELSE 'key_' || lpad(n::text, 5, '0') END,
    '"' || now()::text || '"', 3, a.created_at, now() - interval '1 minute' * n, 'token airflow', 3
FROM statestore_asset a, generate_series(0, CASE a.id % 1000 WHEN 0 THEN 5000 ELSE 19 END) AS n
""",
    """
INSERT INTO statestore_assetentryversion (entry_id, slot, version, value, at, writer)
SELECT e.id, n, n, e.value, now(), e.writer
FROM statestore_assetentry e, generate_series(1, 3) AS n WHERE e.id % 5 = 0
""",
    """
INSERT INTO statestore_secretfinding (of_asset, entry_id, owner_id, key, rule, place, found_at,
    dismissed_at, dismissed_by)
SELECT false, id, task_instance_id, key, 'name of a secret', '/password', updated_at,
    CASE WHEN id % 3 = 0 THEN now() END, ''
FROM statestore_entry WHERE id % 500 = 0
""",
    """
INSERT INTO statestore_auditentry (at, who, action, address, dag_id, run_id, task_id, map_index,
    asset, key, detail, reason)
SELECT now() - interval '100 s' * n, 'user person' || (n % 300),
    (ARRAY['logged_in', 'cleared_key', 'cleared', 'logged_out', 'cleared_run'])[1 + n % 5],
    '10.0.0.' || n % 250, t.dag_id, t.run_id, t.task_id, t.map_index, '', 'job_id', '', 'to retry'
FROM generate_series(1, 300000) AS n JOIN statestore_taskinstance t ON t.id = 1 + n % 1000
""",
    """
INSERT INTO statestore_sweeprun (started_at, seconds, deleted, overdue)
SELECT now() - interval '1 minute' * n, 0.2, 700, 0 FROM generate_series(1, 10080) AS n
""",
    """
INSERT INTO statestore_apitoken (name, digest, prefix, rights, owner, asset_patterns, dag_patterns,
    created_at)
SELECT 'worker ' || n, decode(md5(n::text) || md5(n::text), 'hex'), 'sst_' || left(md5(n::text), 4),
    'view,write', 'person' || n % 300, '*', '*', now() FROM generate_series(1, 5000) AS n
""",
    """
INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff,
    is_active, date_joined)
SELECT '!', false, 'person' || n, 'First', 'Last', 'person' || n || '@example.org', false, true,
    now() FROM generate_series(1, 5000) AS n
""",
    "INSERT INTO auth_group (name) SELECT 'team ' || n FROM generate_series(1, 100) AS n",
    """
INSERT INTO django_admin_log (action_time, object_id, object_repr, action_flag, change_message,
    content_type_id, user_id)
SELECT now(), n::text, 'an entry', 3, 'Cleared.', (SELECT min(id) FROM django_content_type),
    (SELECT min(id) FROM auth_user) FROM generate_series(1, 50000) AS n
""",
    "VACUUM ANALYZE",
)


def fill() -> None:
    """Fill the database of the settings, which has been migrated and is empty."""
    chance, now = random.Random(7), datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE benchmark_keys (digest bytea, count integer)")
        rows = sorted(_task_instances(chance, now), key=lambda row: row[-1])
        _copy(cursor, _TASKS, rows)
        counts = _key_counts(chance, len(rows))
        digests = (row[0] for row in rows)
        _copy(cursor, "COPY benchmark_keys FROM STDIN", zip(digests, counts, strict=True))
        _copy(cursor, _ASSETS, _assets(now))
        cursor.execute("ANALYZE")
        cursor.execute(_ENTRIES, {"now": now})
        for text in _REST:
            cursor.execute(text)
        cursor.execute("DROP TABLE benchmark_keys")
    _people()


def _task_instances(chance: random.Random, now: datetime) -> Iterator[tuple[Any, ...]]:
    count, run = 0, 0
    weights = [1 / (place + 1) for place in range(DAGS)]
    while count < TASKS:
        (dag,) = chance.choices(range(DAGS), weights)
        began = now - KEPT * chance.random() ** 2
        run_id = f"scheduled__{began:%Y-%m-%dT%H:%M:%S.%f}"
        sizes = {f"task_{n:02}": 0 for n in range(chance.randint(3, 12))}
        if run % 20 == 0:
            sizes["mapped"] = 5000 if run == 0 else min(2000, int(chance.paretovariate(0.6)) + 1)
        for task_id, size in sizes.items():
            for index in range(size) if size else (MAP_INDEX_NONE,):
                if count == TASKS:
                    return
                count += 1
                scope = TaskScope(_dag(dag), run_id, task_id, index)
                yield (scope.digest, scope.dag_id, run_id, task_id, index, 1, *_life(chance, began))
        run += 1


def _dag(number: int) -> str:
    return f"{('sales', 'hr', 'finance', 'web')[number % 4]}_{number:02}"


def _life(chance: random.Random, began: datetime) -> tuple[str, datetime, datetime]:
    now = datetime.now(UTC)
    (status,) = chance.choices(["done", "running", "failed", ""], [84, 4, 3, 9])
    wrote = now - timedelta(seconds=chance.random() * 60)
    if status != "running" or chance.random() < 0.2:  # else stalled
        wrote = min(now, began + timedelta(seconds=chance.expovariate(1 / 3600)))
    return status, wrote, began


def _key_counts(chance: random.Random, tasks: int) -> list[int]:
    """How many keys each task instance has: a million together."""
    kinds = chance.choices([3, 6, 12, 30, 200], [45, 34, 15, 5, 1], k=tasks)
    kinds[tasks // 2] = MOST_KEYS
    while (missing := ENTRIES - sum(kinds)) != 0:
        step = 1 if missing > 0 else -1
        for place in range(min(tasks // 2, abs(missing))):
            kinds[place] += step
    return kinds


def _assets(now: datetime) -> Iterator[tuple[Any, ...]]:
    for number in range(10_000):
        name, uri = f"orders_{number:05}", f"s3://bucket/orders/{number}"
        yield names_digest(name, uri), name, uri, now


def _copy(cursor: Any, text: str, rows: Any) -> None:
    with cursor.copy(text) as copy:
        for row in rows:
            copy.write_row(row)


def _people() -> None:
    """Who looks at the pages: one who sees everything, and one who sees the dags of sales alone."""
    User.objects.create_superuser("everyone")
    some = User.objects.create_user("some")
    group = Group.objects.create(name="sales")
    group.permissions.set(Permission.objects.filter(content_type__app_label="statestore"))
    GroupReach.objects.create(group=group, dag_patterns="sales_*", asset_patterns="orders_00*")
    some.groups.add(group)
