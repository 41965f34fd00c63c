"""Migrations of tables that are large: forth and back, beside writes, and again after a crash."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from statestore.models import AuditEntry

ADDED = {"audit_of_assets", "audit_by_key", "audit_by_address"}


def migrate(*name: str) -> None:
    """To this migration; without a name to the newest."""
    call_command("migrate", "statestore", *name, verbosity=0)


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        table = AuditEntry._meta.db_table
        return set(connection.introspection.get_constraints(cursor, table))


def one(statement: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_the_audit_gets_its_indexes_also_where_that_was_cut_short() -> None:
    AuditEntry.objects.create(who="user vera", action="revealed", address="10.0.0.1")
    postgresql = connection.vendor == "postgresql"
    place = "SELECT pg_relation_filenode('statestore_auditentry')"
    try:
        migrate("0013_asset_activity")
        assert not ADDED & indexes()
        before = one(place) if postgresql else None
        migrate("0014_audit_search")
        assert (one(place) if postgresql else None) == before, "no row is written again"
        with connection.cursor() as cursor:
            cursor.execute("CREATE INDEX audit_by_key ON statestore_auditentry (id)")
    finally:
        migrate()
    assert indexes() >= ADDED
    assert AuditEntry.objects.get(address="10.0.0.1").who == "user vera"
    if postgresql:
        assert "(key" in str(one("SELECT pg_get_indexdef('audit_by_key'::regclass)"))


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_the_audit_is_written_to_while_its_indexes_are_built() -> None:
    statements: list[str] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    migrate("0014_audit_search")
    try:
        with connection.execute_wrapper(watch):
            migrate("0015_audit_indexes")
    finally:
        migrate()
    built = [sql for sql in statements if sql.startswith("CREATE INDEX")]
    assert len(built) == len(ADDED)
    assert all(sql.startswith("CREATE INDEX CONCURRENTLY") for sql in built)
