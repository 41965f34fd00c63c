"""Traces and metrics of external jobs by OpenTelemetry, where its API package is installed.

A job's execution is a span `statestore.job`, and inside of it each call that asks the job's system is
one, except the looks at its status. Decisions are events of the span, and are counted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter
    from opentelemetry.trace import Tracer

_TRACED: Final = {"submit_job", "find_job", "poll_until_complete", "get_job_result", "cancel_job"}


@contextmanager
def execution(job: object) -> Iterator[None]:
    """The span of one execution of a job."""
    tracer = _tracer()
    if tracer is None:
        yield
        return
    attributes = {"statestore.job.class": type(job).__qualname__}
    with tracer.start_as_current_span("statestore.job", attributes=attributes):
        yield


@contextmanager
def call(method: str) -> Iterator[None]:
    """The span of one call of a job's method; of other methods there is none."""
    tracer = _tracer() if method in _TRACED else None
    if tracer is None:
        yield
        return
    with tracer.start_as_current_span(f"statestore.job.{method}"):
        yield


def decision(event: str, job: object, external: object, key: str, status: object) -> None:
    """A decision was taken about a job, known outside by `external` and stored under `key`.

    `status` is the one that it was in, where it was asked.
    """
    counter = _counter()
    if counter is None:
        return
    from opentelemetry import trace  # noqa: PLC0415 - as below

    counter.add(1, {"event": event, "statestore.job.class": type(job).__qualname__})
    attributes = {"statestore.job.external": str(external), "statestore.job.key": key}
    if status is not None:
        attributes["statestore.job.status"] = str(status)
    trace.get_current_span().add_event(event, attributes)


@cache
def _tracer() -> "Tracer | None":
    try:
        from opentelemetry import trace  # noqa: PLC0415 - an import should not cost what only use needs
    except ImportError:
        return None
    return trace.get_tracer("statestore")


@cache
def _counter() -> "Counter | None":
    try:
        from opentelemetry import metrics  # noqa: PLC0415 - see above
    except ImportError:
        return None
    return metrics.get_meter("statestore").create_counter(
        "statestore.job.events", unit="{event}", description="Decisions about external jobs"
    )
