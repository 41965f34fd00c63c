"""A backlog of 20 million expired rows: how fast the sweep works it off, and its longest transaction.

With --quick of a million.
"""

import threading
import time

import psycopg

from tests.benchmarks.servers import statestore
from tests.benchmarks.sweeps import fill
from tests.postgresql import postgresql

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
        runs, began = 0, time.monotonic()
        with psycopg.connect(url, autocommit=True) as connection:
            while True:
                server.manage("sweep_expired")
                runs += 1
                last = "SELECT overdue FROM statestore_sweeprun ORDER BY id DESC LIMIT 1"
                if connection.execute(last).fetchone() == (0,):
                    break
        seconds = time.monotonic() - began
        done.set()
        watcher.join()
        print(  # noqa: T201
            f"{rows:,} rows expired over {HOURS} hours: {seconds:.0f} s in {runs} runs,"
            f" {rows / seconds:,.0f} a second; the longest transaction {longest[0] * 1000:.0f} ms",
            flush=True,
        )
