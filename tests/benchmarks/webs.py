"""How many web processes, of how many threads: PUT, GET and batches on cores that are PostgreSQL's too.

At 8 connections, in turn; the first is what all are compared with.
"""

import contextlib

from tests.benchmarks.batch import batches_of
from tests.benchmarks.load import Target, measure
from tests.benchmarks.requests import entry_target
from tests.benchmarks.servers import ONE_OF_EIGHT, TWO_OF_FOUR, Web, statestore
from tests.postgresql import postgresql

CONNECTIONS = 8
FEW = TWO_OF_FOUR, ONE_OF_EIGHT
MANY = *FEW, Web(1, 4), Web(1, 6), Web(1, 16), Web(2, 8), Web(4, 2), Web(8, 1)


def main(quick: bool = False) -> None:
    """Measure all in turn, and print."""
    seconds, rounds = (1.0, 2) if quick else (2.0, 5)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgresql())
        servers = {
            f"{web.workers} of {web.threads}": stack.enter_context(statestore(database, web))
            for web in (FEW if quick else MANY)
        }
        for kind in ("PUT", "GET"):  # in this order: what is read must have been written
            targets = [entry_target(name, one, "progress", kind) for name, one in servers.items()]
            _measure(f"{kind} progress", targets, seconds, rounds)
        body = batches_of(100)
        path = "/api/v2/state-store/batch"
        targets = [
            Target(name, one.url, one.token, [path], "POST", body) for name, one in servers.items()
        ]
        _measure("batches of 100", targets, seconds, rounds)


def _measure(title: str, targets: list[Target], seconds: float, rounds: int) -> None:
    print(title)  # noqa: T201
    found = measure(targets, connections=CONNECTIONS, seconds=seconds, rounds=rounds)
    first = found[targets[0].name]
    for name, series in found.items():
        print(  # noqa: T201
            f"    {name:8} {series}; of those of {targets[0].name} {series.times(first)}",
            flush=True,
        )
