"""Clearing keys in the admin site: what would be lost, shown first; then done through the services."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import add
from typing import Any, Final, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import IsNull
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse

from statestore import services
from statestore.access import USER_PERMISSIONS, Right
from statestore.admin.lists import AtLeast
from statestore.models import Entry, TaskInstance
from statestore.protocol import Status, TaskScope
from statestore.queries import COUNTED, counts, principal_of_user, reached
from statestore.services import Writer

SHOWN: Final = 200  # keys that a confirmation page lists; beyond it counts
MOST: Final = 2_000  # rows that one request clears
_TOO_MANY: Final = (
    f"Nothing was cleared: more than {MOST:,} rows are selected. Filter the list further; or clear a"
    " whole run on its page in the dashboard; or tick one map index of a task, and clear all of them."
)
_BATCH: Final = 100  # rows, or tasks with all their map indices, that are read at once

T = TypeVar("T")
Part = tuple[QuerySet[Entry], QuerySet[TaskInstance]]
"""Some entries that would be deleted, and the task instances among which they are."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What clearing would delete; counted as far as anybody reads."""

    keys: list[Entry]
    total: int
    tasks: int
    running: int

    @property
    def more(self) -> str:
        """How many keys are not listed; empty: none."""
        number = self.total - len(self.keys)
        return "many" if isinstance(self.total, AtLeast) else f"{number:,}" if number else ""


def loss_of(parts: Iterable[Part]) -> Loss:
    """What deleting these entries would lose."""
    keys: list[Entry] = []
    sums = [0, 0, 0]
    for entries, tasks in parts:
        keys += entries.select_related("task_instance").defer("value")[: SHOWN - len(keys)]
        kept = Entry.objects.filter(task_instance=OuterRef("pk")).values("pk")[:1]
        keeping = tasks.order_by().filter(IsNull(Subquery(kept), False))
        running = keeping.filter(status=Status.RUNNING.value)
        sums = list(map(add, sums, counts(entries.order_by(), keeping, running)))
    return Loss(keys, *(AtLeast(COUNTED) if count > COUNTED else count for count in sums))


def of_keys(entries: QuerySet[Entry]) -> Iterator[Part]:
    """These entries alone."""
    yield entries, TaskInstance.objects.filter(pk__in=entries.order_by().values("task_instance_id"))


def of_tasks(tasks: QuerySet[TaskInstance]) -> Iterator[Part]:
    """Every entry of these task instances."""
    yield Entry.objects.filter(task_instance__in=tasks.order_by().values("pk")), tasks


def of_all_map_indices(tasks: QuerySet[TaskInstance]) -> Iterator[Part]:
    """Every entry of every map index of these task instances' tasks."""
    for scopes in _batches(list(_without_map_index(tasks))):
        each = (Q(dag_id=s.dag_id, run_id=s.run_id, task_id=s.task_id) for s in scopes)
        yield from of_tasks(TaskInstance.objects.filter(Q(*each, _connector=Q.OR)))


def clear_keys(request: HttpRequest, entries: QuerySet[Entry], writer: Writer) -> int:
    """Delete these entries, one by one."""
    deleted = 0
    for numbers in _batches(list(entries.order_by().values_list("pk", flat=True))):
        rows = Entry.objects.filter(pk__in=numbers).select_related("task_instance").defer("value")
        done = [
            row
            for row in rows
            if services.entry_delete(scope=row.task_instance.scope, key=row.key, writer=writer)
        ]
        _record(request, done, DELETION, "Cleared.")
        deleted += len(done)
    return deleted


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


def _batches(rows: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]


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
    parts: Iterable[Part],
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
        "loss": loss_of(parts),
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

    def few_enough(self, request: HttpRequest, selected: QuerySet[Any]) -> QuerySet[Any] | None:
        """The rows that were ticked; None where one request cannot clear so many, which is told."""
        numbers = list(selected.order_by().values_list("pk", flat=True)[: MOST + 1])
        if len(numbers) <= MOST:
            rows: QuerySet[Any] = selected.model._default_manager.filter(pk__in=numbers)
            return rows
        self.message_user(request, _TOO_MANY, messages.ERROR)  # type: ignore[attr-defined]  # of ModelAdmin
        return None

    def _clearable(
        self, request: HttpRequest, selected: QuerySet[Any]
    ) -> QuerySet[TaskInstance] | None:
        rows = self.few_enough(request, selected)
        mine = reached(principal_of_user(request.user), right=Right.CLEAR)
        return None if rows is None else self.tasks_of(rows).filter(mine)

    def tasks_of(self, selected: QuerySet[Any]) -> QuerySet[TaskInstance]:
        """The task instances behind the rows that were ticked."""
        raise NotImplementedError

    @admin.action(description="Clear all keys of these tasks", permissions=["clear"])
    def clear_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Every key of the task instances."""
        tasks = self._clearable(request, queryset)
        if tasks is None:
            return None
        return confirm_or_clear(
            self,  # type: ignore[arg-type]  # mixed into ModelAdmins
            request,
            action="clear_tasks",
            title="Clear all keys of these tasks",
            parts=of_tasks(tasks),
            clear=lambda writer: clear_tasks(request, tasks, writer),
        )

    @admin.action(description="Clear all keys of all their map indices", permissions=["clear"])
    def clear_all_map_indices(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """Every key of every map index of the tasks."""
        tasks = self._clearable(request, queryset)
        if tasks is None:
            return None
        return confirm_or_clear(
            self,  # type: ignore[arg-type]  # mixed into ModelAdmins
            request,
            action="clear_all_map_indices",
            title="Clear all keys of all their map indices",
            parts=of_all_map_indices(tasks),
            clear=lambda writer: clear_all_map_indices(request, tasks, writer),
        )
