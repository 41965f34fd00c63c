"""Keys a second in batches: one request that sets so many keys of one task."""

import json

from tests.benchmarks.load import Target, measure
from tests.benchmarks.servers import statestore
from tests.postgresql import postgresql

SIZES = (100, 1000)
CONNECTIONS = (1, 8)


def main(quick: bool = False) -> None:
    """Measure, and print."""
    seconds, rounds = (2.0, 2) if quick else (4.0, 5)
    with postgresql() as database, statestore(database) as server:
        for size in SIZES:
            sets = [
                {"op": "set", "dag_id": "bench", "run_id": "run", "task_id": "batch"}
                | {"key": f"key-{number}", "value": {"page": number}}
                for number in range(size)
            ]
            body = json.dumps({"operations": sets})
            path = "/api/v2/state-store/batch"
            target = Target("batch", server.url, server.token, [path], "POST", body)
            for connections in CONNECTIONS:
                found = measure([target], connections=connections, seconds=seconds, rounds=rounds)
                series = found["batch"]
                print(  # noqa: T201
                    f"batches of {size}, {connections} connections:"
                    f" {series.rate * size:7.0f} keys a second, p50 {series.latency:.1f} ms",
                    flush=True,
                )
