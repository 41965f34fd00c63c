"""What people are not shown over the API, as on the pages: values that look like a secret. Tasks need
them, so what a token of a task or of a worker reads is not even looked at."""

from collections.abc import Sequence
from dataclasses import replace

from statestore import queries
from statestore.access import Principal, is_person
from statestore.errors import HiddenError
from statestore.protocol import PROGRESS_KEY, Scope
from statestore.queries import HIDDEN, Entry, EntryPage, TaskSearch, TaskSummary
from statestore.services import Changed, Operation, Outcome


def refuse_hidden(principal: Principal, scope: Scope, entry: Entry) -> None:
    """Let pass an entry that the principal may read, or refuse: whoever asks for one value takes what
    comes for that value.

    Raises:
        HiddenError: it is hidden.
    """
    if is_person(principal.name) and queries.hidden_in([(scope, entry.key, entry.value)]):
        raise HiddenError


def page(principal: Principal, scope: Scope, found: EntryPage) -> EntryPage:
    """The entries, with HIDDEN for what is hidden."""
    if not is_person(principal.name):
        return found
    hidden = queries.hidden_in((scope, entry.key, entry.value) for entry in found.entries)
    return replace(found, entries=[_masked(entry, scope, hidden) for entry in found.entries])


def changed(principal: Principal, scope: Scope, key: str, found: Changed) -> Changed:
    """What was written, with HIDDEN for what is hidden."""
    if is_person(principal.name) and queries.hidden_in([(scope, key, found.value)]):
        return replace(found, value=HIDDEN)
    return found


def outcomes(
    principal: Principal, operations: Sequence[Operation], found: list[Outcome]
) -> list[Outcome]:
    """What a batch has read, with HIDDEN for what is hidden."""
    if not is_person(principal.name):
        return found
    pairs = list(zip(operations, found, strict=True))
    hidden = queries.hidden_in(
        (of.scope, of.key, outcome.entry.value) for of, outcome in pairs if outcome.entry
    )
    return [
        outcome._replace(entry=outcome.entry and _masked(outcome.entry, of.scope, hidden))
        for of, outcome in pairs
    ]


def tasks(principal: Principal, found: TaskSearch) -> TaskSearch:
    """The task instances, with HIDDEN for progress that is hidden."""
    if not is_person(principal.name):
        return found
    values = ((row.id, PROGRESS_KEY, row.progress) for row in found.rows if row.progress)
    hidden = queries.hidden_at_sight(values)

    def seen(row: TaskSummary) -> TaskSummary:
        secret = row.hidden or (row.id, PROGRESS_KEY) in hidden
        return replace(row, progress=HIDDEN) if secret else row

    return replace(found, rows=[seen(row) for row in found.rows])


def _masked(entry: Entry, scope: Scope, hidden: set[tuple[Scope, str]]) -> Entry:
    return replace(entry, value=HIDDEN) if (scope, entry.key) in hidden else entry
