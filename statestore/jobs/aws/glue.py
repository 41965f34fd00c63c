"""A run of a job of AWS Glue. Glue takes no token, so it goes with the run as an argument that the script
does not read, and the run is found by that among the runs of its job."""

from collections.abc import Mapping
from typing import Any, Final, Unpack

from statestore.jobs.aws.base import FORGOTTEN, AwsJob, AwsOptions, searched_since
from statestore.jobs.polling import JobStatus
from statestore.sdk.deciding import Context

TOKEN: Final = "--statestore-token"  # noqa: S105 - the name of an argument
"""The argument that carries the token."""


class GlueJob(AwsJob):
    """Starts a run of a job that exists. Where the job's maximum of concurrent runs is 1, that is a fence
    too: Glue then refuses a second run at the same time.

    Args:
        job_name: of the job.
        arguments: of the run, `{"--day": "2026-11-20"}`.
        request: further parameters of `StartJobRun`, `{"WorkerType": "G.2X", "NumberOfWorkers": 4}`.
        options: those of every `AwsJob`.
    """

    service = "glue"
    unknown = frozenset({"EntityNotFoundException"})
    active = frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"})
    succeeded = frozenset({"SUCCEEDED"})

    def __init__(
        self,
        job_name: str,
        *,
        arguments: Mapping[str, str] | None = None,
        request: Mapping[str, Any] | None = None,
        **options: Unpack[AwsOptions],
    ) -> None:
        super().__init__(**options)
        self.job_name = job_name
        self.arguments, self.request = dict(arguments or {}), dict(request or {})

    def submit_job(self, context: Context) -> str:
        """Start the run; its id."""
        arguments = {**self.arguments, TOKEN: context["submission"].token}
        answer = self.ask(
            "start_job_run", **self.request, JobName=self.job_name, Arguments=arguments
        )
        return str(answer["JobRunId"])

    def find_job(self, token: str, context: Context) -> str | None:
        """The run of the job that has the token among its arguments, the newest first."""
        since = searched_since(context)
        for page in self.pages("get_job_runs", JobName=self.job_name):
            for run in page["JobRuns"]:
                if run.get("Arguments", {}).get(TOKEN) == token:
                    return str(run["Id"])
                if since and run["StartedOn"] < since:
                    return None
        return None

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """Glue's word, or `FORGOTTEN`."""
        answer = self._run(external_id)
        if answer is None:
            return JobStatus(FORGOTTEN)
        run = answer["JobRun"]
        return JobStatus(run["JobRunState"], message=run.get("ErrorMessage") or None)

    def get_job_result(self, external_id: str, context: Context) -> dict[str, Any] | None:
        """What Glue tells of the run, in its words; None where it has forgotten it."""
        answer = self._run(external_id)
        return answer["JobRun"] if answer else None

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Stop it; one that has ended, or is unknown, is left as it is."""
        self.ask_about("batch_stop_job_run", JobName=self.job_name, JobRunIds=[external_id])

    def _run(self, external_id: str) -> dict[str, Any] | None:
        return self.ask_about("get_job_run", JobName=self.job_name, RunId=external_id)
