"""SQLite beside PostgreSQL: PUT at 8 connections, then 32 writers for a minute, beside the worker."""

from tests.benchmarks.load import measure
from tests.benchmarks.requests import entry_target
from tests.benchmarks.servers import beat, statestore, worker
from tests.postgresql import postgresql


def main(quick: bool = False) -> None:
    """Measure, and print."""
    seconds, rounds = (1.0, 2) if quick else (3.0, 3)
    with (
        postgresql() as database,
        statestore(database) as on_postgresql,
        statestore("sqlite:") as on_sqlite,
    ):
        servers = {"PostgreSQL": on_postgresql, "SQLite": on_sqlite}
        targets = [entry_target(name, one, "progress", "PUT") for name, one in servers.items()]
        found = measure(targets, connections=8, seconds=seconds, rounds=rounds)
        for name, series in found.items():
            print(f"{name:11} {series}")  # noqa: T201
        print(f"ratio       {found['SQLite'].times(found['PostgreSQL'])}")  # noqa: T201
        with worker(on_sqlite), beat(on_sqlite):
            found = measure(targets[1:], connections=32, seconds=5 if quick else 60, rounds=1)
        many = found["SQLite"]
        print(f"32 writers  {many}, the longest {many.longest:.0f} ms", flush=True)  # noqa: T201
