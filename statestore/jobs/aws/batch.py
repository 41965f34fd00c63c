"""A job of AWS Batch. Batch takes no token, so the job's name ends in it, and the job is found by its name
in its queue."""

from collections.abc import Mapping
from typing import Any, Unpack

from statestore.jobs.aws.base import FORGOTTEN, AwsJob, AwsOptions
from statestore.jobs.polling import JobStatus
from statestore.sdk.deciding import Context


class BatchJob(AwsJob):
    """Submits a job.

    Args:
        job_queue: its name or ARN.
        job_definition: its name, `name:revision` or ARN.
        job_name: what the job's name begins with.
        parameters: for the placeholders of the definition.
        request: further parameters of `SubmitJob`, `{"containerOverrides": {"command": ["report"]}}`.
        options: those of every `AwsJob`.
    """

    service = "batch"
    unknown = frozenset[
        str
    ]()  # an id that Batch does not know is just not among those it describes
    active = frozenset({"SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"})
    succeeded = frozenset({"SUCCEEDED"})

    def __init__(
        self,
        job_queue: str,
        job_definition: str,
        *,
        job_name: str = "statestore",
        parameters: Mapping[str, str] | None = None,
        request: Mapping[str, Any] | None = None,
        **options: Unpack[AwsOptions],
    ) -> None:
        super().__init__(**options)
        self.job_queue, self.job_definition, self.job_name = job_queue, job_definition, job_name
        self.parameters, self.request = dict(parameters or {}), dict(request or {})
        if "arrayProperties" in self.request:
            raise ValueError("One BatchJob is one job: instead of an array run mapped tasks.")

    def submit_job(self, context: Context) -> str:
        """Submit it; its id."""
        answer = self.ask(
            "submit_job",
            **self.request,
            jobName=self._name(context["submission"].token),
            jobQueue=self.job_queue,
            jobDefinition=self.job_definition,
            parameters=self.parameters,
        )
        return str(answer["jobId"])

    def find_job(self, token: str, context: Context) -> str | None:
        """The job of the queue with that name, whatever its status."""
        named = [{"name": "JOB_NAME", "values": [self._name(token)]}]
        for page in self.pages("list_jobs", jobQueue=self.job_queue, filters=named):
            for job in page["jobSummaryList"]:
                return str(job["jobId"])
        return None

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """Batch's word, or `FORGOTTEN` (Batch keeps ended jobs for at least a day)."""
        job = self._job(external_id)
        if job is None:
            return JobStatus(FORGOTTEN)
        return JobStatus(job["status"], message=job.get("statusReason") or None)

    def get_job_result(self, external_id: str, context: Context) -> dict[str, Any] | None:
        """What Batch tells of the job, in its words; None where it has forgotten it."""
        return self._job(external_id)

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Terminate it; one that has ended, or is unknown, is left as it is."""
        if self._job(external_id):
            self.ask("terminate_job", jobId=external_id, reason="cancelled")

    def _name(self, token: str) -> str:
        return f"{self.job_name}-{token}"

    def _job(self, external_id: str) -> dict[str, Any] | None:
        jobs = self.ask("describe_jobs", jobs=[external_id])["jobs"]
        return jobs[0] if jobs else None
