"""Keys a second in batches: one request that sets so many keys of one task, or a key of many tasks.

Beside them the bare view, which sets one key for each request: how many times as many keys a batch sets
says more of the program, and less of the machine.
"""

import json
from collections.abc import Iterable

from tests.benchmarks.load import Target, measure
from tests.benchmarks.requests import bare_target, entry_target
from tests.benchmarks.servers import bare, statestore
from tests.postgresql import postgresql

SIZES = (100, 1000)
CONNECTIONS = (1, 2, 8)
WIDE = 500
TASKS = 32  # so that batches seldom wait for each other
VALUES = 3  # of each key in turn: what does not change, keeps no version


def main(quick: bool = False) -> None:
    """Measure, and print."""
    seconds, rounds = (1.0, 2) if quick else (3.0, 3)
    with (
        postgresql() as database,
        statestore(database) as server,
        bare(server) as bare_url,
    ):
        first = entry_target("statestore", server, "progress", "PUT")
        measure(
            [first], connections=1, seconds=1, rounds=1
        )  # creates what the bare view overwrites
        single = bare_target(bare_url, "progress", "PUT")
        path = "/api/v2/state-store/batch"
        for size, bodies in _batches().items():
            batches = Target("batches", server.url, server.token, [path], "POST", bodies)
            for connections in CONNECTIONS[-1:] if quick else CONNECTIONS:
                found = measure(
                    [batches, single], connections=connections, seconds=seconds, rounds=rounds
                )
                series, puts = found["batches"], found["bare view"]
                each = len(json.loads(bodies[0])["operations"])
                print(  # noqa: T201
                    f"batches of {size}, {connections} connections: {each * series.rate:7.0f} keys a second,"
                    f" p50 {series.latency:.1f} ms; the bare view sets {puts.rate:.0f}:"
                    f" {series.times(puts, each)} times as many",
                    flush=True,
                )


def _batches() -> dict[str, list[str]]:
    """Bodies by what they hold."""
    found = {f"{size} keys of a task": batches_of(size) for size in SIZES}
    wide = [
        _body(1, range(start, start + WIDE), value)
        for value in range(VALUES)
        for start in range(0, TASKS * WIDE, WIDE)
    ]
    return {**found, f"a key of {WIDE} tasks each": wide}


def batches_of(size: int) -> list[str]:
    """Bodies that each set so many keys of one task."""
    return [_body(size, [task], value) for value in range(VALUES) for task in range(TASKS)]


def _body(keys: int, tasks: Iterable[int], value: int) -> str:
    scope = {"dag_id": "bench", "run_id": f"of {keys}"}
    sets = [
        {
            "op": "set",
            **scope,
            "task_id": f"batch-{task}",
            "key": f"key-{number}",
            "value": {"page": number + value},
        }
        for task in tasks
        for number in range(keys)
    ]
    return json.dumps({"operations": sets})
