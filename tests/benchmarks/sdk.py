"""What the SDK adds to a bare httpx request, what a silent progress call costs, and what its import takes."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import httpx

from statestore.sdk import StateStore
from tests.benchmarks.load import ratio
from tests.benchmarks.requests import BODIES
from tests.benchmarks.servers import statestore
from tests.postgresql import postgresql

CALLS = 300


def main(quick: bool = False) -> None:
    """Measure, and print."""
    rounds = 3 if quick else 15
    with postgresql() as database, statestore(database) as server:
        path = f"{server.url}/api/v2/dags/bench/dagRuns/run/taskInstances/sdk/state-store/bare"
        headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
        value = {"current": 5, "total": 10, "status": "running"}
        with (
            httpx.Client(headers=headers) as client,
            StateStore(server.url, server.token) as store,
        ):
            keys = store.task("bench", "run", "sdk").task_store
            ways = {
                "bare request": lambda: client.put(path, content=BODIES[5]).raise_for_status(),
                "set": lambda: keys.set("sdk", value),
            }
            taken: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(rounds):
                for name, call in ways.items():
                    taken[name].append(_microseconds(call))
            bare, sets = taken.values()
            print(  # noqa: T201
                f"bare request {statistics.median(bare):.0f} µs, set {statistics.median(sets):.0f} µs:"
                f" {ratio(sets, bare)}"
            )
            with keys.progress(total=10**9) as progress:
                progress.update()
                begin = time.perf_counter()
                for _ in range(200_000):
                    progress.update()
                each = (time.perf_counter() - begin) / 200_000
            print(f"a progress call that writes nothing: {each * 1e6:.2f} µs")  # noqa: T201
    imports = {
        name: statistics.median(_import_milliseconds(name) for _ in range(rounds))
        for name in ("statestore.sdk", "httpx")
    }
    ours, its = imports.values()
    print(f"import statestore.sdk {ours:.0f} ms, of httpx's {ours / its:.2f}")  # noqa: T201


def _microseconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - begin) / CALLS * 1e6


def _import_milliseconds(module: str) -> float:
    script = f"import time; begin = time.process_time(); import {module}"
    script += "; print(time.process_time() - begin)"
    shown = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout
    return float(shown) * 1e3
