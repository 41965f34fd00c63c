"""Accounts in the admin site: people and groups, their rights and what they reach, all in the audit."""

from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from statestore import services
from statestore.admin.base import FiltersAlone, ForUnlimited
from statestore.admin.lists import BoundedPaginator
from statestore.models import GroupReach


class GroupReachInline(admin.StackedInline):  # type: ignore[type-arg]  # generic in its stubs alone
    """What the group's members reach; without it, whatever their rights say."""

    model = GroupReach
    extra = 0


class AuditedMixin:
    """Changes of accounts and of their rights are in the audit."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        """Somebody was added."""
        return _audited(super().log_addition(request, obj, message))  # type: ignore[misc]

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        """Rights, names or a password were changed."""
        return _audited(super().log_change(request, obj, message))  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Somebody was deleted."""
        for row in queryset:
            detail = f"{row._meta.verbose_name} {row}: Deleted."
            services.audit_record(action=services.Action.ACCOUNT_CHANGED, detail=detail)
        return super().log_deletions(request, queryset)  # type: ignore[misc]


def _audited(entry: LogEntry) -> LogEntry:
    what = "" if entry.content_type is None else entry.content_type.name
    detail = f"{what} {entry.object_repr}: {entry.get_change_message()}"
    services.audit_record(action=services.Action.ACCOUNT_CHANGED, detail=detail)
    return entry


admin.site.unregister([Group, User])


@admin.register(User)
class AuditedUserAdmin(ForUnlimited, FiltersAlone, AuditedMixin, UserAdmin):  # type: ignore[type-arg]  # generic in its stubs alone
    """People."""

    paginator = BoundedPaginator
    show_full_result_count = False

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """As Django's, which would keep the new password where the audit fails."""
        return super().user_change_password(request, *args, **kwargs)


@transaction.atomic
def change_own_password(request: HttpRequest) -> HttpResponse:
    """Django's page for one's own password; a change is in the audit, as one by somebody else is."""
    answer = admin.site.password_change(request)
    if answer.status_code == HTTPStatus.FOUND:  # else it shows the form
        people: Any = admin.site.get_model_admin(User)
        people.log_change(request, request.user, "Changed password.")
    return answer


@admin.register(Group)
class GroupWithReachAdmin(ForUnlimited, FiltersAlone, AuditedMixin, GroupAdmin):
    """Groups: their permissions, and the dags and assets over which these hold."""

    inlines = (GroupReachInline,)
