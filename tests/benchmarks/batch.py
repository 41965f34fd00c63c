"""Keys a second in batches: one request that sets so many keys of one task, of many tasks in turn.

Beside them the bare view, which sets one key for each request: how many times as many keys a batch sets
says more of the program, and less of the machine.
"""

import json

from tests.benchmarks.load import Target, measure
from tests.benchmarks.requests import bare_target, entry_target
from tests.benchmarks.servers import bare, statestore
from tests.postgresql import postgresql

SIZES = (100, 1000)
CONNECTIONS = (1, 2, 8)
TASKS = 32  # so that batches seldom wait for each other


def main(quick: bool = False) -> None:
    """Measure, and print."""
    seconds, rounds = (2.0, 3) if quick else (4.0, 5)
    with postgresql() as database, statestore(database) as server, bare(server) as bare_url:
        first = entry_target("statestore", server, "progress", "PUT")
        measure(
            [first], connections=1, seconds=1, rounds=1
        )  # creates what the bare view overwrites
        single = bare_target(bare_url, "progress", "PUT")
        for size in SIZES:
            path = "/api/v2/state-store/batch"
            bodies = [_body(task, size) for task in range(TASKS)]
            batches = Target("batches", server.url, server.token, [path], "POST", bodies)
            for connections in CONNECTIONS:
                found = measure(
                    [batches, single], connections=connections, seconds=seconds, rounds=rounds
                )
                series, puts = found["batches"], found["bare view"]
                keys = series.rate * size
                print(  # noqa: T201
                    f"batches of {size}, {connections} connections: {keys:7.0f} keys a second,"
                    f" p50 {series.latency:.1f} ms; the bare view sets {puts.rate:.0f}:"
                    f" {keys / puts.rate if puts.rate else 0:.1f} times as many",
                    flush=True,
                )


def _body(task: int, size: int) -> str:
    scope = {"dag_id": "bench", "run_id": f"of {size}", "task_id": f"batch-{task}"}
    sets = [
        {"op": "set", **scope, "key": f"key-{number}", "value": {"page": number}}
        for number in range(size)
    ]
    return json.dumps({"operations": sets})
