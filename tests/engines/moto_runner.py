"""AWS as moto plays it, in a process with moto's own environment: `moto_runner.py PORT`.

Beside what moto does:
- A job runs until the file `end` in its folder says how it has ended; moto's own would end at once. The
  folder is somewhere in what the job was started with: `wait_for=FOLDER;`.
- Moto lacks BatchStopJobRun of Glue, BatchGetQueryExecution of Athena, the error for an unknown query,
  and the termination of a job of Batch outside of Docker. They are added as AWS documents them.
Client tokens of Athena and EMR Serverless are ignored by moto.
"""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from moto.athena.models import AthenaBackend, athena_backends
from moto.athena.responses import AthenaResponse
from moto.batch.models import batch_backends
from moto.batch_simple.models import BatchSimpleBackend
from moto.core.config import default_user_config
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.emrserverless import models as emrserverless
from moto.emrserverless.models import emrserverless_backends
from moto.glue.models import glue_backends
from moto.glue.responses import GlueResponse
from moto.moto_api import state_manager
from moto.server import main
from moto.stepfunctions.models import stepfunctions_backends

FOLDER = re.compile(r"wait_for=([^;]+);")


Job = tuple[str, Callable[[bool], None]]
"""What a running job was started with, and what ends it."""


def executions() -> Iterator[Job]:
    """Those of Step Functions."""
    for machine in (m for b in _of(stepfunctions_backends) for m in b.state_machines):
        for execution in machine.executions:
            if execution.status == "RUNNING":
                yield execution.execution_input, _end_execution(execution)


def job_runs() -> Iterator[Job]:
    """Those of Glue."""
    for job in (j for b in _of(glue_backends) for j in b.jobs.values()):
        for run in job.job_runs:
            if run.status in {"STARTING", "RUNNING"}:
                yield str(run.arguments), _set(run, "status", "SUCCEEDED", "FAILED")


def batch_jobs() -> Iterator[Job]:
    """Those of Batch."""
    for job in (j for b in _of(batch_backends) for j in b._jobs.values()):
        if job.stop:
            job._mark_stopped(success=False)
        elif not job.job_stopped:
            yield str(job.parameters), job._mark_stopped


def queries() -> Iterator[Job]:
    """Those of Athena."""
    for query in (q for b in _of(athena_backends) for q in b.executions.values()):
        if query.status in {"QUEUED", "RUNNING"}:
            yield query.query, _set(query, "status", "SUCCEEDED", "FAILED")


def serverless_runs() -> Iterator[Job]:
    """Those of EMR Serverless."""
    for runs in (r for b in _of(emrserverless_backends) for r in b.job_runs.values()):
        for run in runs:
            if run.state in {"SUBMITTED", "RUNNING"}:
                yield str(run.job_driver), _set(run, "state", "SUCCESS", "FAILED")


def _of(backends: Any) -> list[Any]:
    return [backend for account in list(backends.values()) for backend in list(account.values())]


def _set(job: Any, name: str, succeeded: str, failed: str) -> Callable[[bool], None]:
    return lambda success: setattr(job, name, succeeded if success else failed)


def _end_execution(execution: Any) -> Callable[[bool], None]:
    def end(success: bool) -> None:
        execution.output = '{"rows": 3}' if success else None
        execution.status = "SUCCEEDED" if success else "FAILED"

    return end


def end_jobs() -> None:
    """End those whose files say so, for ever."""
    while True:
        for started_with, end in list(
            chain(executions(), job_runs(), batch_jobs(), queries(), serverless_runs())
        ):
            found = FOLDER.search(started_with)
            file = Path(found[1]) / "end" if found else None
            if file and file.exists():
                end(file.read_text() == "0")
        time.sleep(0.02)


def _batch_stop_job_run(self: Any) -> ActionResult:
    name, ids = self._get_param("JobName"), self._get_param("JobRunIds")
    for run in self.glue_backend.get_job(name).job_runs:
        if run.job_run_id in ids and run.status in {"STARTING", "RUNNING"}:
            run.status = "STOPPED"
    stopped = [{"JobName": name, "JobRunId": run_id} for run_id in ids]
    return ActionResult({"SuccessfulSubmissions": stopped, "Errors": []})


def _batch_get_query_execution(self: Any) -> ActionResult:
    backend, ids = self.athena_backend, self._get_param("QueryExecutionIds")
    queries = [backend.executions[query_id] for query_id in ids if query_id in backend.executions]
    found = [
        {
            "QueryExecutionId": query.id,
            "Query": query.query,
            "Status": {"State": query.status, "SubmissionDateTime": query.start_time},
        }
        for query in queries
    ]
    return ActionResult({"QueryExecutions": found, "UnprocessedQueryExecutionIds": []})


def _known_query(get: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def checked(self: Any, exec_id: str) -> Any:
        if exec_id not in self.executions:
            raise JsonRESTError(
                "InvalidRequestException", f"QueryExecution {exec_id} was not found"
            )
        return get(self, exec_id)

    return checked


def _run_until_ended(self: Any, include_start_attempt: bool, job: Any) -> None:
    self.backend._jobs[job.job_id] = job
    job.status = "RUNNING"
    job._start_attempt()


if __name__ == "__main__":
    default_user_config["batch"] = {"use_docker": False}
    for model in ("glue::job_run", "athena::execution", "batch::job"):
        state_manager.set_transition(model, {"progression": "manual", "times": sys.maxsize})
    emrserverless.JOB_STATUS = "RUNNING"
    GlueResponse.batch_stop_job_run = _batch_stop_job_run
    AthenaResponse.batch_get_query_execution = _batch_get_query_execution
    AthenaBackend.get_query_execution = _known_query(AthenaBackend.get_query_execution)
    BatchSimpleBackend._mark_job_as_finished = _run_until_ended
    threading.Thread(target=end_jobs, daemon=True).start()
    main(["--host", "127.0.0.1", "--port", sys.argv[1]])
