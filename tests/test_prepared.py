"""Statements at the level of libpq: what goes in comes out, and a connection is Django's as before."""

import gc
import threading
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.db.utils import InterfaceError, ProgrammingError
from django.test.utils import CaptureQueriesContext

from statestore.models import TaskInstance
from statestore.sql.arrays import array
from statestore.sql.prepared import Prepared
from statestore.sql.statement import Statement

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

echo = Statement("SELECT %(text)s::text, %(number)s::bigint, %(time)s::timestamptz, 100 %% 7 = 2")
TIME = datetime(2026, 11, 20, 3, 12, 44, 120001, tzinfo=UTC)
broken = Statement("SELECT 1 / %(number)s::integer")


def the_echo(text: str = "x") -> object:
    return echo.rows(text=text, number=7, time=TIME)[0][0]


@pytest.mark.parametrize("text", ["", "plain", 'a "b" \\ \n', "grüße 🎉 \u202e", "x" * 100_000])
def test_values_come_back_as_they_went(text: str) -> None:
    assert echo.rows(text=text, number=-(2**62), time=TIME) == [(text, -(2**62), TIME, True)]
    assert echo.rows(text=None, number=None, time=None) == [(None, None, None, True)]


def test_what_a_database_writes_otherwise_comes_back_all_the_same() -> None:
    """Its own settings say how it writes times and bytes, where a connection does not."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    look = Statement("SELECT %(bytes)s::bytea, %(time)s::timestamptz")
    values = b"\x00\\x\xff", TIME
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} SET datestyle = 'German'")
            cursor.execute(f"ALTER DATABASE {name} SET bytea_output = 'escape'")
        connection.close()
        assert look.rows(bytes=values[0], time=values[1]) == [values]
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::bytea, %s::timestamptz", values)
            assert cursor.fetchall() == [values]
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} RESET ALL")
        connection.close()


def test_text_that_would_be_cut_is_refused() -> None:
    with pytest.raises(DataError, match="NUL"):
        the_echo("a\0b")


def test_a_parameter_that_is_left_out_is_no_null() -> None:
    with pytest.raises(KeyError, match="time"):
        echo.rows(text="x", number=7)


def test_a_type_that_no_statement_knows_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        the_echo({"x"})  # type: ignore[arg-type]


def test_what_a_migration_has_outdated_is_prepared_anew_after_one_error() -> None:
    look = Statement("SELECT note FROM prepared_example")
    connection.ensure_connection()
    with psycopg.connect(connection.connection.info.dsn, autocommit=True) as other:
        other.execute("CREATE TABLE prepared_example (note varchar(10))")
        try:
            look.rows()
            other.execute("ALTER TABLE prepared_example ALTER note TYPE varchar(20)")
            with pytest.raises(OperationalError):
                look.rows()
            connection.close_if_unusable_or_obsolete()
            assert look.rows() == []
        finally:
            other.execute("DROP TABLE prepared_example")


def test_every_statement_can_be_prepared() -> None:
    """Also those that no test happens to run: PostgreSQL knows the type of each parameter."""
    statements = [one for one in gc.get_objects() if type(one) is Prepared]
    never_run = [b"statestore_assetentry", b"sampled_at"]  # assets have no progress
    used = [
        one
        for one in statements
        if b"statestore_" in one._text and not all(word in one._text for word in never_run)
    ]
    assert len(used) > 40
    connection.ensure_connection()
    for one in used:
        one._prepare(connection.connection)


def test_errors_are_those_of_django() -> None:
    with pytest.raises(DataError, match="division by zero") as found:
        broken.rows(number=0)
    assert isinstance(found.value.__cause__, psycopg.errors.DivisionByZero)
    with pytest.raises(ProgrammingError):
        Statement("SELECT * FROM nowhere").rows()
    assert the_echo() == "x"


def test_a_transaction_is_begun_and_rolled_back() -> None:
    insert = Statement("""
        INSERT INTO statestore_taskinstance (scope_digest, dag_id, run_id, task_id, map_index)
        VALUES (%(digest)s, 'a', 'b', 'c', -1)
    """)
    with transaction.atomic():
        assert insert.count(digest=b"1") == 1
        transaction.set_rollback(True)
    assert not TaskInstance.objects.exists()
    with transaction.atomic():
        insert.count(digest=b"1")
        with pytest.raises(DataError), transaction.atomic():  # a savepoint
            broken.rows(number=0)
        assert the_echo() == "x"
    assert TaskInstance.objects.count() == 1


def test_a_broken_transaction_runs_no_statement() -> None:
    with transaction.atomic():
        with pytest.raises(DataError), transaction.atomic(savepoint=False):
            broken.rows(number=0)
        with pytest.raises(transaction.TransactionManagementError):
            the_echo()


def test_what_was_prepared_outlives_a_rollback() -> None:
    the_echo()
    for _ in range(3):
        with transaction.atomic():
            list(TaskInstance.objects.all())
            transaction.set_rollback(True)
        assert the_echo() == "x"


def test_a_lost_connection_is_an_error_once() -> None:
    the_echo()
    with psycopg.connect(connection.connection.info.dsn, autocommit=True) as other:
        pid = connection.connection.info.backend_pid
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
    with pytest.raises((OperationalError, InterfaceError)):
        the_echo()
    connection.close_if_unusable_or_obsolete()
    assert the_echo() == "x"


def test_other_threads_go_on_while_one_waits() -> None:
    """libpq waits without Python's lock."""
    ticks: list[int] = []

    def tick() -> None:
        while not done.wait(0.01):
            ticks.append(1)

    done = threading.Event()
    thread = threading.Thread(target=tick)
    thread.start()
    Statement("SELECT 1 FROM pg_sleep(%(seconds)s::double precision)").rows(seconds=0.3)
    done.set()
    thread.join()
    assert len(ticks) > 5


def test_whoever_looks_on_sees_the_statements() -> None:
    with CaptureQueriesContext(connection) as seen:
        the_echo()
    assert len(seen) == 1


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["", "a", 'a "b" \\ \n', "{}", "NULL", "a,b"],
        ["x", None, "y"],
        [None, None],
        [3, -(2**62)],
        [1.5, 2, None],
        [TIME, None],
        [TIME, TIME],
        [b"", b'\x00\\"a\xff'],
    ],
)
def test_arrays_come_back_as_they_went(values: list[object]) -> None:
    kinds = {str: "text", int: "numeric", float: "float8", datetime: "timestamptz", bytes: "bytea"}
    kind = next((kinds[type(one)] for one in values if one is not None), "text")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT unnest(%s::{kind}[])", [array(values)])
        assert [one for (one,) in cursor.fetchall()] == values


def test_arrays_refuse_what_would_be_cut_or_is_unknown() -> None:
    for texts in (["a\0b"], ["a", "\0", "b"], ["a\0b", None]):
        with pytest.raises(DataError, match="NUL"):
            array(texts)
    with pytest.raises(TypeError, match="set"):
        array([{"x"}])
