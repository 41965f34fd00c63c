"""A long statement in PostgreSQL, which goes on and commits whatever becomes of the client that sent it.

The statement runs in one transaction with a row of its token in a table of the same database: both are
committed or neither is, and of one token there is one row. So it takes effect once, however often it is
sent. Whoever finds a token neither running nor committed writes its row as aborted, before saying so: a
request that is still on its way then cannot begin any more.
"""

import re
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Unpack

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import ExecStatus
from psycopg.rows import DictRow, dict_row

from statestore.jobs.polling import JobStatus, Options, PollingJob
from statestore.sdk.deciding import Context
from statestore.sdk.errors import JobSystemUnreachableError, StatestoreError

RUNNING: Final = "running"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
ABORTED: Final = "aborted"  # its backend ended without committing, or never began

CREATE_TABLE: Final = """
CREATE TABLE IF NOT EXISTS {table} (
    token text PRIMARY KEY,
    state text NOT NULL,
    rows bigint,
    message text,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
)"""

# The row comes first: a second statement of the same token waits there for the end of the first, and
# fails if that has committed. An error undoes the statement, and is committed with the row.
RUN: Final = """
DECLARE
    affected bigint;
    problem text;
BEGIN
    INSERT INTO {table} (token, state) VALUES ({token}, 'running');
    BEGIN
        EXECUTE {statement};
        GET DIAGNOSTICS affected = ROW_COUNT;
        SET CONSTRAINTS ALL IMMEDIATE;
    EXCEPTION WHEN query_canceled OR assert_failure OR OTHERS THEN
        problem := SQLERRM;
    END;
    UPDATE {table} SET
        state = CASE WHEN problem IS NULL THEN 'succeeded' ELSE 'failed' END,
        rows = affected, message = problem, ended_at = clock_timestamp()
    WHERE token = {token};
END"""

# A statement that nobody waits for must not be ended because nobody listens to its notices.
UNATTENDED: Final = """
SELECT set_config(name, value, false)
FROM (VALUES ('client_min_messages', 'error'), ('client_connection_check_interval', '0')) AS own (name, value)
WHERE current_setting(name, true) IS NOT NULL"""

FIND_RUNNING: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = %s AND datname = current_database() AND usename = current_user
    AND state = 'active'"""

CANCEL: Final = """
SELECT pg_cancel_backend(pid) FROM pg_stat_activity
WHERE application_name = %s AND datname = current_database() AND usename = current_user
    AND state = 'active'"""

# Waits for a transaction that has the row, and is not to be seen in pg_stat_activity any more.
ABORT: Final = """
INSERT INTO {table} (token, state, ended_at) VALUES (%s, 'aborted', clock_timestamp())
ON CONFLICT (token) DO NOTHING"""

SELECT_ROW: Final = "SELECT * FROM {table} WHERE token = %s"

_CONNECT_SECONDS: Final = 10
_BEGIN_SECONDS: Final = 30.0
_LOCK_TIMEOUT: Final = "SET lock_timeout = '2s'"
_BUSY: Final = re.compile(
    r"starting up|shutting down|in recovery|not yet accepting|too many|connection slots"
)

Connection = psycopg.Connection[DictRow]


@dataclass(frozen=True, slots=True)
class StatementResult:
    """What a committed statement has done."""

    rows: int
    """How many rows it touched."""
    seconds: float
    """How long it took."""


class PostgresJob(PollingJob):
    """Runs a statement: `INSERT … SELECT`, `REFRESH MATERIALIZED VIEW`, `SELECT function()` and the like.

    Not one that has a transaction of its own (`VACUUM`, `CREATE INDEX CONCURRENTLY`, a procedure that
    commits), and not `COPY` from or to the client.

    Args:
        conninfo: of the database, as libpq takes it. Not through a pooler: it ends a statement whose
            client is gone.
        statement: one statement, or several with `;` between them, with psycopg's placeholders where
            there are parameters.
        parameters: for the placeholders.
        table: the table of the tokens, `name` or `schema.name`; created where it is not there. Its rows
            may be deleted once no attempt at their tasks will be made any more.
        options: those of every `PollingJob`.
    """

    active = frozenset({RUNNING})
    succeeded = frozenset({SUCCEEDED})
    submit_seconds = 0.0  # a token commits once
    poll_interval = 2.0

    def __init__(
        self,
        conninfo: str,
        statement: str,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        table: str = "statestore_job",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.conninfo, self.statement, self.parameters = conninfo, statement, parameters
        self.table = table

    def submit_job(self, context: Context) -> str:
        """Send the statement, and leave it alone once it runs; the token is its id."""
        token = str(context["submission"].token)
        with self._connect() as watching:
            self._create_table(watching)
            with self._connect(token) as connection:
                connection.execute(UNATTENDED)
                self._begin(connection, token)
                end = time.monotonic() + _BEGIN_SECONDS
                while not (_has_ended(connection) or _runs(watching, token)):
                    if time.monotonic() > end:
                        raise JobSystemUnreachableError("A statement was sent, and does not begin.")
        return token

    def find_job(self, token: str, context: Context) -> str | None:
        """The token, where its statement runs, or has left a row."""
        with self._connect() as connection:
            # In this order: it may end between the two.
            if _runs(connection, token) or self._row(connection, token):
                return token
        return None

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """`running`, `succeeded`, `failed` (the message says why) or `aborted`."""
        with self._connect() as connection:
            if _runs(connection, external_id):
                return JobStatus(RUNNING)
            row = self._row(connection, external_id) or self._abort(connection, external_id)
        return JobStatus(row["state"], message=row["message"]) if row else JobStatus(RUNNING)

    def get_job_result(self, external_id: str, context: Context) -> StatementResult | None:
        """What its row tells; None where somebody has deleted it."""
        with self._connect() as connection:
            row = self._row(connection, external_id)
        if row is None:
            return None
        return StatementResult(row["rows"], (row["ended_at"] - row["began_at"]).total_seconds())

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Cancel the statement, where it still runs."""
        with self._connect() as connection:
            connection.execute(CANCEL, [external_id])

    def _begin(self, connection: Connection, token: str) -> None:
        statement = self.statement
        if self.parameters is not None:
            statement = psycopg.ClientCursor(connection).mogrify(statement, self.parameters)
        body = self._sql(RUN, token=sql.Literal(token), statement=sql.Literal(statement))
        run = sql.SQL("DO {}").format(sql.Literal(body.as_string(connection)))
        connection.pgconn.send_query(run.as_bytes(connection))
        while connection.pgconn.flush():
            select.select([], [connection.fileno()], [])

    def _row(self, connection: Connection, token: str) -> DictRow | None:
        try:
            return connection.execute(self._sql(SELECT_ROW), [token]).fetchone()
        except errors.UndefinedTable:
            return None

    def _abort(self, connection: Connection, token: str) -> DictRow | None:
        """Write that the token's statement will not be committed; None where it may yet be."""
        self._create_table(connection)
        connection.execute(_LOCK_TIMEOUT)
        try:
            connection.execute(self._sql(ABORT), [token])
        except errors.LockNotAvailable:
            return None
        return self._row(connection, token)

    def _create_table(self, connection: Connection) -> None:
        """Create the table of the tokens, where it is not there: who may not create may still use it."""
        name = self._sql("{table}").as_string(connection)
        there = connection.execute("SELECT to_regclass(%s) AS name", [name]).fetchone()
        if there is None or there["name"] is None:
            # Another attempt may create it at the same time.
            with suppress(errors.UniqueViolation, errors.DuplicateTable):
                connection.execute(self._sql(CREATE_TABLE))

    def _sql(self, text: str, **parts: sql.Composable) -> sql.Composed:
        return sql.SQL(text).format(table=sql.Identifier(*self.table.split(".")), **parts)

    @contextmanager
    def _connect(self, name: str = "statestore") -> Iterator[Connection]:
        """A connection; it is just dropped at the end, whatever its statement does."""
        options: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS}
        options |= conninfo_to_dict(self.conninfo) | {"application_name": name}
        try:
            connection = psycopg.connect(
                make_conninfo(**options), autocommit=True, row_factory=dict_row
            )
        except psycopg.OperationalError as error:
            if "FATAL" in str(error) and not _BUSY.search(str(error)):
                raise StatestoreError(f"PostgreSQL refuses the connection: {error}") from None
            raise JobSystemUnreachableError(f"PostgreSQL: {error}") from None
        try:
            yield connection
        except psycopg.OperationalError as error:
            raise JobSystemUnreachableError(f"PostgreSQL: {error}") from error
        except psycopg.Error as error:
            raise StatestoreError(f"PostgreSQL: {error}") from error
        finally:
            connection.close()


def _runs(connection: Connection, token: str) -> bool:
    row = connection.execute(FIND_RUNNING, [token]).fetchone()
    return bool(row and row["count"])


def _has_ended(connection: Connection) -> bool:
    """Whether the statement that was sent has ended; raises what kept it from beginning."""
    pgconn = connection.pgconn
    if select.select([connection.fileno()], [], [], 0.01)[0]:
        pgconn.consume_input()
    if pgconn.is_busy():
        return False
    result = pgconn.get_result()
    if result and result.status == ExecStatus.FATAL_ERROR:
        error = errors.error_from_result(result)
        if not isinstance(error, errors.UniqueViolation):  # else its row is there already
            raise error
    return True
