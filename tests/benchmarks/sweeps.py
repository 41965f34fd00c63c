"""The sweep: rows a second, and what it costs those who write meanwhile."""

import statistics
import subprocess
import sys
import time

import psycopg

from tests.benchmarks.load import Series, Target, measure_one, ratio
from tests.benchmarks.requests import entry_target
from tests.benchmarks.servers import statestore
from tests.postgresql import postgresql
from tests.server import ROOT, Server

TASKS = 64
STARTED = 1.0  # seconds after which the command has begun to sweep
LASTS = 10  # seconds of sweeping, which the load beside it must not outlast
LONG = 2.0  # seconds that the command must take, for its rate to be one of the sweep
# Whoever writes a key keeps a version of it, and up to 20.
_FILL = """
WITH e AS (
    INSERT INTO statestore_entry (task_instance_id, key, value, version, created_at, updated_at,
        expires_at, expires_hour, writer, changes)
    SELECT t.id, 'old-' || n, '{"page": 1}', %(versions)s, now(), now(), time,
        extract(epoch FROM time)::bigint / 3600, 'bench', %(versions)s
    FROM generate_series(1, %(rows)s::bigint / %(tasks)s) n,
        LATERAL (
            SELECT now() - interval '1 hour' * (1 + n * %(hours)s * %(tasks)s / %(rows)s) AS time
        ) e,
        (SELECT id FROM statestore_taskinstance ORDER BY id LIMIT %(tasks)s) t
    RETURNING id)
INSERT INTO statestore_entryversion (entry_id, slot, version, value, at, writer)
SELECT id, v %% 20, v, '{"page": 1}', now(), 'bench' FROM e, generate_series(1, %(versions)s) v
"""
_SCOPES = """
INSERT INTO statestore_taskinstance (scope_digest, dag_id, run_id, task_id, map_index, attempt, status,
    active_at, created_at)
SELECT decode(md5(n::text), 'hex'), 'bench', 'expired', n::text, -1, 0, '', now(), now()
FROM generate_series(1, %(tasks)s) n ON CONFLICT DO NOTHING
"""
_PROGRESS = """
WITH t AS (
    INSERT INTO statestore_taskinstance (scope_digest, dag_id, run_id, task_id, map_index, attempt, status,
        active_at, created_at)
    SELECT decode(md5('of progress ' || n), 'hex'), 'bench', 'ended', n::text, -1, 1, 'done', now(), now()
    FROM generate_series(1, %(rows)s) n RETURNING id),
e AS (
    INSERT INTO statestore_entry (task_instance_id, key, value, version, created_at, updated_at,
        expires_at, expires_hour, writer, changes)
    SELECT id, 'progress', '{"current": 9, "total": 9, "status": "done"}', 9, now(), now(),
        now() - interval '1 hour', extract(epoch FROM now() - interval '1 hour')::bigint / 3600, 'bench', 1
    FROM t)
INSERT INTO statestore_progresssample (task_instance_id, at, attempt, done, total)
SELECT id, now(), 1, n, 9 FROM t, generate_series(1, 3) n
"""


def fill(url: str, rows: int, *, hours: int = 1, versions: int = 1) -> None:
    """Write so many expired rows, which expired over so many hours, one hour after the other."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_SCOPES, {"tasks": TASKS})
        connection.execute(
            _FILL, {"rows": rows, "hours": hours, "tasks": TASKS, "versions": versions}
        )
        connection.execute("VACUUM ANALYZE statestore_entry, statestore_entryversion")
        # So that no round meets what is left of this to be written to the disk.
        connection.execute("CHECKPOINT")


def _fill_progress(url: str, rows: int) -> None:
    """The same of progress, each of a task instance that has ended, with three samples."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_PROGRESS, {"rows": rows})
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def main(quick: bool = False) -> None:
    """Measure, and print."""
    rows, rounds = (100_000, 1) if quick else (1_000_000, 3)
    with postgresql() as database, statestore(database) as server:
        target = entry_target("statestore", server, "progress", "PUT")
        measure_one(target, connections=8, seconds=1)
        url = server.environment["DATABASE_URL"]
        fill(url, rows)
        rate = _sweep(server, rows, "expired keys, written once")
        fill(url, rows // 20, versions=20)
        _sweep(server, rows // 20, "expired keys with 20 versions each")
        _fill_progress(url, rows // 10)
        _sweep(server, rows // 10, "of progress, with status and samples")
        alone, beside = [], []
        for _ in range(rounds):
            fill(url, int(LASTS * rate))
            alone.append(measure_one(target, connections=8, seconds=3))
            beside.append(_beside(server, target))
        for name, found in (("alone", alone), ("beside the sweep", beside)):
            p99 = statistics.median(one.p99[0] for one in found)
            rate = statistics.median(one.rate for one in found)
            print(f"PUT {name}: {rate:.0f} a second, p99 {p99:.1f} ms", flush=True)  # noqa: T201
        kept = ratio([one.rate for one in beside], [one.rate for one in alone])
        longer = ratio([one.p99[0] for one in beside], [one.p99[0] for one in alone])
        print(f"PUT keeps {kept} of its rate beside the sweep, p99: {longer} times", flush=True)  # noqa: T201


def _beside(server: Server, target: Target) -> Series:
    """What a PUT takes while the sweep runs, which must not end before."""
    command = [sys.executable, "manage.py", "sweep_expired"]
    sweep = subprocess.Popen(command, env=server.environment, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        time.sleep(STARTED)
        found = measure_one(target, connections=8, seconds=3)
        ended = sweep.poll() is not None
        sweep.wait()
    finally:
        sweep.kill()  # one that has ended takes no notice
        sweep.wait()
    if ended:
        raise RuntimeError("The sweep ended before the load.")
    return found


def _sweep(server: Server, rows: int, what: str) -> float:
    """Until nothing is left; rows a second."""
    begin = time.monotonic()
    while "left for the next run" in server.manage("sweep_expired"):
        pass
    seconds = time.monotonic() - begin
    rate = f"{rows / seconds:,.0f} a second" if seconds > LONG else "mostly the command's start"
    print(f"{rows:,} {what} in {seconds:.1f} s: {rate}", flush=True)  # noqa: T201
    return rows / seconds
