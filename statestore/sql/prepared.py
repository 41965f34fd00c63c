"""Statements on PostgreSQL at the level of libpq: prepared once for each connection, all values as text.

psycopg's cursors adapt parameters and step through answers in Python. Of a PUT that was a fifth of its time
in the process, so the statements of `statestore.sql` go without (docs/performance.md). Connections and
transactions are Django's and psycopg's all the same.
"""

import itertools
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

_PARAMETER: Final = re.compile(r"%\(([\w.]+)\)s")
_SUCCEEDED: Final = {pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK}
_IDLE: Final = pq.TransactionStatus.IDLE
# What was prepared fits no longer: a migration has changed a table, or somebody has dropped it.
_OUTDATED: Final = (
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.DuplicatePreparedStatement,
    psycopg.errors.InvalidSqlStatementName,
)
_numbers = itertools.count()  # of the statements

# The statements that each connection has prepared.
_prepared: WeakKeyDictionary[Any, set[bytes]] = WeakKeyDictionary()


def _text(value: str) -> bytes:
    encoded = value.encode()
    if b"\0" in encoded:  # where libpq would end the text
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return encoded


class _Dump(dict[type, Callable[[Any], bytes]]):
    def __missing__(self, kind: type) -> Callable[[Any], bytes]:
        raise TypeError(f"no statement takes a {kind.__name__}")


_DUMP: Final = _Dump(
    {
        str: _text,
        int: lambda value: b"%d" % value,
        bool: lambda value: b"t" if value else b"f",
        float: lambda value: repr(value).encode(),
        bytes: lambda value: b"\\x" + value.hex().encode(),
        datetime: lambda value: value.isoformat().encode(),
    }
)


# By the number that PostgreSQL has for a type: those that the statements return.
_LOAD: Final[dict[int, Callable[[bytes], Any]]] = {
    16: lambda text: text == b"t",
    17: lambda text: bytes.fromhex(text[2:].decode()),
    20: int,
    21: int,
    23: int,
    25: bytes.decode,
    701: float,
    1043: bytes.decode,
    1184: lambda text: datetime.fromisoformat(text.decode()),
}


class Prepared:
    """One statement with parameters like `%(name)s`."""

    def __init__(self, text: str) -> None:
        self._name = b"statestore_%d" % next(_numbers)
        self._parameters = list(dict.fromkeys(_PARAMETER.findall(text)))
        places = {name: f"${place}" for place, name in enumerate(self._parameters, 1)}
        numbered = _PARAMETER.sub(lambda found: places[found[1]], text)
        self._text = numbered.replace("%%", "%").encode()
        self._loads: list[Callable[[bytes], Any]] | None = None

    def rows(
        self, database: BaseDatabaseWrapper, parameters: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """Run it; what it returns."""
        result = self._run(database, parameters)
        loads = self._loads
        if loads is None:
            types = map(result.ftype, range(result.nfields))
            self._loads = loads = [_LOAD[number] for number in types]
        value, columns = result.get_value, list(enumerate(loads))
        return [
            tuple(
                None if (found := value(row, column)) is None else load(found)
                for column, load in columns
            )
            for row in range(result.ntuples)
        ]

    def count(self, database: BaseDatabaseWrapper, parameters: Mapping[str, Any]) -> int:
        """Run it; how many rows it changed."""
        return self._run(database, parameters).command_tuples or 0

    def _run(self, database: BaseDatabaseWrapper, parameters: Mapping[str, Any]) -> PGresult:
        database.ensure_connection()
        database.validate_no_broken_transaction()
        with database.wrap_database_errors:
            connection: psycopg.Connection = database.connection
            libpq = connection.pgconn
            values = [
                None if (value := parameters[name]) is None else _DUMP[type(value)](value)
                for name in self._parameters
            ]
            if not connection.autocommit and libpq.transaction_status == _IDLE:
                _require(libpq, libpq.exec_(b"BEGIN"))
            self._prepare(connection)
            done = libpq.exec_prepared(self._name, values)  # type: ignore[arg-type]  # None is null
            return _require(libpq, done)

    def _prepare(self, connection: psycopg.Connection) -> None:
        known = _prepared.get(connection)
        if known is None:
            known = _prepared[connection] = set()
        if self._name not in known:
            _require(connection.pgconn, connection.pgconn.prepare(self._name, self._text))
            known.add(self._name)


def _require(libpq: PGconn, result: PGresult) -> PGresult:
    """The result of what succeeded.

    Raises:
        psycopg.OperationalError: the connection is lost.
        psycopg.Error: PostgreSQL's refusal.
    """
    if result.status in _SUCCEEDED:
        return result
    error = psycopg.errors.error_from_result(result)
    if isinstance(error, _OUTDATED):
        libpq.finish()  # the next request connects anew, and prepares anew
    if libpq.status == pq.ConnStatus.BAD and not isinstance(error, psycopg.OperationalError):
        raise psycopg.OperationalError(str(error))
    raise error
