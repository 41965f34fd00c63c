"""Whether the server works: for load balancers, for orchestrators, for Prometheus."""

import logging
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from statestore import queries
from statestore.access import Principal, Right
from statestore.api import answer
from statestore.api.base import ApiView, TimedView
from statestore.errors import BusyError, NotFoundError
from statestore.queries import OVERDUE_COUNTED, TaskState

logger = logging.getLogger(__name__)

EVERY = 2**40  # no count stops before


class Open(TimedView):
    """Needs no credentials, and tells nothing that needs any."""

    authentication_classes: list[Any] = []  # noqa: RUF012 - DRF's interface
    permission_classes: list[Any] = []  # noqa: RUF012

    def initial(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Nothing to check."""


class Health(Open):
    """Whether this process answers; says nothing of the database."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """It does."""
        return answer.data({"status": "ok"})


class Readiness(Open):
    """Whether requests can be served: the database answers, and has its tables."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """503 where it does not; a late sweep is told, and no reason to send requests elsewhere."""
        try:
            return answer.data(queries.readiness())
        except DatabaseError:
            logger.exception("the database cannot be used")
            raise BusyError("The database cannot be used: the server's log says why.") from None


class Metrics(ApiView):
    """What Prometheus gathers."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """In its text format."""
        self.principal.require_right(Right.VIEW)
        return HttpResponse(
            generate_latest(_measured(self.principal)), content_type="text/plain; version=0.0.4"
        )


def _measured(principal: Principal) -> CollectorRegistry:
    registry = CollectorRegistry()
    states = Gauge(
        "statestore_task_instances",
        "Task instances in a state; done and failed ones that wrote in the last 24 hours.",
        ["state"],
        registry=registry,
    )
    counted = queries.task_instance_counts(principal, at_most=EVERY)
    for state in (TaskState.RUNNING, TaskState.STALLED, TaskState.FAILED, TaskState.DONE):
        states.labels(state).set(getattr(counted, state))
    overdue = Gauge(
        "statestore_entries_overdue",
        f"Expired entries that wait for the sweep, counted up to {OVERDUE_COUNTED}.",
        registry=registry,
    )
    overdue.set(queries.expired_count(at_most=OVERDUE_COUNTED))
    if last := queries.last_sweep_of_beat():
        started = Gauge(
            "statestore_sweep_started_timestamp_seconds",
            "The last sweep of beat.",
            registry=registry,
        )
        started.set(last.started_at.timestamp())
    deliveries = Gauge(
        "statestore_webhook_deliveries",
        "Notifications by webhook that wait to arrive, and those that were given up and are kept.",
        ["state"],
        registry=registry,
    )
    for name, count in queries.delivery_counts().items():
        deliveries.labels(name).set(count)
    return registry


class NothingHere(ApiView):
    """Any other path of the API: a JSON 404, whatever the verb, for who is known."""

    def initial(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Refuse."""
        super().initial(request)
        raise NotFoundError(
            "There is nothing at this path of the API: /api/v2/docs tells what there is."
        )
