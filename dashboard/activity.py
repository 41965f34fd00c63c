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


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    at: datetime
    icon: str
    colour: str
    what: str
    detail: str


def activity_of(detail: TaskDetail, progress: Progress | None) -> list[Event]:
    """The newest events of a task, as far as the entries of its page tell."""
    hidden = {suspect.key for suspect in detail.suspects}
    newest = sorted(detail.entries, key=lambda entry: entry.updated_at, reverse=True)[:SHOWN]
    ids = [detail.entry_ids[entry.key] for entry in newest if entry.key != PROGRESS_KEY]
    versions = queries.versions_of(ids)
    events = [*map(_found, detail.suspects)]
    events += map(_done, queries.deeds_of(detail.summary.scope, limit=SHOWN))
    for entry in newest:
        if entry.key == PROGRESS_KEY:
            events.append(_reported(entry, progress))
            continue
        known = versions.get(detail.entry_ids[entry.key], [])
        kept = [version for version in known if version.at >= entry.created_at]
        events += islice(_changes(entry.key, kept, hidden=entry.key in hidden), OF_ONE_KEY)
    return sorted(events, key=lambda event: event.at, reverse=True)[:SHOWN]


def _changes(key: str, versions: list[Version], *, hidden: bool) -> Iterator[Event]:
    for new, old in zip_longest(versions, versions[1:]):
        texts = [clipped(v.value, TEXT_MAX) for v in (old, new) if v is not None]
        word = "written" if new.version == 1 else "changed"
        by = f"by {new.writer}" if new.writer.startswith("user ") else ""
        detail = by if hidden else " → ".join(texts)
        yield Event(new.at, "git-commit-horizontal", "", f"{key} {word}", detail)


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
