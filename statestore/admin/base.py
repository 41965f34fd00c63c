"""What the admin site's pages have in common."""

from typing import Any

from django.contrib.admin import ListFilter
from django.http import HttpRequest

from statestore.admin.lists import BoundedAdmin
from statestore.queries import principal_of_user


def is_unlimited(request: HttpRequest) -> bool:
    """Whether no group limits the user to some dags or assets."""
    return bool(request.user.is_active) and principal_of_user(request.user).is_unlimited


class ForUnlimited:
    """Pages about what reaches every dag: those who are limited to some have no right to them."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As Django's, of who is unlimited; and so for the others."""
        return super().has_view_permission(request, obj) and is_unlimited(request)  # type: ignore[misc]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """See above."""
        return super().has_add_permission(request) and is_unlimited(request)  # type: ignore[misc]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See above."""
        return super().has_change_permission(request, obj) and is_unlimited(request)  # type: ignore[misc]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See above."""
        return super().has_delete_permission(request, obj) and is_unlimited(request)  # type: ignore[misc]


class FiltersAlone:
    """The address of a list asks what its filters ask. Django lets it ask any column, also what the
    page hides: a condition on a value or a secret would tell it letter by letter."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Whether one of the list's filters asks this."""
        filters: Any = self.get_list_filter(request)  # type: ignore[attr-defined]  # of ModelAdmin
        return any(lookup in _lookups_of(listed) for listed in filters)


def _lookups_of(listed: str | type[ListFilter]) -> set[str]:
    if isinstance(listed, str):
        return {f"{listed}__{asked}" for asked in ("exact", "isnull", "id__exact")}
    return {listed.parameter_name}  # type: ignore[attr-defined]  # all are SimpleListFilter


class ReadOnlyAdmin(FiltersAlone, BoundedAdmin):
    """Rows that only services write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody; what may be deleted has an action that calls a service."""
        return False
