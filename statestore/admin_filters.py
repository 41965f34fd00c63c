"""Filters of the admin's lists that stay quick over a million rows."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from statestore.models import Entry


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
        text = (self.value() or "").replace("\0", "")
        return queryset.filter(**{f"{self.field}__startswith": text}) if text else queryset


def begins_with(field: str, name: str) -> type[BeginsWithFilter]:
    """A filter by the beginning of a field."""
    members = {"title": name, "parameter_name": name, "field": field}
    return type(f"{name.title()}Filter", (BeginsWithFilter,), members)


class ExpiredFilter(admin.SimpleListFilter):
    """Expired entries exist for no reader; they are listed until the sweep deletes them."""

    title = "expired"
    parameter_name = "expired"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Yes and no."""
        return [("yes", "Yes, waiting for the sweep"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        """Entries on one side of now."""
        now = datetime.now(UTC)
        if self.value() == "yes":
            # The hour is what the index holds.
            hour = int(now.timestamp() // 3600)
            return queryset.filter(expires_hour__lte=hour, expires_at__lte=now)
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
            return queryset.filter(expires_at__isnull=self.value() == "never")
        return queryset
