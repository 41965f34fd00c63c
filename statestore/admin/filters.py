"""Filters of the admin's lists that stay quick over a million rows."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from statestore.admin.lists import entries_of_tasks
from statestore.models import Entry
from statestore.queries import begins

EXPIRED_SHOWN = 1000


class BeginsWithFilter(admin.SimpleListFilter):
    """A text box instead of a list of all values: the beginning of a column."""

    template = "admin/text_filter.html"
    field = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One, so that Django shows the filter."""
        return [("", "")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """What the box's form sends along: the list's other filters."""
        others = changelist.get_filters_params().items()
        yield {
            "name": self.parameter_name,
            "value": self.value() or "",
            "others": [(k, v[-1]) for k, v in others if k != self.parameter_name],
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """Rows whose column begins with the text."""
        text = _plain(self.value())
        return queryset.filter(begins(self.field, text)) if text else queryset


class TaskBeginsWithFilter(BeginsWithFilter):
    """The beginning of an id of an entry's task instance: dag, run and task, all in one look-up."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Entries of the newest task instances whose ids begin so."""
        texts = {name: _plain(request.GET.get(name)) for name in ("dag", "run", "task")}
        asked = {f"{name}_id": text for name, text in texts.items() if text}
        if next(iter(asked), None) != self.field:  # another of the three does it for all
            return queryset
        return entries_of_tasks(queryset, asked)


def begins_with(field: str, name: str, of: type[BeginsWithFilter] = BeginsWithFilter) -> Any:
    """A filter by the beginning of a field."""
    members = {"title": name, "parameter_name": name, "field": field}
    return type(f"{name.title()}Filter", (of,), members)


def _plain(text: str | None) -> str:
    return (text or "").replace("\0", "").strip()


class ExpiredFilter(admin.SimpleListFilter):
    """Expired entries exist for no reader; they are listed until the sweep deletes them."""

    title = "expired"
    parameter_name = "expired"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Yes and no."""
        return [("yes", "Yes, the first for the sweep"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        """Entries on one side of now."""
        now = datetime.now(UTC)
        if self.value() == "yes":
            # The hour is what the index holds; a sweep that is down leaves any number of them.
            hour = int(now.timestamp() // 3600)
            found = Entry.objects.filter(expires_hour__lte=hour, expires_at__lte=now)
            first = found.order_by("expires_hour").values_list("pk", flat=True)[:EXPIRED_SHOWN]
            return queryset.filter(pk__in=list(first))
        if self.value() == "no":
            return queryset.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now))
        return queryset


class ExpiryFilter(admin.SimpleListFilter):
    """Whether an entry ever expires."""

    title = "expiry"
    parameter_name = "expiry"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Some time, or never."""
        return [("some", "Expires"), ("never", "Never expires")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        """Entries with an expiry or without."""
        if self.value() in {"some", "never"}:
            return queryset.filter(expires_hour__isnull=self.value() == "never")
        return queryset
