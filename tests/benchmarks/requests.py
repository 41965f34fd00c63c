"""Requests a second of one server beside those of a bare Django view: PUT and GET of one key.

`python -m tests.benchmarks.requests [--quick]`
"""

import json
import sys

from tests.benchmarks.load import Series, Target, measure
from tests.benchmarks.servers import bare, statestore
from tests.postgresql import postgresql
from tests.server import Server

TASKS = 64
BODY = json.dumps({"value": {"current": 5, "total": 10, "status": "running"}})
CONNECTIONS = (1, 8, 32)


def main(quick: bool = False) -> None:
    """Measure, and print."""
    seconds, rounds = (2.0, 3) if quick else (4.0, 5)
    with (
        postgresql() as database,
        statestore(database) as ours,
        bare(ours) as bare_url,
    ):
        for key in ("progress", "job"):
            for method in ("PUT", "GET"):
                targets = [entry_target(ours, key, method), _bare(bare_url, key, method)]
                for connections in CONNECTIONS:
                    found = measure(
                        targets, connections=connections, seconds=seconds, rounds=rounds
                    )
                    _show(f"{method} {key}, {connections} connections", found)


def entry_target(server: Server, key: str, method: str) -> Target:
    """Requests for one key of many tasks in turn."""
    paths = [
        f"/api/v2/dags/bench/dagRuns/run/taskInstances/task-{number}/state-store/{key}"
        for number in range(TASKS)
    ]
    body = BODY if method == "PUT" else None
    return Target("statestore", server.url, server.token, paths, method, body)


def _bare(url: str, key: str, method: str) -> Target:
    paths = [f"/task-{number}/{key}" for number in range(TASKS)]
    return Target("bare view", url, "none", paths, method, BODY if method == "PUT" else None)


def _show(title: str, found: dict[str, Series]) -> None:
    print(title)  # noqa: T201
    ours = found["statestore"].rate
    for name, series in found.items():
        ratio = f"{ours / series.rate:5.2f}" if series.rate else "    -"
        print(f"    {name:12} {series}    statestore is {ratio} of it", flush=True)  # noqa: T201


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
