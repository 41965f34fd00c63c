"""Clearing keys: what would be lost is shown first; then a service does it, if the right is there."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from dashboard.filters import key_of
from dashboard.jobs import JOB_KEY_ENDS, is_job_key
from dashboard.lookers import principal_of
from dashboard.rights import missing, needs
from dashboard.secret_count import forget_counts
from dashboard.templatetags.pages import counted
from dashboard.watch import watcher
from statestore import queries, services
from statestore.access import Principal, Right
from statestore.errors import ForbiddenError, NotFoundError
from statestore.protocol import AssetScope, Scope, TaskScope
from statestore.queries import TaskState
from statestore.services import Writer

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Clearing:
    """What somebody is about to clear."""

    title: str
    what: str
    loses: tuple[str, ...]
    """What is lost with it, in sentences."""
    keys: int
    back: str
    clear: Callable[[Writer], int]
    typed: str = ""
    """What must be typed; empty: nothing."""
    typed_as: str = ""


Plan = Callable[Concatenate[HttpRequest, Principal, P], Clearing]


def asks_first(plan: Plan[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A page that tells what would be lost, and clears it when that is confirmed."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @needs(Right.CLEAR)
    @wraps(plan)
    def view(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        principal = principal_of(request)
        try:
            clearing = plan(request, principal, *args, **kwargs)
        except NotFoundError as error:
            raise Http404(error.detail) from None
        except ForbiddenError:
            raise PermissionDenied(missing(Right.CLEAR)) from None
        typed = request.POST.get("typed", "").strip()
        reason = request.POST.get("reason", "").replace("\0", "")
        if request.method == "POST" and typed == clearing.typed.strip():
            count = clearing.clear(Writer(principal.name, reason=reason))
            forget_counts()
            watcher.forget()
            messages.success(request, f"Cleared {count:,} key{'' if count == 1 else 's'}.")
            return redirect(clearing.back)
        wrong = request.method == "POST"
        context = {"clearing": clearing, "wrong": wrong, "typed": typed, "reason": reason}
        return render(request, "dashboard/clear.html", context, status=422 if wrong else 200)

    return view


@asks_first
def clear_task(request: HttpRequest, principal: Principal, task_instance_id: int) -> Clearing:
    """All keys of a task instance."""
    detail = queries.task_detail(task_instance_id, principal)
    scope = detail.summary.scope
    principal.require(scope, Right.CLEAR)
    keys = queries.task_keys(task_instance_id)
    return Clearing(
        title=f"Clear all {len(keys):,} keys?",
        what=f"This removes every key of {scope.task_id}{_index(scope)} in run {scope.run_id}.",
        loses=_loses(keys, running=detail.summary.state is TaskState.RUNNING),
        keys=len(keys),
        back=reverse("dashboard:task", args=[task_instance_id]),
        clear=lambda writer: services.entries_clear(scope=scope, writer=writer),
        typed=scope.task_id,
        typed_as="task id",
    )


@asks_first
def clear_key(request: HttpRequest, principal: Principal, task_instance_id: int) -> Clearing:
    """One key of a task instance: `?key=`; `?from=secrets`: back to the findings."""
    detail = queries.task_detail(task_instance_id, principal)
    scope, key = detail.summary.scope, key_of(request.GET)
    principal.require(scope, Right.CLEAR)
    found = _one_key(
        scope,
        key,
        f"{scope.task_id}{_index(scope)}",
        reverse("dashboard:task", args=[task_instance_id]),
        _loses([key], running=detail.summary.state is TaskState.RUNNING),
    )
    return _of_secrets(request, found)


@asks_first
def clear_run(request: HttpRequest, principal: Principal, run: int) -> Clearing:
    """All keys of all task instances of a run."""
    found = queries.run_detail(run, principal)
    principal.require(TaskScope(found.dag_id, found.run_id, "*", -1), Right.CLEAR)
    counts, running = found.counts, found.counts.running
    lost = [f"{counts.total:,} task instances lose their keys, and start from the beginning."]
    if running:
        lost.append(f"{running:,} of them run now: what they do next may submit jobs twice.")
    if jobs := queries.run_tasks_keeping(found, JOB_KEY_ENDS):
        lost.append(
            f"{counted(jobs)} of them keep{'s' if jobs == 1 else ''} the id or the submission of an"
            " external job: the job goes on, and a retry may submit a second one."
        )
    return Clearing(
        title=f"Clear all {found.key_count:,} keys of this run?",
        what=f"This removes every key of every task of {found.dag_id} in run {found.run_id}.",
        loses=tuple(lost),
        keys=found.key_count,
        back=reverse("dashboard:run", args=[run]),
        clear=lambda writer: services.run_clear(
            dag_id=found.dag_id, run_id=found.run_id, writer=writer
        ),
        typed=found.run_id,
        typed_as="run id",
    )


@asks_first
def clear_asset(request: HttpRequest, principal: Principal, asset_id: int) -> Clearing:
    """All keys of an asset."""
    found = queries.asset_detail(asset_id, principal).summary
    principal.require_asset(asset_id, found.asset.name, Right.CLEAR)
    return Clearing(
        title=f"Clear all {found.key_count:,} keys of this asset?",
        what=f"This removes every key of the asset {found.asset.name}. The asset itself stays.",
        loses=("Whoever goes on from its watermark starts from the beginning.",),
        keys=found.key_count,
        back=reverse("dashboard:asset", args=[asset_id]),
        clear=lambda writer: services.entries_clear(scope=AssetScope(asset_id), writer=writer),
        typed=found.asset.name,
        typed_as="asset's name",
    )


@asks_first
def clear_asset_key(request: HttpRequest, principal: Principal, asset_id: int) -> Clearing:
    """One key of an asset: `?key=`; `?from=secrets`: back to the findings."""
    found, key = queries.asset_detail(asset_id, principal).summary, key_of(request.GET)
    principal.require_asset(asset_id, found.asset.name, Right.CLEAR)
    back = reverse("dashboard:asset", args=[asset_id])
    loses = (f"Whoever goes on from {key} starts from the beginning.",)
    return _of_secrets(request, _one_key(AssetScope(asset_id), key, found.asset.name, back, loses))


def _of_secrets(request: HttpRequest, clearing: Clearing) -> Clearing:
    """The same, for who comes from the list of possible secrets."""
    if request.GET.get("from") != "secrets":
        return clearing
    told = "Clearing does not undo that it was seen: replace the secret."
    return replace(clearing, loses=(*clearing.loses, told), back=reverse("dashboard:secrets"))


def _one_key(scope: Scope, key: str, name: str, back: str, loses: tuple[str, ...]) -> Clearing:
    queries.entry_get(scope=scope, key=key)  # of one that is gone the page says so
    return Clearing(
        title="Clear this key?",
        what=f"This removes {key} of {name}.",
        loses=loses,
        keys=1,
        back=back,
        clear=lambda writer: int(services.entry_delete(scope=scope, key=key, writer=writer)),
    )


def _loses(keys: list[str], *, running: bool) -> tuple[str, ...]:
    """What follows, by the keys of a task that go."""
    jobs = [key for key in keys if is_job_key(key)]
    lost = [f"It loses {job}: a retry may submit a second job." for job in jobs[:3]]
    others = [key for key in keys if key not in jobs and key != "progress"]
    if others:
        lost.append(f"It loses {_named(others)}: a retry goes on without.")
    if "progress" in keys:
        lost.append("Its progress is gone from Live until it reports again.")
    if running:
        lost.insert(0, "The task is running.")
    return tuple(lost)


def _named(keys: list[str]) -> str:
    more = len(keys) - 3
    return ", ".join(keys[:3]) + (f" and {more:,} more" if more > 0 else "")


def _index(scope: TaskScope) -> str:
    return f" [{scope.map_index}]" if scope.map_index >= 0 else ""
