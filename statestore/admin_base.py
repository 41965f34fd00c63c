"""What the admin site's pages have in common."""

from typing import Any

from django.http import HttpRequest

from statestore.admin_lists import BoundedAdmin


class ReadOnlyAdmin(BoundedAdmin):
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
