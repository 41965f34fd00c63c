"""Lists of the admin site over a million rows: nothing is counted to its end, sorted as a whole or
searched without an index.

A search for words finds rows that begin with them, among the newest that an index finds for each.
"""

from functools import cached_property
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from statestore.models import Entry, TaskInstance
from statestore.queries import COUNTED, begins, counts

FOUND: Final = 500  # task instances, or keys, that are looked at for one word
WORDS_MAX: Final = 5


class AtLeast(int):
    """A count that was stopped."""

    def __str__(self) -> str:
        return f"more than {COUNTED:,}"


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic in its stubs alone
    """Counts as far as anybody turns pages."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, or so many as were counted."""
        rows: Any = self.object_list
        (found,) = counts(rows.order_by(), at_most=COUNTED)
        return AtLeast(COUNTED) if found > COUNTED else found


class BoundedChangeList(ChangeList):
    """Sorted as the list says, whatever the address asks for: another order would sort all rows."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """The list's own order, or that of its rows; an index has it."""
        return list(self.model_admin.get_ordering(request) or self.lookup_opts.ordering or ())


class BoundedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in its stubs alone
    """A list that is as quick over a million rows as over ten."""

    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each facet counts the whole table
    paginator = BoundedPaginator
    sortable_by: ClassVar[tuple[str, ...]] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list above."""
        return BoundedChangeList


def tasks_beginning(word: str) -> Q:
    """Task instances of which an id begins with the word."""
    names = ("dag_id", "run_id", "task_id")
    return Q(*(begins(name, word) for name in names), _connector=Q.OR)


def found_tasks(rows: QuerySet[TaskInstance], text: str) -> QuerySet[TaskInstance]:
    """Those of which an id begins with each word."""
    for word in _words(text):
        rows = rows.filter(tasks_beginning(word))
    return rows


def found_entries(rows: QuerySet[Entry], text: str) -> QuerySet[Entry]:
    """Entries of which the key, or an id of the task, begins with each word.

    What the first word finds is looked up by its indexes, key and ids each on their own: joined by OR
    they would be searched in the whole table. Other words are looked for among that.
    """
    first, *others = _words(text) or [""]
    if not first:
        return rows
    keys = Entry.objects.filter(begins("key", first)).order_by("-pk")[:FOUND]
    owners = dict(keys.values_list("pk", "task_instance_id"))
    tasks = set(_first(TaskInstance.objects.filter(tasks_beginning(first))))
    rows = rows.filter(Q(pk__in=owners) | Q(task_instance__in=tasks))
    among = TaskInstance.objects.filter(pk__in=tasks.union(owners.values()))
    for word in others:
        of_tasks = list(among.filter(tasks_beginning(word)).values_list("pk", flat=True))
        rows = rows.filter(begins("key", word) | Q(task_instance__in=of_tasks))
    return rows


def entries_of_tasks(rows: QuerySet[Any], beginnings: dict[str, str]) -> QuerySet[Any]:
    """Entries of the newest task instances of which these ids begin so."""
    tasks = TaskInstance.objects.filter(*(begins(name, text) for name, text in beginnings.items()))
    return rows.filter(task_instance__in=_first(tasks))


def _first(tasks: QuerySet[TaskInstance]) -> list[int]:
    """The numbers of the newest."""
    newest = tasks.order_by("-active_at", "-id")
    return list(newest.values_list("pk", flat=True)[:FOUND])


def _words(text: str) -> list[str]:
    return text.replace("\0", "").split()[:WORDS_MAX]
