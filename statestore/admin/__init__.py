"""The admin site: entries are listed and cleared, tokens created and revoked, nothing edited by hand."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString

from statestore import services
from statestore.access import USER_PERMISSIONS, Right
from statestore.admin import accounts, webhooks  # noqa: F401 - they register their pages
from statestore.admin.base import ForUnlimited, ReadOnlyAdmin, is_unlimited
from statestore.admin.clear import ClearingMixin, clear_keys, confirm_or_clear, of_keys
from statestore.admin.filters import (
    ExpiredFilter,
    ExpiryFilter,
    TaskBeginsWithFilter,
    begins_with,
)
from statestore.admin.hidden import HidingMixin, shown_value
from statestore.admin.lists import (
    FOUND,
    found_entries,
    found_tasks,
)
from statestore.jsonpretty import pretty
from statestore.models import ApiToken, Entry, SweepRun, TaskInstance
from statestore.queries import principal_of_user, reached

admin.site.site_header = "Statestore administration"
admin.site.site_title = "Statestore"
admin.site.index_title = "Administration"
admin.site.enable_nav_sidebar = False  # the lists need its room

VALUE_SHOWN = 40


@admin.register(Entry)
class EntryAdmin(HidingMixin, ClearingMixin, ReadOnlyAdmin):
    """Keys and their values."""

    to_task = "task_instance__"
    list_display = (
        "key",
        "dag",
        "run",
        "task",
        "short",
        "updated_at",
        "expires",
    )
    list_select_related = ("task_instance",)
    list_filter = (
        ExpiredFilter,
        ExpiryFilter,
        begins_with("dag_id", "dag", TaskBeginsWithFilter),
        begins_with("run_id", "run", TaskBeginsWithFilter),
        begins_with("task_id", "task", TaskBeginsWithFilter),
        begins_with("key", "key"),
    )
    search_fields = ("key",)  # shows the box; get_search_results says what it finds
    search_help_text = (
        f"Each word is the beginning of a dag, run, task or key, case and all; of the first word the"
        f" newest {FOUND} keys and task instances are looked at."
    )
    ordering = ("-pk",)
    actions = ("clear_keys", "clear_tasks", "clear_all_map_indices")
    fields = (
        "task_instance", "key", "pretty_value", "version", "attempt", "writer",
        "created_at", "updated_at", "expires",
    )  # fmt: skip
    readonly_fields = ("pretty_value", "expires")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Entry], search_term: str
    ) -> tuple[QuerySet[Entry], bool]:
        """What indexes find."""
        return found_entries(queryset, search_term), False

    def tasks_of(self, selected: QuerySet[Entry]) -> QuerySet[TaskInstance]:
        """The task instances of these entries."""
        return TaskInstance.objects.filter(pk__in=selected.order_by().values("task_instance_id"))

    @admin.action(description="Clear selected keys", permissions=["clear"])
    def clear_keys(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponse | None:
        """The ticked keys alone."""
        principal = principal_of_user(request.user)
        mine = queryset.filter(reached(principal, prefix=self.to_task, right=Right.CLEAR))
        entries = self.few_enough(request, mine)
        if entries is None:
            return None
        return confirm_or_clear(
            self,
            request,
            action="clear_keys",
            title="Clear selected keys",
            parts=of_keys(entries),
            clear=lambda writer: clear_keys(request, entries, writer),
        )

    @admin.display(description="dag")
    def dag(self, entry: Entry) -> str:
        """The dag's id."""
        return str(entry.task_instance.dag_id)

    @admin.display(description="run")
    def run(self, entry: Entry) -> str:
        """The run's id."""
        return str(entry.task_instance.run_id)

    @admin.display(description="task")
    def task(self, entry: Entry) -> str:
        """The task's id, with its map index where it has one."""
        row = entry.task_instance
        return f"{row.task_id} [{row.map_index}]" if row.map_index >= 0 else str(row.task_id)

    @admin.display(description="value")
    def short(self, entry: Entry) -> SafeString:
        """The value's first characters."""
        text = shown_value(entry)
        long = len(text) > VALUE_SHOWN
        return format_html("<code>{}</code>", text[:VALUE_SHOWN] + "…" * long)

    @admin.display(description="value")
    def pretty_value(self, entry: Entry) -> SafeString:
        """The value in lines."""
        return format_html('<pre class="value" tabindex="0">{}</pre>', pretty(shown_value(entry)))

    @admin.display(description="expires", empty_value="never")
    def expires(self, entry: Entry) -> str | None:
        """When, or never."""
        return None if entry.expires_at is None else localize(entry.expires_at)


@admin.register(TaskInstance)
class TaskInstanceAdmin(ClearingMixin, ReadOnlyAdmin):
    """Task instances: the units that keys belong to."""

    list_display = ("task_id", "dag_id", "run_id", "map_index", "status", "attempt", "active_at")
    list_filter = (
        "status",
        begins_with("dag_id", "dag"),
        begins_with("run_id", "run"),
        begins_with("task_id", "task"),
    )
    search_fields = ("task_id",)  # shows the box; get_search_results says what it finds
    search_help_text = "Each word is the beginning of a dag, run or task, case and all."
    ordering = ("-active_at", "-id")
    actions = ("clear_tasks", "clear_all_map_indices")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TaskInstance], search_term: str
    ) -> tuple[QuerySet[TaskInstance], bool]:
        """What indexes find."""
        return found_tasks(queryset, search_term), False

    def tasks_of(self, selected: QuerySet[TaskInstance]) -> QuerySet[TaskInstance]:
        """These."""
        return selected


class ApiTokenForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in its stubs alone
    """A new token: who uses it, what it may do, to which dags, until when."""

    rights = forms.MultipleChoiceField(
        choices=[(right.value, right.value) for right in Right],
        initial=[Right.VIEW.value, Right.WRITE.value],
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        """What can be filled in."""

        model = ApiToken
        fields = ("name", "rights", "dag_patterns", "asset_patterns", "expires_at")
        widgets: ClassVar = {"dag_patterns": forms.TextInput, "asset_patterns": forms.TextInput}


@admin.register(ApiToken)
class ApiTokenAdmin(ForUnlimited, ReadOnlyAdmin):
    """Workers' credentials: shown once, then known by their first characters."""

    list_display = (
        "name", "prefix", "owner", "rights", "dag_patterns", "asset_patterns",
        "created_at", "expires_at", "revoked_at", "last_used_at",
    )  # fmt: skip
    search_fields = ("name", "prefix", "owner")
    ordering = ("-created_at", "-pk")
    actions = ("revoke",)
    form = ApiTokenForm

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether the user may make tokens, and is limited to no dags: a token could reach all."""
        return request.user.has_perm("statestore.add_apitoken") and is_unlimited(request)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether the user may administer tokens, of whatever reach."""
        may = request.user.has_perm(USER_PERMISSIONS[Right.ADMINISTER])
        return may and is_unlimited(request)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form of a new token; of one that exists everything is only shown."""
        if obj is not None:
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is filled in, or what is shown."""
        return ApiTokenForm.Meta.fields if obj is None else self.list_display

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """Create the token through its service, and keep the secret for the answer alone."""
        row, secret = services.api_token_create(
            name=obj.name,
            rights=[Right(word) for word in form.cleaned_data["rights"]],
            dag_patterns=obj.dag_patterns,
            asset_patterns=obj.asset_patterns,
            owner=request.user.get_username(),
            expires_at=obj.expires_at,
        )
        obj.pk, obj.prefix = row.pk, row.prefix
        request.token_secret = secret  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: Any = None
    ) -> HttpResponse:
        """The page that shows the secret, this once: no cookie and no session carries it."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The new token",
            "opts": self.opts,
            "token": obj,
            "secret": request.token_secret,  # type: ignore[attr-defined]
        }
        response = TemplateResponse(request, "admin/statestore/token_created.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description="Revoke selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Refuse these tokens from now on."""
        revoked = [row for row in queryset if services.api_token_revoke(token_id=row.pk)]
        for row in revoked:
            self.log_change(request, row, "Revoked.")
        count = len(revoked)
        self.message_user(request, f"Revoked {count} token{pluralize(count)}.", messages.SUCCESS)


@admin.register(SweepRun)
class SweepRunAdmin(ReadOnlyAdmin):
    """Runs of the sweep: whether it works, and how much it deletes."""

    list_display = ("started_at", "seconds", "deleted", "overdue", "by_hand")
    list_filter = ("by_hand",)
