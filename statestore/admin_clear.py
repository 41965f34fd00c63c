"""Clearing keys in the admin site: what would be lost, shown first; then done through the services."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse

from statestore import services
from statestore.access import USER_PERMISSIONS, Right
from statestore.models import Entry, TaskInstance
from statestore.protocol import Status, TaskScope
from statestore.queries import principal_of_user, reached
from statestore.services import Writer

SHOWN: Final = 200  # keys that a confirmation page lists; beyond it counts


@dataclass(frozen=True, slots=True)
class Loss:
    """What clearing would delete."""

    keys: list[Entry]
    total: int
    tasks: int
    running: int

    @property
    def more(self) -> int:
        """How many keys are not listed."""
        return self.total - len(self.keys)


def loss_of(entries: QuerySet[Entry]) -> Loss:
    """What deleting these entries would lose."""
    tasks = TaskInstance.objects.filter(pk__in=entries.order_by().values("task_instance_id"))
    return Loss(
        keys=list(entries.select_related("task_instance")[:SHOWN]),
        total=entries.count(),
        tasks=tasks.count(),
        running=tasks.filter(status=Status.RUNNING.value).count(),
    )


def entries_of_tasks(tasks: QuerySet[TaskInstance]) -> QuerySet[Entry]:
    """Every entry of these task instances."""
    return Entry.objects.filter(task_instance__in=tasks.order_by().values("pk"))


def entries_of_all_map_indices(tasks: QuerySet[TaskInstance]) -> QuerySet[Entry]:
    """Every entry of every map index of these task instances' tasks."""
    found = Entry.objects.none()
    for scope in _without_map_index(tasks):
        found |= Entry.objects.filter(
            task_instance__dag_id=scope.dag_id,
            task_instance__run_id=scope.run_id,
            task_instance__task_id=scope.task_id,
        )
    return found


def clear_keys(request: HttpRequest, entries: QuerySet[Entry], writer: Writer) -> int:
    """Delete these entries, one by one."""
    rows = list(entries.select_related("task_instance"))
    done = [
        row
        for row in rows
        if services.entry_delete(scope=row.task_instance.scope, key=row.key, writer=writer)
    ]
    _record(request, done, DELETION, "Cleared.")
    return len(done)


def clear_tasks(request: HttpRequest, tasks: QuerySet[TaskInstance], writer: Writer) -> int:
    """Delete every entry of these task instances."""
    deleted = 0
    for row in list(tasks):
        count = services.entries_clear(scope=row.scope, writer=writer)
        _record(request, [row], CHANGE, f"Cleared all keys: {count}.")
        deleted += count
    return deleted


def clear_all_map_indices(
    request: HttpRequest, tasks: QuerySet[TaskInstance], writer: Writer
) -> int:
    """Delete every entry of every map index of these task instances' tasks."""
    deleted = 0
    for scope, row in _without_map_index(tasks).items():
        count = services.entries_clear(scope=scope, writer=writer, all_map_indices=True)
        _record(request, [row], CHANGE, f"Cleared all keys of all map indices: {count}.")
        deleted += count
    return deleted


def _without_map_index(tasks: QuerySet[TaskInstance]) -> dict[TaskScope, TaskInstance]:
    return {row.scope.at(-1): row for row in tasks}


def _record(request: HttpRequest, rows: list[Any], flag: int, message: str) -> None:
    user = request.user.pk
    if rows and user is not None:
        LogEntry.objects.log_actions(user, rows, flag, change_message=message)


def confirm_or_clear(
    modeladmin: admin.ModelAdmin,  # type: ignore[type-arg]  # generic in its stubs alone
    request: HttpRequest,
    *,
    action: str,
    title: str,
    entries: QuerySet[Entry],
    clear: Callable[[Writer], int],
) -> HttpResponse | None:
    """Ask first; when the answer has come, clear, and say how many keys are gone."""
    if request.POST.get("confirmed") == "yes":
        reason = request.POST.get("reason", "")
        count = clear(Writer(principal_of_user(request.user).name, reason=reason))
        modeladmin.message_user(
            request, f"Cleared {count:,} key{pluralize(count)}.", messages.SUCCESS
        )
        return None
    context = {
        **modeladmin.admin_site.each_context(request),
        "title": title,
        "loss": loss_of(entries),
        "opts": modeladmin.opts,
        "action": action,
        "across": request.POST.get("select_across", "0"),
        "checkbox": ACTION_CHECKBOX_NAME,
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "media": modeladmin.media,
    }
    return TemplateResponse(request, "admin/statestore/confirm_clear.html", context)


class ClearingMixin:
    """The right to clear, and the two actions that entries and task instances share."""

    to_task = ""  # leads from a row to its task instance

    def has_clear_permission(self, request: HttpRequest) -> bool:
        """Whether the user may clear keys."""
        return request.user.has_perm(USER_PERMISSIONS[Right.CLEAR])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows that the user may see."""
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]  # of ModelAdmin
        return rows.filter(reached(principal_of_user(request.user), prefix=self.to_task))

    def _clearable(self, request: HttpRequest, selected: QuerySet[Any]) -> QuerySet[TaskInstance]:
        mine = reached(principal_of_user(request.user), right=Right.CLEAR)
        return self.tasks_of(selected).filter(mine)

    def tasks_of(self, selected: QuerySet[Any]) -> QuerySet[TaskInstance]:
        """The task instances behind the rows that were ticked."""
        raise NotImplementedError

    @admin.action(description="Clear all keys of these tasks", permissions=["clear"])
    def clear_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Every key of the task instances."""
        tasks = self._clearable(request, queryset)
        return confirm_or_clear(
            self,  # type: ignore[arg-type]  # mixed into ModelAdmins
            request,
            action="clear_tasks",
            title="Clear all keys of these tasks",
            entries=entries_of_tasks(tasks),
            clear=lambda writer: clear_tasks(request, tasks, writer),
        )

    @admin.action(description="Clear all keys of all their map indices", permissions=["clear"])
    def clear_all_map_indices(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """Every key of every map index of the tasks."""
        tasks = self._clearable(request, queryset)
        return confirm_or_clear(
            self,  # type: ignore[arg-type]  # mixed into ModelAdmins
            request,
            action="clear_all_map_indices",
            title="Clear all keys of all their map indices",
            entries=entries_of_all_map_indices(tasks),
            clear=lambda writer: clear_all_map_indices(request, tasks, writer),
        )
