"""What happened to a task lately, as a feed: values that changed, what people did, what was found."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, zip_longest
from typing import Final

from dashboard.audit import WORDS
from dashboard.jsonview import clipped
from dashboard.progress import Progress
from statestore import queries
from statestore.protocol import PROGRESS_KEY
from statestore.queries import Deed, Entry, Suspect, TaskDetail, Version
from statestore.services import Action

SHOWN: Final = 8
OF_ONE_KEY: Final = 2
TEXT_MAX: Final = 28  # characters of a value
LONG: Final = "a long value"  # it was not read to its end, so that nobody knows whether to hide it


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    at: datetime
    icon: str
    colour: str
    what: str
    detail: str


def activity_of(detail: TaskDetail, progress: Progress | None) -> list[Event]:
    """The newest events of a task."""
    newest = detail.newest[:SHOWN]
    ids = [detail.entry_ids[entry.key] for entry in newest if entry.key != PROGRESS_KEY]
    versions = queries.versions_of(ids)
    shown = {
        entry.key: _kept(versions.get(detail.entry_ids[entry.key], []), entry) for entry in newest
    }
    hidden = _hidden(detail, shown)
    events = [*map(_found, detail.suspects)]
    events += map(_done, queries.deeds_of(detail.summary.scope, limit=SHOWN))
    for entry in newest:
        if entry.key == PROGRESS_KEY:
            events.append(_reported(entry, progress))
            continue
        secret = entry.key in hidden
        events += islice(_changes(entry, shown[entry.key], hidden=secret), OF_ONE_KEY)
    return sorted(events, key=lambda event: event.at, reverse=True)[:SHOWN]


def _kept(versions: list[Version], entry: Entry) -> list[Version]:
    """Those that the events of a key tell of: what stood under it before it expired is gone."""
    return [version for version in versions if version.at >= entry.created_at][: OF_ONE_KEY + 1]


def _hidden(detail: TaskDetail, shown: dict[str, list[Version]]) -> set[str]:
    """The keys of whose values nothing is told."""
    number = detail.summary.id
    values = (
        (number, key, version.value)
        for key, versions in shown.items()
        for version in versions
        if queries.is_whole(version.value)
    )
    masked = {entry.key for entry in detail.newest if entry.value == queries.HIDDEN}
    return masked | {key for _, key in queries.hidden_at_sight(values)}


def _changes(entry: Entry, versions: list[Version], *, hidden: bool) -> Iterator[Event]:
    for new, old in zip_longest(versions, versions[1:]):
        texts = [_text(v.value, entry) for v in (old, new) if v is not None]
        word = "written" if new.version == 1 else "changed"
        by = f"by {new.writer}" if new.writer.startswith("user ") else ""
        detail = by if hidden else " → ".join(texts)
        yield Event(new.at, "git-commit-horizontal", "", f"{entry.key} {word}", detail)


def _text(value: str, entry: Entry) -> str:
    """The beginning of a value that has been looked at to its end, as the entry's own has."""
    known = queries.is_whole(value) or entry.value.startswith(value)
    return clipped(value, TEXT_MAX) if known else LONG


def _reported(entry: Entry, progress: Progress | None) -> Event:
    said = ""
    if progress is not None:
        done = " of ".join(filter(None, (progress.current, progress.total)))
        said = progress.text or f"{done} {progress.unit}".strip() or progress.message
    return Event(entry.updated_at, "activity", "", "progress reported", clipped(said, TEXT_MAX * 2))


def _found(suspect: Suspect) -> Event:
    what = f"Possible secret found in {suspect.key}"
    return Event(suspect.found_at, "shield-alert", "bad", what, suspect.rule)


def _done(deed: Deed) -> Event:
    word = WORDS[Action(deed.action)] if deed.action in set(Action) else deed.action
    clears = deed.action.startswith("cleared")
    icon, colour = ("trash-2", "warn") if clears else ("key-round", "")
    detail = " ".join(filter(None, (deed.key, deed.detail)))
    return Event(deed.at, icon, colour, f"{word}: {deed.who}", detail)
