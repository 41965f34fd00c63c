"""Entries: the same statements over the keys of task instances and over those of assets."""

from typing import Any, Final

from statestore.protocol import AssetScope, Scope, TaskScope
from statestore.sql.statement import Statement

# In the templates below {entry} is the table of entries, {owner} that of what they belong to, and
# {owner_id} the column that says so. {writer} finds the owner of a write.

# A client may number its writes. One that overwrites, and arrives again or after a later one of the
# same client (it was given up and sent again, and waited somewhere), changes nothing: in_order_of is
# that client. A write with a precondition, and one that adds, depend on what is there, not on the
# order: in_order_of is null.

# Create or overwrite an entry; what the caller should know of the owner comes back with the version.
_SET: Final = """
INSERT INTO {entry} AS e
    ({owner_id}, key, value, version, created_at, updated_at,
    expires_at, expires_hour, writer, writer_task, attempt, session, sequence)
SELECT id, %(key)s, %(value)s, 1, %(now)s{{at}}, %(now)s{{at}},
    %(expires_at)s{{at}}, %(expires_hour)s{{int}}, %(writer)s, %(writer_task)s, %(by_attempt)s{{int}},
    %(session)s{{text}}, %(sequence)s{{int}}
FROM ({writer}) AS t WHERE true
ON CONFLICT ({owner_id}, key) DO UPDATE SET
    value = excluded.value, version = e.version + 1, updated_at = excluded.updated_at,
    expires_at = excluded.expires_at, expires_hour = excluded.expires_hour,
    writer = excluded.writer, writer_task = excluded.writer_task, attempt = excluded.attempt,
    session = excluded.session,
    sequence = CASE WHEN e.session = excluded.session AND e.sequence > excluded.sequence
        THEN e.sequence ELSE excluded.sequence END,
    created_at = CASE WHEN e.expires_at <= excluded.updated_at
        THEN excluded.created_at ELSE e.created_at END
WHERE (%(in_order_of)s{{text}} IS NULL OR e.session IS NULL
    OR e.session <> %(in_order_of)s{{text}} OR e.sequence < excluded.sequence) {condition}
RETURNING version, {owner_id}, {summary}
"""
_ONLY_IF_EXPIRED: Final = "AND e.expires_at <= excluded.updated_at"

# Change an entry that exists, in the version that the caller expects (null: in any).
_REPLACE: Final = """
UPDATE {entry} SET
    value = %(value)s, version = version + 1, updated_at = %(now)s{{at}}, {expiry}
    writer = %(writer)s, writer_task = %(writer_task)s, attempt = %(by_attempt)s{{int}},
    session = %(session)s{{text}},
    sequence = CASE WHEN session = %(session)s{{text}} AND sequence > %(sequence)s{{int}}
        THEN sequence ELSE %(sequence)s{{int}} END
WHERE {owner_id} = ({writer}) AND key = %(key)s
    AND (%(in_order_of)s{{text}} IS NULL OR session IS NULL
        OR session <> %(in_order_of)s{{text}} OR sequence < %(sequence)s{{int}})
    AND (expires_at IS NULL OR expires_at > %(now)s{{at}})
    AND (%(version)s{{int}} IS NULL OR version = %(version)s{{int}})
RETURNING version, {owner_id}, {summary}
"""
_WITH_EXPIRY: Final = "expires_at = %(expires_at)s{at}, expires_hour = %(expires_hour)s{int},"

_DELETE: Final = """
DELETE FROM {entry}
WHERE {owner_id} = ({writer}) AND key = %(key)s
    AND (%(in_order_of)s{{text}} IS NULL OR session IS NULL
        OR session <> %(in_order_of)s{{text}} OR sequence < %(sequence)s{{int}})
    AND (%(version)s{{int}} IS NULL OR (version = %(version)s{{int}}
        AND (expires_at IS NULL OR expires_at > %(now)s{{at}})))
RETURNING {owner_id}
"""

_CLEAR: Final = """
DELETE FROM {entry} WHERE {owner_id} = (SELECT id FROM {owner} WHERE {identity})
RETURNING {owner_id}, key
"""

_COLUMNS: Final = """
e.key, e.value, e.version, e.created_at, e.updated_at, e.expires_at, e.writer, e.writer_task, e.attempt
"""

# One entry that has not expired.
_GET: Final = """
SELECT {columns} FROM {entry} e JOIN {owner} t ON t.id = e.{owner_id}
WHERE t.{identity} AND e.key = %(key)s AND (e.expires_at IS NULL OR e.expires_at > %(now)s{{at}})
"""

# The newest attempt of an owner, which nobody else holds or changes until the transaction ends.
_HOLD_OWNER: Final = "SELECT {attempt} FROM {owner} t WHERE t.{identity} {{hold}}"

# The entry, and nobody else changes it until the transaction ends.
_HOLD: Final = """
SELECT e.value FROM {entry} e
WHERE e.{owner_id} = (SELECT id FROM {owner} WHERE {identity}) AND e.key = %(key)s
    AND (e.expires_at IS NULL OR e.expires_at > %(now)s{{at}})
{{hold}}
"""

# A page of the entries that have not expired, by key.
_PAGE: Final = """
SELECT {columns} FROM {entry} e JOIN {owner} t ON t.id = e.{owner_id}
WHERE t.{identity} AND (e.expires_at IS NULL OR e.expires_at > %(now)s{{at}})
ORDER BY e.key LIMIT %(limit)s OFFSET %(offset)s
"""

_COUNT: Final = """
SELECT count(*) FROM {entry} e JOIN {owner} t ON t.id = e.{owner_id}
WHERE t.{identity} AND (e.expires_at IS NULL OR e.expires_at > %(now)s{{at}})
"""

# What a refused write is told: the newest attempt, and the entry's version (null: there is none).
_OBSTACLE: Final = """
SELECT {attempt}, e.version
FROM {owner} t LEFT JOIN {entry} e ON e.{owner_id} = t.id AND e.key = %(key)s
    AND (e.expires_at IS NULL OR e.expires_at > %(now)s{{at}})
WHERE t.{identity}
"""


_WRITER: Final = "SELECT id FROM {owner} WHERE {identity}"


class Fenced:
    """A write in two forms: of an attempt that must be the newest, and of one that does not say."""

    def __init__(self, template: str, fragments: dict[str, str], **more: str) -> None:
        everyone = _WRITER.format(**fragments)
        newest = everyone + fragments["newest"]
        self._unfenced = Statement(template.format(writer=everyone, **fragments, **more))
        self._fenced = Statement(template.format(writer=newest, **fragments, **more))

    def rows(self, *, attempt: int | None, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run it; no row where the precondition does not hold, or the attempt is not the newest."""
        if attempt is None:
            return self._unfenced.rows(**parameters)
        return self._fenced.rows(attempt=attempt, **parameters)


class EntryStatements:
    """Every statement over one table of entries. `identity` is the parameter that names their owner."""

    def __init__(self, **fragments: str) -> None:
        def statement(template: str) -> Statement:
            return Statement(template.format(columns=_COLUMNS, **fragments))

        self.set = Fenced(_SET, fragments, condition="")
        self.create = Fenced(_SET, fragments, condition=_ONLY_IF_EXPIRED)
        self.replace = Fenced(_REPLACE, fragments, expiry=_WITH_EXPIRY)
        self.replace_value = Fenced(_REPLACE, fragments, expiry="")
        self.delete = Fenced(_DELETE, fragments)
        self.clear = statement(_CLEAR)
        self.get = statement(_GET)
        self.hold = statement(_HOLD)
        self.hold_owner = statement(_HOLD_OWNER)
        self.page = statement(_PAGE)
        self.count = statement(_COUNT)
        self.obstacle = statement(_OBSTACLE)


_of_tasks: Final = EntryStatements(
    entry="statestore_entry",
    owner="statestore_taskinstance",
    owner_id="task_instance_id",
    identity="scope_digest = %(owner)s",
    newest=" AND attempt <= %(attempt)s {share}",
    attempt="t.attempt",
    summary="""
    (SELECT active_at FROM statestore_taskinstance t WHERE t.id = task_instance_id),
    (SELECT status FROM statestore_taskinstance t WHERE t.id = task_instance_id)""",
)
_of_assets: Final = EntryStatements(
    entry="statestore_assetentry",
    owner="statestore_asset",
    owner_id="asset_id",
    identity="id = %(owner)s",
    newest=" AND 0 <= %(attempt)s",  # an asset has no attempts
    attempt="0",
    summary="NULL, NULL",
)


def entries_of(scope: Scope) -> EntryStatements:
    """The statements over the entries of a scope's kind."""
    return _of_tasks if isinstance(scope, TaskScope) else _of_assets


def owner_of(scope: Scope) -> Any:
    """The parameter `owner` that names a scope in them."""
    match scope:
        case TaskScope():
            return scope.digest
        case AssetScope():
            return scope.asset_id


# Clear every map index of a task.
clear_all_map_indices: Final = Statement("""
DELETE FROM statestore_entry WHERE task_instance_id IN (
    SELECT id FROM statestore_taskinstance
    WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s AND task_id = %(task_id)s)
RETURNING task_instance_id, key
""")
