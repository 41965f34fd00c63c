"""A backlog of 20 million expired rows: how fast the sweep works it off, and its longest transaction.

With --quick of a million.
"""

import itertools
import threading
import time

import psycopg

from tests.benchmarks.servers import statestore
from tests.benchmarks.sweeps import fill
from tests.postgresql import postgresql
from tests.server import Server

HOURS = 24 * 7
_LONGEST = """
SELECT COALESCE(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def main(quick: bool = False) -> None:
    """Measure, and print."""
    rows = 1_000_000 if quick else 20_000_000
    with postgresql() as database, statestore(database) as server:
        url = server.environment["DATABASE_URL"]
        server.manage("sweep_expired")
        fill(url, rows, hours=HOURS)
        longest, done = [0.0], threading.Event()

        def watch() -> None:
            with psycopg.connect(url, autocommit=True) as connection:
                while not done.wait(0.002):
                    found = connection.execute(_LONGEST).fetchone()
                    longest[0] = max(longest[0], float(found[0]) if found else 0.0)

        watcher = threading.Thread(target=watch)
        watcher.start()
        began = time.monotonic()
        try:
            runs = _work_off(server, url)
        finally:
            done.set()
            watcher.join()
        seconds = time.monotonic() - began
        print(  # noqa: T201
            f"{rows:,} rows expired over {HOURS} hours: {seconds:.0f} s in {runs} runs,"
            f" {rows / seconds:,.0f} a second; the longest transaction {longest[0] * 1000:.0f} ms",
            flush=True,
        )


def _work_off(server: Server, url: str) -> int:
    """Sweep until nothing is left; how often."""
    last = "SELECT overdue FROM statestore_sweeprun ORDER BY id DESC LIMIT 1"
    with psycopg.connect(url, autocommit=True) as connection:
        for run in itertools.count(1):
            server.manage("sweep_expired")
            if connection.execute(last).fetchone() == (0,):
                return run
    raise AssertionError("it counts for ever")
