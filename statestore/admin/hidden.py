"""Entries in the admin site without the values that look like a secret, scanned or not."""

from collections.abc import Iterable
from typing import Any

from django.db.models import OuterRef, QuerySet
from django.http import HttpRequest

from statestore.admin.lists import BoundedChangeList
from statestore.models import Entry
from statestore.queries import HIDDEN, hidden_at_sight, open_findings


def shown_value(entry: Entry) -> str:
    """The value of an entry that came from the mixin below, unless it looks like a secret."""
    return HIDDEN if entry.hidden else entry.value  # type: ignore[attr-defined]  # annotated


class HidingChangeList(BoundedChangeList):
    """A list of entries."""

    def get_results(self, request: HttpRequest) -> None:
        """The page's rows."""
        super().get_results(request)
        _hide(self.result_list)


class HidingMixin:
    """Knows of each entry whether its value is hidden."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The entries, and whether a scan has found something in them."""
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]  # of ModelAdmin
        found: QuerySet[Any] = rows.annotate(
            hidden=open_findings(OuterRef("pk"), OuterRef("task_instance_id"))
        )
        return found

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[HidingChangeList]:
        """The list above."""
        return HidingChangeList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Entry | None:
        """The entry of a page."""
        entry: Entry | None = super().get_object(request, object_id, from_field)  # type: ignore[misc]
        _hide([] if entry is None else [entry])
        return entry


def _hide(entries: Iterable[Entry]) -> None:
    """Hide also what no scan has come to yet."""
    rows = list(entries)
    secret = hidden_at_sight((row.task_instance_id, row.key, row.value) for row in rows)
    for row in rows:
        if (row.task_instance_id, row.key) in secret:
            row.hidden = True  # type: ignore[attr-defined]  # annotated
