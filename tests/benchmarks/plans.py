"""The plans of what workers do, over a million entries of 100,000 task instances, on PostgreSQL.

`python -m tests.benchmarks.plans [--keep database]` fills a database of its own, does each thing in a
transaction that is rolled back, and prints which index each of its statements goes by: planned for what
it was given, and planned once for whatever it may be given, as PostgreSQL may do with what is prepared.
"""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from tests.benchmarks.pages import filled, nodes


def main() -> None:
    """Fill, explain and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", default="", metavar="database")
    options = parser.parse_args()
    with filled(options.keep):
        for name, act in _acts():
            print(name)  # noqa: T201
            for plan in _plans(act):
                print(f"    {plan}", flush=True)  # noqa: T201
        print("prepared, for whatever they are given")  # noqa: T201
        for text, plan in _generic_plans():
            print(f"    {text}: {plan}", flush=True)  # noqa: T201


def _acts() -> Iterator[tuple[str, Callable[[], object]]]:
    from statestore import queries, services
    from statestore.models import Entry
    from statestore.protocol import TaskScope
    from statestore.services import Operation, Writer

    entry = Entry.objects.filter(key="last_page").order_by("pk")[777]
    task = entry.task_instance
    scope = TaskScope(task.dag_id, task.run_id, task.task_id, task.map_index)
    me = Writer("bench")

    def put(key: str, attempt: int | None) -> object:
        writer = Writer("bench", attempt)
        return services.entry_set(scope=scope, key=key, value="7", decoded=7, writer=writer)

    yield "PUT", lambda: put("last_page", None)
    yield "PUT of progress by an attempt", lambda: put("progress", 9)
    yield "GET", lambda: queries.entry_get(scope=scope, key="last_page")
    yield "list of a task", lambda: queries.entry_page(scope=scope)
    yield "DELETE", lambda: services.entry_delete(scope=scope, key="last_page", writer=me)
    sets = [Operation("set", scope, f"part_{number}", value="7") for number in range(100)]
    yield "batch of 100", lambda: services.batch_apply(operations=sets, writer=me)
    new = [*sets, Operation("set", scope.at(4_242), "part", value="7")]
    yield (
        "batch with a new task instance",
        lambda: services.batch_apply(operations=new, writer=me),
    )
    yield "clear", lambda: services.entries_clear(scope=scope, writer=me)
    yield "attempt", lambda: services.attempt_start(scope=scope)
    yield "sweep", lambda: services.sweep_expired(seconds=3)
    yield "sweep of versions", services.sweep_versions


def _plans(act: Callable[[], object]) -> Iterator[str]:
    """What each statement reads, and by which index."""
    from django.db import connection, transaction

    found: list[str] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            found.append(_plan(sql, params))
        return execute(sql, params, many, context)

    with transaction.atomic(), connection.execute_wrapper(explain):
        act()
        transaction.set_rollback(True)
    with transaction.atomic():  # prepared, as without somebody who listens
        act()
        transaction.set_rollback(True)
    yield from dict.fromkeys(found)


def _generic_plans() -> Iterator[tuple[str, str]]:
    """The statements that are prepared, and how they are planned without their parameters."""
    from django.db import connection, transaction

    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(
            "SELECT name, statement, cardinality(parameter_types) FROM pg_prepared_statements"
        )
        for name, text, count in cursor.fetchall():
            values = f"({', '.join(['NULL'] * count)})" if count else ""
            yield " ".join(text.split())[:70], _plan(f'EXECUTE "{name}"{values}', None)


def _plan(sql: str, params: Any) -> str:
    from django.db import connection

    with connection.connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql, params)
        ((plans,),) = cursor.fetchall()
    read = (_read(node) for node in nodes(plans[0]["Plan"]))
    return ", ".join(dict.fromkeys(filter(None, read))) or "no table"


def _read(node: Any) -> str:
    index, table = node.get("Index Name"), node.get("Relation Name")
    kind = node["Node Type"]
    if kind == "ModifyTable":
        return f"{node['Operation'].lower()} {table}"
    if index or (table and "Scan" in kind):
        return f"{kind} of {index or table}"
    return ""


if __name__ == "__main__":
    main()
