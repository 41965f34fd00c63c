"""What Retention shows: the policy, the sweep, and what it will delete."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from dashboard.lookers import principal_of
from dashboard.rights import needs
from dashboard.watch import cursor_of, watcher
from statestore import queries, services
from statestore.access import Principal, Right
from statestore.queries import ExpiredEntry, RetentionFigures, Sweep

SHOWN: Final = 50  # entries of a dry run
LIMITED: Final = (
    "Your groups limit the right to administer to some dags, and a sweep deletes keys of all."
)
SECONDS: Final = 5.0  # that a sweep by hand may take; the next one goes on


@dataclass(frozen=True, slots=True)
class RetentionPage:
    """The page."""

    cursor: str
    days: int
    every: timedelta
    sweeps: list[Sweep]
    last: datetime | None
    """When beat last swept."""
    next_sweep: datetime | None
    late: bool
    figures: RetentionFigures | None
    """None to who sees a part of the store."""
    expired: list[ExpiredEntry] | None
    """What a sweep would delete first; None: nobody asked."""


def read_retention(params: QueryDict, principal: Principal) -> RetentionPage:
    """The page; `?dry_run=1` lists what a sweep would delete first."""
    every = timedelta(seconds=settings.STATESTORE_SWEEP_SECONDS)
    sweeps, of_beat = queries.last_sweeps(10), queries.last_sweep_of_beat()
    last = of_beat.started_at if of_beat else None
    figures = queries.retention_figures() if queries.sees_everything(principal) else None
    expired = None
    if params.get("dry_run"):
        expired = queries.expired_oldest(principal, limit=SHOWN)
    late = of_beat is None or datetime.now(UTC) > queries.late_at(of_beat)
    return RetentionPage(
        cursor=cursor_of(sweeps, last, figures, expired, late),
        days=settings.STATESTORE_DEFAULT_RETENTION_DAYS,
        every=every,
        sweeps=sweeps,
        last=last,
        next_sweep=last + every if last else None,
        late=late,
        figures=figures,
        expired=expired,
    )


@require_POST
@needs(Right.ADMINISTER)
def sweep_now(request: HttpRequest) -> HttpResponse:
    """Delete what has expired, of whatever dag, for some seconds at most."""
    if not principal_of(request).has_over_every_dag(Right.ADMINISTER):
        raise PermissionDenied(LIMITED)
    run = services.sweep_expired(seconds=SECONDS)
    left = f"; {queries.left_over(run)} are left for the next sweep" if run.overdue else ""
    messages.success(request, f"The sweep deleted {run.deleted:,} expired keys{left}.")
    watcher.forget()
    return redirect("dashboard:retention")
