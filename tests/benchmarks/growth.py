"""Growth: the same requests over ten thousand entries and over ten million, of a million task instances.

With --quick over a million, of 100,000 task instances.
"""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

from statestore.protocol import TaskScope
from tests.benchmarks.load import Series, Target, measure
from tests.benchmarks.requests import BODIES
from tests.benchmarks.servers import statestore
from tests.benchmarks.viewers import sessions
from tests.postgresql import postgresql
from tests.server import Server

KEYS: Final = 10  # of each task instance
SMALL: Final = 1_000  # task instances
# Of all that there are, evenly. Of many that are written once each the state is written as well, of a
# thousand of either store as seldom.
ASKED: Final = {"GET": 50_000, "PUT": 1_000}
LARGE: Final = ("statestore_taskinstance", "statestore_entry", "statestore_entryversion")
RUNNING: Final = 500  # of either store; the others are done, over the last 30 days

_TASKS: Final = """
COPY statestore_taskinstance (scope_digest, dag_id, run_id, task_id, map_index, attempt, status,
    active_at, created_at) FROM STDIN
"""
_ENTRIES: Final = """
INSERT INTO statestore_entry (task_instance_id, key, value, version, created_at, updated_at,
    expires_at, expires_hour, writer, changes)
SELECT t.id, CASE n WHEN 0 THEN 'progress' ELSE 'key-' || n END,
    '{"current": 5, "total": 10, "status": "' || t.status || '"}', 1, t.created_at, t.active_at,
    t.active_at + interval '30 days',
    extract(epoch FROM t.active_at + interval '30 days')::bigint / 3600, 'bench', 1
FROM statestore_taskinstance t, generate_series(0, %(keys)s - 1) n
"""


def main(quick: bool = False) -> None:
    """Measure, and print."""
    large = 100_000 if quick else 1_000_000
    seconds, rounds = (2.0, 3) if quick else (3.0, 3)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgresql())
        servers = {count: stack.enter_context(statestore(database)) for count in (SMALL, large)}
        cookies = {}
        for count, server in servers.items():
            _fill(server, count)
            cookies[count] = sessions(server, 1)[0]
        megabytes = _size(servers[large]) / large / KEYS  # of a million entries
        print(  # noqa: T201
            f"{SMALL * KEYS:,} and {large * KEYS:,} entries; a million with their task instances"
            f" take {megabytes:.0f} MB on disk",
            flush=True,
        )
        read = _read_whole(servers[large])
        for name, method, path in _API:
            found = measure(
                [
                    _target(server, count, method, path, f"Bearer {server.token}")
                    for count, server in servers.items()
                ],
                connections=8,
                seconds=seconds,
                rounds=rounds,
            )
            _show(name, found, large)
        for server in servers.values():
            server.manage("sweep_expired")  # what has expired meanwhile, as beat does every minute
        for name, path in _PAGES:
            found = measure(
                [
                    Target(str(count), server.url, "", [path], cookie=cookies[count])
                    for count, server in servers.items()
                ],
                connections=1,
                seconds=seconds,
                rounds=rounds,
            )
            _show(name, found, large)
        now = _read_whole(servers[large])
        more = {table: count - read[table] for table, count in now.items() if table in LARGE}
        print(f"large tables that were read from end to end: {_names(more) or 'none'}")  # noqa: T201


_STORE: Final = "/api/v2/dags/dag-{0}/dagRuns/run-{1}/taskInstances/task-{2}/state-store"
_API: Final = (
    ("PUT progress", "PUT", _STORE + "/progress"),
    ("PUT of another key", "PUT", _STORE + "/key-1"),
    ("GET", "GET", _STORE + "/progress"),
    ("list of a task", "GET", _STORE),
)
_PAGES: Final = (
    ("Live", "/"),
    ("Live, found by a word", "/?q=task-7"),
    ("Live, a word that is nowhere", "/?q=nowhere"),
    ("Runs", "/runs/"),
    ("search of the API", "/api/v2/task-instances?q=task-7"),
    ("search of the API, a word that is nowhere", "/api/v2/task-instances?q=nowhere"),
)


def _scope(number: int) -> TaskScope:
    return TaskScope(f"dag-{number % 50}", f"run-{number // 1000}", f"task-{number % 1000}")


def _target(server: Server, count: int, method: str, path: str, credentials: str) -> Target:
    alive = count * 19 // 20  # the oldest expire meanwhile
    scopes = map(_scope, range(0, alive, max(1, count // ASKED[method])))
    paths = [path.format(*_numbers(scope)) for scope in scopes]
    token = credentials.removeprefix("Bearer ")
    bodies = BODIES if method == "PUT" else []
    return Target(str(count), server.url, token, paths, method, bodies)


def _numbers(scope: TaskScope) -> Iterator[str]:
    for name in (scope.dag_id, scope.run_id, scope.task_id):
        yield name.partition("-")[2]


def _fill(server: Server, tasks: int) -> None:
    with psycopg.connect(server.environment["DATABASE_URL"], autocommit=True) as connection:
        with connection.cursor() as cursor, cursor.copy(_TASKS) as copy:
            copy.set_types(["bytea", *["text"] * 3, "int4", "int4", "text", "text", "text"])
            now = datetime.now(UTC)
            for number in range(tasks):
                scope = _scope(number)
                ids = (scope.dag_id, scope.run_id, scope.task_id, scope.map_index)
                wrote = now - timedelta(days=30) * (number / tasks)
                status = "running" if number < RUNNING else "done"
                copy.write_row(
                    (scope.digest, *ids, 1, status, wrote.isoformat(), wrote.isoformat())
                )
        connection.execute(_ENTRIES, {"keys": KEYS})
        connection.execute("VACUUM ANALYZE")


def _size(server: Server) -> int:
    """Bytes of the whole database."""
    with psycopg.connect(server.environment["DATABASE_URL"], autocommit=True) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


def _read_whole(server: Server) -> dict[str, int]:
    """How often each table was read from end to end."""
    with psycopg.connect(server.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        rows = connection.execute("SELECT relname::text, seq_scan FROM pg_stat_user_tables")
        return dict(rows.fetchall())


def _names(counts: dict[str, int]) -> str:
    return ", ".join(f"{table} {count} times" for table, count in counts.items() if count)


def _show(name: str, found: dict[str, Series], large: int) -> None:
    few, many = found[str(SMALL)], found[str(large)]
    print(f"{name:22} over few {few}")  # noqa: T201
    print(f"{'':22} over many {many}; {many.times(few)} of it", flush=True)  # noqa: T201
