"""Hot keys: 1,000 progress keys overwritten a million times, without a manual vacuum."""

import json
import time

import httpx
import psycopg

from tests.benchmarks.load import Target, measure
from tests.benchmarks.servers import statestore
from tests.postgresql import postgresql

KEYS = 1000
BATCH = 100
CONNECTIONS = 4
VALUES = 101  # of each key in turn, some longer than others
_SIZE = "SELECT pg_table_size('statestore_entry'), pg_indexes_size('statestore_entry')"
_UPDATES = """
SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'statestore_entry'
"""


def main(quick: bool = False) -> None:
    """Measure, and print."""
    wanted = 200_000 if quick else 1_000_000
    with postgresql() as database, statestore(database) as server:
        bodies = [_body(start, done) for done in range(VALUES) for start in range(0, KEYS, BATCH)]
        path = "/api/v2/state-store/batch"
        batches = Target("batches", server.url, server.token, [path], "POST", bodies)
        with psycopg.connect(server.environment["DATABASE_URL"], autocommit=True) as connection:
            for body in bodies[: KEYS // BATCH]:  # the least that the table can be
                httpx.post(
                    server.url + path, content=body, headers=batches.headers
                ).raise_for_status()
            least = most = _row(connection, _SIZE)
            written, began = 0, time.monotonic()
            while written < wanted:
                sent = measure([batches], connections=CONNECTIONS, seconds=4, rounds=1)["batches"]
                if sent.bad:
                    raise RuntimeError(f"{sent}")
                connection.execute("SELECT pg_stat_force_next_flush()")
                written, hot = _row(connection, _UPDATES)
                size = _row(connection, _SIZE)
                most = max(most[0], size[0]), max(most[1], size[1])
            seconds = time.monotonic() - began
        print(  # noqa: T201
            f"{written:,} overwrites of {KEYS:,} keys in {seconds:.0f} s, {hot / written:.1%} of them HOT\n"
            f"table {least[0] / 1024:,.0f} KiB at first, {most[0] / 1024:,.0f} KiB at most:"
            f" {most[0] / least[0]:.1f} times; indexes {least[1] / 1024:,.0f} KiB to"
            f" {most[1] / 1024:,.0f} KiB",
            flush=True,
        )


def _body(start: int, done: int) -> str:
    """A batch that reports the progress of some tasks."""
    value = {"current": done, "total": VALUES, "unit": "rows", "status": "running"}
    scope = {"dag_id": "bench", "run_id": "hot"}
    return json.dumps(
        {
            "operations": [
                {
                    "op": "set",
                    **scope,
                    "task_id": f"task-{number}",
                    "key": "progress",
                    "value": value,
                }
                for number in range(start, start + BATCH)
            ]
        }
    )


def _row(connection: psycopg.Connection, text: str) -> tuple[int, int]:
    row = connection.execute(text.encode()).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
