"""What each page costs over 100,000 task instances and a million entries, on PostgreSQL.

`python -m tests.benchmarks.pages [times] [--only words] [--keep database]` fills a database of its own
(about a minute), asks every page and fragment of the dashboard and every list and record of the admin
site so many times (20), through the whole of Django and without a network, and prints for each the
server's time, its queries, the most rows that one of them reads, and tables of more than 10,000 rows
of which one reads more than half from end to end. `--keep` names a database that is filled once, and stays.

The time is what this thread and its database backend have computed for the answer (Linux tells): one
waits while the other computes, so it is how long the answer takes where no other program wants the core.
Beside it stands the 95th percentile of the whole time, with those waits.
"""

import argparse
import gc
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import django
import psycopg

from tests.benchmarks.poll import asker
from tests.postgresql import postgresql

MANY: Final = 10_000  # rows of a table that no page may read whole
MOST_QUERIES: Final = 12
MOST_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Cost:
    """What a page costs."""

    median: float
    p95: float
    """Seconds on a core."""
    p95_waiting: float
    queries: int
    rows: int
    """The most that one query reads."""
    whole: list[str]
    """Tables that are read from end to end."""
    statement: str
    """The one that reads the most."""

    @property
    def verdict(self) -> str:
        """What is too much of it."""
        found = [f"reads all of {', '.join(self.whole)}"] if self.whole else []
        found += ["slow"] * (self.p95 > MOST_SECONDS)
        found += ["too many queries"] * (self.queries > MOST_QUERIES)
        return "; ".join(found)


def main() -> None:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("times", nargs="?", type=int, default=20)
    parser.add_argument("--only", default="", help="pages whose names hold this")
    parser.add_argument("--keep", default="", metavar="database")
    parser.add_argument("--statements", action="store_true", help="print what reads the most rows")
    options = parser.parse_args()
    with filled(options.keep):
        _print(options)


@contextmanager
def filled(keep: str) -> Iterator[None]:
    """Django over a filled database of its own, or the one to keep."""
    with postgresql() as server, _database(server, keep) as (url, new):
        os.environ["DATABASE_URL"] = url
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", verbosity=0)
        if new:
            from tests.benchmarks.fill import fill

            fill()
        try:
            yield
        finally:
            connections.close_all()


@contextmanager
def _database(server: str, keep: str) -> Iterator[tuple[str, bool]]:
    name = keep or f"statestore_pages_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        new = found.fetchone() is None
        if new:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield f"{server.rpartition('/')[0]}/{name}", new
        finally:
            if not keep:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def _print(options: argparse.Namespace) -> None:
    from tests.benchmarks.pages_asked import pages

    import_module("statestore.urls")
    gc.freeze()  # as the web server does
    print("| page | p50 ms | p95 ms | p95 with waits | queries | rows read by one | too much |")  # noqa: T201
    print("|---|---|---|---|---|---|---|")  # noqa: T201
    for name, user, path in pages():
        if options.only in name:
            cost = measure(user, path, options.times)
            print(  # noqa: T201
                f"| {name} | {cost.median * 1000:.0f} | {cost.p95 * 1000:.0f}"
                f" | {cost.p95_waiting * 1000:.0f} | {cost.queries}"
                f" | {cost.rows:,} | {cost.verdict} |",
                flush=True,
            )
            if options.statements:
                print("   ", cost.statement)  # noqa: T201


def measure(user: str, path: str, times: int) -> Cost:
    """Ask for a page so many times, each read anew."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get(username=user))
    ask = asker(client.cookies.output(header="", sep=";").strip())
    _asked_anew(ask, path)  # imports, and what a process keeps
    queries: list[tuple[str, Any]] = []

    def seen(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        queries.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(seen):
        _asked_anew(ask, path)
    asked = [_asked_anew(ask, path) for _ in range(times)]
    seconds, waiting = sorted(net for net, _ in asked), sorted(whole for _, whole in asked)
    at_95 = math.ceil(times * 0.95) - 1
    read = [(*_read(sql, params), sql) for sql, params in queries]
    most = max(read, key=lambda found: found[0], default=(0, set(), ""))
    return Cost(
        median=seconds[times // 2],
        p95=seconds[at_95],
        p95_waiting=waiting[at_95],
        queries=len(queries),
        rows=most[0],
        whole=sorted({table for _, tables, _ in read for table in tables}),
        statement=most[2],
    )


def _asked_anew(ask: Any, path: str) -> tuple[float, float]:
    """Seconds of an answer: on a core, and all."""
    from dashboard.watch import watcher

    watcher.in_background = False
    watcher.forget()
    computed, began = _computed(), time.perf_counter()
    status = ask(path)
    took = time.perf_counter() - began
    if status != 200:
        raise RuntimeError(f"{path} answered {status}")
    return _computed() - computed, took


def _computed() -> float:
    """Seconds that this thread and its backend have been on a core."""
    from django.db import connection

    backend = connection.connection.info.backend_pid if connection.connection else 0
    return sum(_seconds_on_core(Path("/proc") / name) for name in ("thread-self", str(backend)))


def _seconds_on_core(process: Path) -> float:
    try:
        return int((process / "schedstat").read_text().split()[0]) / 1e9
    except (OSError, IndexError):  # another system, or a database elsewhere
        return 0.0


def _read(sql: str, params: Any) -> tuple[int, set[str]]:
    """How many rows a query reads, and the large tables of which it reads all."""
    from django.db import connection, transaction

    if not sql.lstrip("( \n").upper().startswith(("SELECT", "WITH")):
        return 0, set()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        cursor.execute("SELECT relname, reltuples FROM pg_class WHERE reltuples > %s", [MANY])
        large = dict(cursor.fetchall())
        cursor.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + sql, params)
        ((plans,),) = cursor.fetchall()
    rows, whole = 0, set()
    for node in nodes(plans[0]["Plan"]):
        if "Relation Name" not in node:
            continue
        removed = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
        seen = (node["Actual Rows"] + removed) * node["Actual Loops"]
        rows += round(seen)
        many = large.get(node["Relation Name"])
        if many and node["Node Type"] == "Seq Scan" and seen > many / 2:
            whole.add(node["Relation Name"])
    return rows, whole


def nodes(plan: Any) -> Iterator[Any]:
    """Every node of a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


if __name__ == "__main__":
    main()
