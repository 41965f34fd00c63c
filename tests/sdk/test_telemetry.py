"""Spans and counters of external jobs, with OpenTelemetry's SDK and without its API."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from statestore.sdk import AsyncResumableJobMixin, JobFailedError, StateStore
from statestore.sdk.memory import MemoryTransport
from statestore.sdk.resumable import Context
from tests.faults.job_system import FindableJob, JobSystem
from tests.server import ROOT
from tests.threads import run_async

_exporter, _reader = InMemorySpanExporter(), InMemoryMetricReader()


@pytest.fixture(scope="module", autouse=True)
def providers() -> None:
    """What an application sets up; once, for a process has one."""
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(_exporter))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([_reader]))


@pytest.fixture
def context() -> Iterator[Context]:
    _exporter.clear()
    store = StateStore(transport=MemoryTransport())
    with store.task("traced", "run", "task") as context:
        yield context


def names() -> list[str]:
    return [span.name.removeprefix("statestore.job") for span in _spans()]


def _spans() -> list[ReadableSpan]:
    return sorted(_exporter.get_finished_spans(), key=lambda span: span.start_time or 0)


def counted() -> dict[str, int]:
    """How often each decision was counted, for every class."""
    found: dict[str, int] = {}
    data: Any = _reader.get_metrics_data()
    for point in data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points:
        event = point.attributes["event"]
        found[event] = found.get(event, 0) + point.value
    return found


def test_an_execution_is_a_span_with_its_calls_and_its_decisions(
    context: Context, tmp_path: Path
) -> None:
    FindableJob(JobSystem(tmp_path)).execute_resumable(context)
    assert names() == ["", ".submit_job", ".poll_until_complete", ".get_job_result"]
    execution, *calls = _spans()
    assert execution.attributes == {"statestore.job.class": "FindableJob"}
    assert [event.name for event in execution.events] == ["fresh_submit"]
    assert {call.parent and call.parent.span_id for call in calls} == {execution.context.span_id}

    _exporter.clear()
    before = counted()
    FindableJob(JobSystem(tmp_path)).execute_resumable(context)
    assert names() == ["", ".get_job_result"]
    assert [event.name for event in _spans()[0].events] == ["already_succeeded"]
    assert counted()["already_succeeded"] == before.get("already_succeeded", 0) + 1


def test_a_failed_job_is_a_failed_span(context: Context, tmp_path: Path) -> None:
    with pytest.raises(JobFailedError):
        FindableJob(JobSystem(tmp_path, ends_as="failed")).execute_resumable(context)
    by_name = {span.name.removeprefix("statestore.job"): span for span in _spans()}
    assert not by_name[""].status.is_ok
    assert not by_name[".poll_until_complete"].status.is_ok
    assert by_name[".submit_job"].status.is_unset


class AsyncJob(AsyncResumableJobMixin):
    """One that takes a moment to submit."""

    async def submit_job(self, context: Context) -> str:
        await asyncio.sleep(0.05)
        return "job"

    def get_job_status(self, external_id: str, context: Context) -> str:
        return "succeeded"

    def is_job_active(self, status: str) -> bool:
        return False

    def is_job_succeeded(self, status: str) -> bool:
        return True


def test_spans_of_jobs_in_one_event_loop_do_not_mix(context: Context) -> None:
    async def both() -> None:
        store = StateStore(transport=MemoryTransport())
        contexts = [store.task("traced", "async", name) for name in "ab"]
        await asyncio.gather(*(AsyncJob().execute_resumable(context) for context in contexts))

    run_async(both())
    executions = {span.context.span_id for span in _spans() if span.name == "statestore.job"}
    submits = [span for span in _spans() if span.name.endswith("submit_job")]
    assert len(executions) == 2
    assert {span.parent.span_id for span in submits if span.parent} == executions
    for span in submits:
        assert (span.end_time or 0) - (span.start_time or 0) >= 0.05e9  # until it was awaited


def test_a_worker_without_the_package_runs_its_job(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
sys.modules["opentelemetry"] = None
from statestore.sdk import StateStore
from statestore.sdk.memory import MemoryTransport
from tests.faults.job_system import FindableJob, JobSystem
with StateStore(transport=MemoryTransport()).task("a", "b", "c") as context:
    print(FindableJob(JobSystem(Path(sys.argv[1]))).execute_resumable(context))
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "result of" in run.stdout
