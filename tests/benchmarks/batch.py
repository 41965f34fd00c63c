"""Keys a second in batches: one request that sets so many keys of one task, of many tasks in turn."""

import json

from tests.benchmarks.load import Target, measure
from tests.benchmarks.servers import statestore
from tests.postgresql import postgresql

SIZES = (100, 1000)
CONNECTIONS = (1, 2, 8)
TASKS = 32  # so that batches seldom wait for each other


def main(quick: bool = False) -> None:
    """Measure, and print."""
    seconds, rounds = (2.0, 3) if quick else (4.0, 5)
    with postgresql() as database, statestore(database) as server:
        for size in SIZES:
            path = "/api/v2/state-store/batch"
            bodies = [_body(task, size) for task in range(TASKS)]
            target = Target("batch", server.url, server.token, [path], "POST", bodies)
            for connections in CONNECTIONS:
                found = measure([target], connections=connections, seconds=seconds, rounds=rounds)
                series = found["batch"]
                print(  # noqa: T201
                    f"batches of {size}, {connections} connections:"
                    f" {series.rate * size:7.0f} keys a second, p50 {series.latency:.1f} ms",
                    flush=True,
                )


def _body(task: int, size: int) -> str:
    scope = {"dag_id": "bench", "run_id": f"of {size}", "task_id": f"batch-{task}"}
    sets = [
        {"op": "set", **scope, "key": f"key-{number}", "value": {"page": number}}
        for number in range(size)
    ]
    return json.dumps({"operations": sets})
