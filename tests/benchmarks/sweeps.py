"""The sweep: rows a second, and what it costs those who write meanwhile."""

import subprocess
import sys
import time

import psycopg

from tests.benchmarks.load import measure
from tests.benchmarks.requests import entry_target
from tests.benchmarks.servers import statestore
from tests.postgresql import postgresql
from tests.server import ROOT

FILL = """
INSERT INTO statestore_entry (task_instance_id, key, value, version, created_at, updated_at,
    expires_at, expires_hour, writer, changes)
SELECT t.id, 'old-' || n, '{"page": 1}', 1, now(), now(), now() - interval '1 hour',
    extract(epoch FROM now() - interval '1 hour')::bigint / 3600, 'bench', 1
FROM (SELECT id FROM statestore_taskinstance ORDER BY id LIMIT 64) t,
    generate_series(1, %(rows)s / 64) n
"""


def main(quick: bool = False) -> None:
    """Measure, and print."""
    rows = 100_000 if quick else 1_000_000
    with postgresql() as database, statestore(database) as server:
        target = entry_target("statestore", server, "progress", "PUT")
        alone = measure([target], connections=8, seconds=4, rounds=1)["statestore"]
        url = server.environment["DATABASE_URL"]

        def fill() -> None:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(FILL, {"rows": rows})
                connection.execute("VACUUM ANALYZE statestore_entry")

        fill()
        begin = time.monotonic()
        server.manage("sweep_expired")
        seconds = time.monotonic() - begin
        print(f"{rows:,} expired rows in {seconds:.1f} s: {rows / seconds:,.0f} a second")  # noqa: T201
        fill()
        sweep = subprocess.Popen(
            [sys.executable, "manage.py", "sweep_expired"],
            env=server.environment,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        beside = measure([target], connections=8, seconds=4, rounds=1)["statestore"]
        sweep.wait()
        print(f"PUT alone:             {alone}")  # noqa: T201
        print(f"PUT beside the sweep:  {beside}", flush=True)  # noqa: T201
