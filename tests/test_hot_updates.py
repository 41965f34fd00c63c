"""On PostgreSQL, overwriting a key every second stays a HOT update: no index is written."""

import json
from datetime import timedelta

import pytest
from django.db import connection

from statestore.protocol import TaskScope
from tests.storage import put

WRITES = 200


def updates_of(table: str) -> tuple[int, int]:
    """How many rows of the table were updated, and how many of them HOT."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s", [table]
        )
        updated, hot = cursor.fetchone()
    return updated, hot


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_a_progress_that_is_written_often_updates_no_index(scope: TaskScope) -> None:
    put(scope, "progress", "{}")
    before = updates_of("statestore_entry")

    for current in range(WRITES):
        text = json.dumps({"current": current, "total": WRITES, "status": "running"})
        put(scope, "progress", text, expiry=timedelta(hours=50))

    updated, hot = (
        now - then for now, then in zip(updates_of("statestore_entry"), before, strict=True)
    )
    assert updated == WRITES
    assert hot >= 0.9 * WRITES  # a page may be full while a snapshot elsewhere keeps old rows


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_it_updates_its_task_instance_rarely(scope: TaskScope) -> None:
    put(scope, "progress", "{}")
    before, _ = updates_of("statestore_taskinstance")

    for current in range(WRITES):
        put(scope, "progress", json.dumps({"current": current}))

    after, _ = updates_of("statestore_taskinstance")
    assert after - before <= 1
