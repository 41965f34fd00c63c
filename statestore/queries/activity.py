"""What happened to a task instance lately: changed values, what was done by hand, what was found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.db.models.functions import Left

from statestore.models import AuditEntry, EntryVersion
from statestore.protocol import TaskScope
from statestore.queries.history import Version
from statestore.queries.tasks import VALUE_SHOWN


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did by hand to a task instance, or to its run."""

    at: datetime
    who: str
    action: str
    key: str
    detail: str


def versions_of(entry_ids: Sequence[int]) -> dict[int, list[Version]]:
    """What these entries of a task instance have been, newest first: the beginnings of the values."""
    found: dict[int, list[Version]] = {}
    rows: Any = EntryVersion.objects.filter(entry_id__in=list(entry_ids)).order_by("-version")
    for entry_id, *values in rows.values_list(
        "entry_id", "version", Left("value", VALUE_SHOWN), "at", "writer", "attempt"
    ):
        found.setdefault(entry_id, []).append(Version(*values))
    return found


def deeds_of(scope: TaskScope, *, limit: int) -> list[Deed]:
    """What was done by hand to a task instance and its run, newest first."""
    rows = AuditEntry.objects.filter(dag_id=scope.dag_id, run_id=scope.run_id).filter(
        Q(task_id="") | Q(task_id=scope.task_id, map_index__in={scope.map_index, -1})
    )
    newest = rows.order_by("-at", "-pk")[:limit]
    return [Deed(*row) for row in newest.values_list("at", "who", "action", "key", "detail")]
