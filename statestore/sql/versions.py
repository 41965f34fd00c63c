"""Versions of entries: kept by the statement that writes an entry, forgotten by the one that deletes it.

On PostgreSQL both happen in one statement, without a trigger. SQLite has no such statements, and a
second one would keep its only writer's lock for longer (measured: a fifth fewer writes a second); there
triggers do it, which `migrate` puts in place each time, because a table that is made anew loses its own.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from django.db import connection

from statestore.protocol import PROGRESS_KEY
from statestore.sql.statement import Statement

_KEEP: Final = """
INSERT INTO {entry}version AS v (entry_id, slot, version, value, at, writer, attempt)
{source}
ON CONFLICT (entry_id, slot) DO UPDATE SET
    version = excluded.version, value = excluded.value, at = excluded.at,
    writer = excluded.writer, attempt = excluded.attempt
"""

# There are 20 slots. {rows} are the entries that were written or deleted.
KEEP: Final = _KEEP.replace(
    "{source}",
    "SELECT id, changes %% 20, version, value, updated_at, writer, attempt FROM {rows}",
)
FORGET: Final = "DELETE FROM {entry}version WHERE entry_id IN (SELECT id FROM {rows})"

_TOGETHER: Final = "WITH w AS ({write}), versions AS ({versions}) SELECT {returned} FROM w"


class WithVersions:
    """A statement over entries, with what it means for their versions; it returns `returned`."""

    def __init__(
        self,
        write: str,
        versions: str,
        columns: Mapping[str, str] | None = None,
        *,
        entry: str,
        returned: str,
    ) -> None:
        together = _TOGETHER.format(
            write=write.replace("{kept}", ", id, changes, value, updated_at, writer, attempt"),
            versions=versions.format(entry=entry, rows="w"),
            returned=returned,
        )
        self._together = Statement(together, columns)
        self._alone = Statement(write.replace("{kept}", ""), columns)

    def rows(self, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run it and fetch what it returns."""
        together = connection.vendor == "postgresql"
        return (self._together if together else self._alone).rows(**parameters)


_NEW: Final = (
    "VALUES (NEW.id, NEW.changes % 20, NEW.version, NEW.value, NEW.updated_at,"
    " NEW.writer, NEW.attempt)"
)
_TRIGGERS: Final = {
    "{entry}_create": "AFTER INSERT ON {entry} WHEN {versioned} BEGIN {keep}; END",
    "{entry}_write": (
        "AFTER UPDATE OF version ON {entry} WHEN NEW.version <> OLD.version AND {versioned}"
        " BEGIN {keep}; END"
    ),
    "{entry}_delete": (
        "AFTER DELETE ON {entry} BEGIN DELETE FROM {entry}version WHERE entry_id = OLD.id; END"
    ),
}
_VERSIONED: Final = {
    "statestore_entry": f"NEW.key <> '{PROGRESS_KEY}'",
    "statestore_assetentry": "true",
}


def install_triggers(**_: Any) -> None:
    """Make SQLite keep and forget versions, once the tables are there; other databases need nothing."""
    if connection.vendor != "sqlite":
        return
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for entry, versioned in _VERSIONED.items():
            if f"{entry}version" not in tables:
                continue
            keep = _KEEP.replace(" AS v", "").format(entry=entry, source=_NEW)
            for name, text in _TRIGGERS.items():
                body = text.format(entry=entry, versioned=versioned, keep=keep)
                cursor.execute(f"CREATE TRIGGER IF NOT EXISTS {name.format(entry=entry)} {body}")


class OfGone(NamedTuple):
    """What a write left behind that met the deletion of its entry: seldom anything, so that who looks
    for it goes through all versions, some entries at a time."""

    last: Statement
    """The last of the next entries that have versions; null: there are no more."""
    forget: Statement
    """Delete those of them whose entry is gone."""

    @classmethod
    def by(cls, entry: str) -> "OfGone":
        """The statements over one table of entries; planned for the range that each is given."""
        texts = (text.format(entry=entry) for text in (_LAST, _FORGET_GONE))
        return cls(*(Statement(text, planned_each_time=True) for text in texts))


_LAST: Final = """
SELECT max(entry_id) FROM (
    SELECT entry_id FROM {entry}version WHERE entry_id > %(after)s
    ORDER BY entry_id LIMIT %(limit)s) AS following
"""
_FORGET_GONE: Final = """
DELETE FROM {entry}version WHERE entry_id > %(after)s AND entry_id <= %(last)s
    AND NOT EXISTS (
        SELECT 1 FROM {entry} e WHERE e.id = entry_id AND e.id > %(after)s AND e.id <= %(last)s)
"""
of_gone: Final = tuple(map(OfGone.by, _VERSIONED))
