"""Entries: the same statements over the keys of task instances and over those of assets."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from statestore.protocol import PROGRESS_KEY, AssetScope, Scope, TaskScope
from statestore.sql.statement import Statement
from statestore.sql.versions import FORGET, KEEP, WithVersions

# In the templates below {entry} is the table of entries, {owner} that of what they belong to, and
# {owner_id} the column that says so. {writer} finds the owner of a write.

# A client may number its overwrites (session and sequence): one that is sent again, or arrives after a
# later one, changes nothing, unless another client has overwritten the entry since. Other writes depend
# on what is there, not on the order: they have no number, and leave the entry's.

# Create or overwrite what a query selects.
_SET: Final = """
INSERT INTO {entry} AS e
    ({owner_id}, key, value, version, created_at, updated_at,
    expires_at, expires_hour, writer, writer_task, attempt, session, sequence, {column})
{selected}
ON CONFLICT ({owner_id}, key) DO UPDATE SET
    value = excluded.value, version = e.version + 1, updated_at = excluded.updated_at,
    expires_at = excluded.expires_at, expires_hour = excluded.expires_hour,
    writer = excluded.writer, writer_task = excluded.writer_task, attempt = excluded.attempt,
    session = COALESCE(excluded.session, e.session),
    sequence = COALESCE(excluded.sequence, e.sequence),
    created_at = CASE WHEN e.expires_at <= excluded.updated_at
        THEN excluded.created_at ELSE e.created_at END,
    {column} = {next}
WHERE (excluded.session IS NULL OR e.session IS NULL
    OR e.session <> excluded.session OR e.sequence < excluded.sequence) {condition}
RETURNING version, {owner_id}, {due} AS due{more} {kept}
"""
_ONE: Final = """
SELECT id, %(key)s, %(value)s, 1, %(now)s{{at}}, %(now)s{{at}},
    %(expires_at)s{{at}}, %(expires_hour)s{{int}}, %(writer)s, %(writer_task)s, %(by_attempt)s{{int}},
    %(session)s{{text}}, %(sequence)s{{int}}, {first}
FROM ({writer}) AS t WHERE true
"""
# Keys of owners that are held already, and known.
_MANY: Final = """
SELECT r.owner, r.key, r.value, 1, %(now)s{{at}}, %(now)s{{at}},
    r.expires_at, r.expires_hour, %(writer)s, %(writer_task)s, r.attempt,
    %(session)s{{text}}, r.sequence, {first}
FROM {{rows}} WHERE true
"""
_MANY_COLUMNS: Final = {
    "owner": "bigint",
    "key": "text",
    "value": "text",
    "expires_at": "timestamptz",
    "expires_hour": "integer",
    "attempt": "integer",
    "sequence": "bigint",
}
_ONLY_IF_EXPIRED: Final = "AND e.expires_at <= excluded.updated_at"

# Change an entry that exists, in the version that the caller expects (null: in any).
_REPLACE: Final = """
UPDATE {entry} AS e SET
    value = %(value)s, version = version + 1, updated_at = %(now)s{{at}}, {expiry}
    {column} = {next}, writer = %(writer)s, writer_task = %(writer_task)s, attempt = %(by_attempt)s{{int}}
WHERE {owner_id} = ({writer}) AND key = %(key)s
    AND (expires_at IS NULL OR expires_at > %(now)s{{at}})
    AND (%(version)s{{int}} IS NULL OR version = %(version)s{{int}})
RETURNING version, {owner_id}, {due} AS due{more} {kept}
"""
_WITH_EXPIRY: Final = "expires_at = %(expires_at)s{at}, expires_hour = %(expires_hour)s{int},"

_DELETE: Final = """
DELETE FROM {entry}
WHERE {owner_id} = ({writer}) AND key = %(key)s
    AND (%(version)s{{int}} IS NULL OR (version = %(version)s{{int}}
        AND (expires_at IS NULL OR expires_at > %(now)s{{at}})))
RETURNING {owner_id}, key, id
"""

_CLEAR: Final = """
DELETE FROM {entry} WHERE {owner_id} = (SELECT id FROM {owner} WHERE {identity})
RETURNING {owner_id}, key, id
"""

_COLUMNS: Final = """
e.key, e.value, e.version, e.created_at, e.updated_at, e.expires_at, e.writer, e.writer_task, e.attempt
"""

# One entry that has not expired.
_GET: Final = """
SELECT {columns} FROM {entry} e JOIN {owner} t ON t.id = e.{owner_id}
WHERE t.{identity} AND e.key = %(key)s AND (e.expires_at IS NULL OR e.expires_at > %(now)s{{at}})
"""

# Many entries that have not expired, all as they stood at one moment.
_GET_MANY: Final = """
SELECT {columns}, e.{owner_id}
FROM {{rows}} JOIN {entry} e ON e.{owner_id} = r.owner AND e.key = r.key
WHERE e.expires_at IS NULL OR e.expires_at > %(now)s{{at}}
"""

# An owner, which nobody else holds or changes until the transaction ends.
_HOLD_OWNER: Final = "SELECT {attempt}, id, {state} FROM {owner} t WHERE t.{identity} {{hold}}"

# The entry, and nobody else changes it until the transaction ends.
_HOLD: Final = """
SELECT e.value, e.version FROM {entry} e
WHERE e.{owner_id} = (SELECT id FROM {owner} WHERE {identity}) AND e.key = %(key)s
    AND (e.expires_at IS NULL OR e.expires_at > %(now)s{{at}})
{{hold}}
"""

# A page of the entries that have not expired, by key, behind one ("": from the first).
_PAGE: Final = """
SELECT {columns} FROM {entry} e JOIN {owner} t ON t.id = e.{owner_id}
WHERE t.{identity} AND e.key > %(after)s{{text}} AND (e.expires_at IS NULL OR e.expires_at > %(now)s{{at}})
ORDER BY e.key LIMIT %(limit)s OFFSET %(offset)s
"""

_COUNT: Final = """
SELECT count(*) FROM {entry} e JOIN {owner} t ON t.id = e.{owner_id}
WHERE t.{identity} AND (e.expires_at IS NULL OR e.expires_at > %(now)s{{at}})
"""

# What a refused write is told, and a reader that waits: the newest attempt, and the entry's version
# (null: there is none).
_OBSTACLE: Final = """
SELECT {attempt}, e.version
FROM {owner} t LEFT JOIN {entry} e ON e.{owner_id} = t.id AND e.key = %(key)s
    AND (e.expires_at IS NULL OR e.expires_at > %(now)s{{at}})
WHERE t.{identity}
"""


_WRITER: Final = "SELECT id FROM {owner} WHERE {identity}"


class Runnable(Protocol):
    """A statement that can be run."""

    def rows(self, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run it and fetch what it returns."""


class Fenced:
    """A write in two forms: of an attempt that must be the newest, and of one that does not say."""

    def __init__(
        self,
        template: str,
        fragments: dict[str, str],
        statement: Callable[[str], Runnable] = Statement,
        **more: str,
    ) -> None:
        everyone = _WRITER.format(**fragments)
        newest = everyone + fragments["newest"]
        self._unfenced = statement(template.format(writer=everyone, **fragments, **more))
        self._fenced = statement(template.format(writer=newest, **fragments, **more))

    def rows(self, *, attempt: int | None, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run it; no row where the precondition does not hold, or the attempt is not the newest."""
        if attempt is None:
            return self._unfenced.rows(**parameters)
        return self._fenced.rows(attempt=attempt, **parameters)


_EXCLUDED: Final = "excluded.value"
_SENT: Final = "%(value)s"

# What a write remembers beside the value. Versions: the change's number, which names its slot.
_CHANGES: Final = {
    "column": "changes",
    "first": "1",
    "next": "e.changes + CASE WHEN e.value = {new} THEN 0 ELSE 1 END",
    "due": "false",
    "waited": "",
    "kept": "{kept}",
}
# Samples: when the last one was taken. One that is due is marked by the time of its own write, so that
# of many writers one takes it, and the others need no statement to know. A write that waited for another
# sees the entry from before that, as it sees the owner as that was then. Here the changes are those of
# the owner's status.
_SAMPLED: Final = {
    "column": "sampled_at",
    "first": "%(now)s{at}",
    "next": "CASE WHEN e.sampled_at > %(sampled_before)s{at} THEN e.sampled_at ELSE %(now)s{at} END",
    "due": "sampled_at = %(now)s{at}",
    "waited": ", {waited} AS waited",
    "kept": "",
}


class Writes:
    """The statements that write an entry, and what they remember beside its value."""

    def __init__(
        self,
        fragments: dict[str, str],
        remember: dict[str, str],
        statement: Callable[..., Runnable],
    ) -> None:
        def parts(new: str, more: str) -> dict[str, str]:
            following = remember["next"].replace("{new}", new)
            return {**fragments, **remember, "next": following, "more": more}

        def fenced(template: str, new: str, **others: str) -> Fenced:
            more = f", {fragments['summary']}{remember['waited']}"
            return Fenced(template, parts(new, more), statement, **others)

        set_one = _SET.replace("{selected}", _ONE)
        set_many = _SET.replace("{selected}", _MANY)
        self.set = fenced(set_one, _EXCLUDED, condition="")
        self.create = fenced(set_one, _EXCLUDED, condition=_ONLY_IF_EXPIRED)
        many = parts(_EXCLUDED, more=", key")
        self.set_many = statement(set_many.format(condition="", **many), _MANY_COLUMNS)
        self.replace = fenced(_REPLACE, _SENT, expiry=_WITH_EXPIRY)
        self.replace_value = fenced(_REPLACE, _SENT, expiry="")


class EntryStatements:
    """Every statement over one table of entries. `identity` is the parameter that names their owner."""

    def __init__(self, **fragments: str) -> None:
        def statement(template: str) -> Statement:
            return Statement(template.format(columns=_COLUMNS, **fragments))

        entry, owner_id = fragments["entry"], fragments["owner_id"]

        def keeping(text: str, columns: Mapping[str, str] | None = None) -> WithVersions:
            more = "key" if columns else "active_at, status"
            returned = f"version, {owner_id}, due, {more}"
            return WithVersions(text, KEEP, columns, entry=entry, returned=returned)

        def forgetting(text: str) -> WithVersions:
            return WithVersions(text, FORGET, entry=entry, returned=f"{owner_id}, key, id")

        self.sampled = Writes(fragments, _SAMPLED, Statement)
        self.kept = Writes(fragments, _CHANGES, keeping)
        self.delete = Fenced(_DELETE, fragments, forgetting)
        self.clear = forgetting(_CLEAR.format(**fragments))
        self.get = statement(_GET)
        self.get_many = Statement(
            _GET_MANY.format(columns=_COLUMNS, **fragments), {"owner": "bigint", "key": "text"}
        )
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
    state="active_at, status",
    summary="""
    (SELECT active_at FROM statestore_taskinstance t WHERE t.id = task_instance_id) AS active_at,
    (SELECT status FROM statestore_taskinstance t WHERE t.id = task_instance_id) AS status""",
)
_of_assets: Final = EntryStatements(
    entry="statestore_assetentry",
    owner="statestore_asset",
    owner_id="asset_id",
    identity="id = %(owner)s",
    newest=" AND 0 <= %(attempt)s",  # an asset has no attempts
    attempt="0",
    state="active_at, NULL",
    summary="""
    (SELECT active_at FROM statestore_asset t WHERE t.id = asset_id) AS active_at, NULL AS status""",
)


def entries_of(scope: Scope) -> EntryStatements:
    """The statements over the entries of a scope's kind."""
    return _of_tasks if isinstance(scope, TaskScope) else _of_assets


def writes_of(scope: Scope, key: str) -> Writes:
    """The statements that write this key: progress leaves samples, everything else versions."""
    entries = entries_of(scope)
    progress = isinstance(scope, TaskScope) and key == PROGRESS_KEY
    return entries.sampled if progress else entries.kept


def owner_of(scope: Scope) -> Any:
    """The parameter `owner` that names a scope in them."""
    match scope:
        case TaskScope():
            return scope.digest
        case AssetScope():
            return scope.asset_id


_CLEAR_ALL_MAP_INDICES: Final = """
DELETE FROM statestore_entry WHERE task_instance_id IN (
    SELECT id FROM statestore_taskinstance
    WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s AND task_id = %(task_id)s)
RETURNING task_instance_id, key, id
"""
clear_all_map_indices: Final = WithVersions(
    _CLEAR_ALL_MAP_INDICES,
    FORGET,
    entry="statestore_entry",
    returned="task_instance_id, key, id",
)
