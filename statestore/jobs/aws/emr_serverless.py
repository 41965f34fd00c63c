"""A job run of Amazon EMR Serverless. The token goes as the request's client token, of which EMR makes one
run, and at the end of the run's name, by which it is found in its application."""

from collections.abc import Mapping
from typing import Any, Unpack

from statestore.jobs.aws.base import FORGOTTEN, AwsJob, AwsOptions
from statestore.jobs.polling import JobStatus
from statestore.sdk.deciding import Context


class EmrServerlessJob(AwsJob):
    """Starts a job run.

    Args:
        application_id: of the application.
        execution_role: the ARN of the role that the run has.
        job_driver: `{"sparkSubmit": {"entryPoint": "s3://…/report.py", …}}`, or `hive`.
        name: what the run's name begins with.
        request: further parameters of `StartJobRun`, `{"configurationOverrides": …}`.
        options: those of every `AwsJob`.
    """

    service = "emr-serverless"
    unknown = frozenset({"ResourceNotFoundException"})
    active = frozenset({"SUBMITTED", "PENDING", "SCHEDULED", "QUEUED", "RUNNING", "CANCELLING"})
    succeeded = frozenset({"SUCCESS"})
    submit_seconds = 0.0  # a client token is taken once

    def __init__(
        self,
        application_id: str,
        execution_role: str,
        job_driver: Mapping[str, Any],
        *,
        name: str = "statestore",
        request: Mapping[str, Any] | None = None,
        **options: Unpack[AwsOptions],
    ) -> None:
        super().__init__(**options)
        self.application_id, self.execution_role = application_id, execution_role
        self.job_driver, self.name, self.request = dict(job_driver), name, dict(request or {})

    def submit_job(self, context: Context) -> str:
        """Start the run; its id."""
        token = context["submission"].token
        answer = self.ask(
            "start_job_run",
            **self.request,
            applicationId=self.application_id,
            clientToken=token,
            executionRoleArn=self.execution_role,
            jobDriver=self.job_driver,
            name=f"{self.name}-{token}",
        )
        return str(answer["jobRunId"])

    def find_job(self, token: str, context: Context) -> str | None:
        """The run of the application with that name."""
        for page in self.pages("list_job_runs", applicationId=self.application_id):
            for run in page["jobRuns"]:
                if run.get("name") == f"{self.name}-{token}":
                    return str(run["id"])
        return None

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """EMR's word, or `FORGOTTEN`."""
        run = self._run(external_id)
        if run is None:
            return JobStatus(FORGOTTEN)
        return JobStatus(run["state"], message=run.get("stateDetails") or None)

    def get_job_result(self, external_id: str, context: Context) -> dict[str, Any] | None:
        """What EMR tells of the run, in its words; None where it has forgotten it."""
        return self._run(external_id)

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Cancel it; one that has ended, or is unknown, is left as it is."""
        run = self._run(external_id)
        if run and run["state"] in self.active:
            self.ask_about(
                "cancel_job_run", applicationId=self.application_id, jobRunId=external_id
            )

    def _run(self, external_id: str) -> dict[str, Any] | None:
        answer = self.ask_about(
            "get_job_run", applicationId=self.application_id, jobRunId=external_id
        )
        return answer["jobRun"] if answer else None
