"""Requests a second for one key: Statestore, a bare Django view with its statement, Airflow's public API.

Airflow needs minutes to be installed once, and is left out by --quick.
"""

import contextlib
import json
import subprocess
import sys

import pytest

from tests.benchmarks.airflow import airflow
from tests.benchmarks.load import Series, Target, measure, ratio
from tests.benchmarks.servers import ONE_OF_EIGHT, bare, statestore
from tests.postgresql import postgresql
from tests.server import Server

TASKS = 64
# Every value differs from the one before it, so that versions are kept as they would be.
BODIES = [
    json.dumps({"value": {"current": number, "total": 1000, "status": "running"}})
    for number in range(101)
]
CONNECTIONS = (1, 8, 32)
ATTEMPT = 1
KINDS: tuple[tuple[str, str, int | None], ...] = (
    ("progress", "PUT", None),
    ("progress", "PUT", ATTEMPT),
    ("job", "PUT", None),
    ("progress", "GET", None),
)
QUICK = KINDS[1], KINDS[3]


def main(quick: bool = False) -> None:
    """Measure, and print."""
    seconds, rounds = (1.0, 2) if quick else (2.0, 5)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgresql())
        ours = stack.enter_context(statestore(database))
        one = stack.enter_context(statestore(database, ONE_OF_EIGHT))
        embedded = stack.enter_context(statestore("sqlite:"))
        servers = {"statestore": ours, "of one": one, "on SQLite": embedded}
        bare_url = stack.enter_context(bare(ours))
        peer, left_out = (None, None) if quick else _airflow(stack, database)
        kinds = QUICK if quick else KINDS
        for key, method, attempt in kinds:
            first = entry_target("statestore", ours, key, "PUT", attempt=attempt)
            measure([first], connections=8, seconds=1, rounds=1)  # what the bare view overwrites
            targets = [
                entry_target(name, server, key, method, attempt=attempt)
                for name, server in servers.items()
            ]
            targets.append(bare_target(bare_url, key, method, attempt))
            if peer:
                targets.append(_target("airflow", *peer, _PATH + key, method))
            by = "" if attempt is None else " of an attempt"
            for connections in CONNECTIONS[1:2] if quick else CONNECTIONS:
                found = measure(targets, connections=connections, seconds=seconds, rounds=rounds)
                _show(f"{method} {key}{by}, {connections} connections", found)
        if left_out:
            raise RuntimeError("measured without Airflow") from left_out


def _airflow(
    stack: contextlib.ExitStack, database: str
) -> tuple[tuple[str, str] | None, BaseException | None]:
    """The peer, or why it cannot be installed or does not start: then the others are measured without."""
    try:
        return stack.enter_context(airflow(database, TASKS)), None
    except (
        OSError,
        RuntimeError,
        subprocess.SubprocessError,
        pytest.skip.Exception,
        pytest.fail.Exception,
    ) as error:
        line = f"LEFT OUT Airflow: {error}"
        print(f"\033[1;31m{line}\033[0m" if sys.stdout.isatty() else line, flush=True)  # noqa: T201
        return None, error


_PATH = "/api/v2/dags/bench/dagRuns/run/taskInstances/task-{}/state-store/"


def entry_target(
    name: str,
    server: Server,
    key: str,
    method: str,
    *,
    tasks: int = TASKS,
    attempt: int | None = None,
) -> Target:
    """Requests for one key of many tasks in turn."""
    return _target(name, server.url, server.token, _PATH + key, method, tasks, attempt)


def bare_target(url: str, key: str, method: str, attempt: int | None = None) -> Target:
    """The same of the bare view, once somebody has written to these tasks."""
    return _target("bare view", url, "", "/task-{}/" + key, method, attempt=attempt)


def _target(
    name: str,
    url: str,
    token: str,
    path: str,
    method: str,
    tasks: int = TASKS,
    attempt: int | None = None,
) -> Target:
    paths = [path.format(number) for number in range(tasks)]
    bodies = BODIES if method == "PUT" else []
    return Target(name, url, token or "none", paths, method, bodies, attempt=attempt)


def _show(title: str, found: dict[str, Series]) -> None:
    print(title)  # noqa: T201
    ours = found["statestore"]
    for name, series in found.items():
        print(f"    {name:12} {series}", end="")  # noqa: T201
        if series is not ours:
            p50 = ratio(ours.p50, series.p50)
            print(f"; statestore is {ours.times(series)} of it, its p50 {p50}", end="")  # noqa: T201
        print(flush=True)  # noqa: T201
