"""A job of Google BigQuery, by its documented REST API, version 2. The job id is the token, so it is known
before the job is inserted, and BigQuery refuses a second job of the same id."""

from collections.abc import Mapping
from typing import Any, Final, Unpack

from statestore.jobs import rest
from statestore.jobs.polling import JobStatus, Options, PollingJob
from statestore.sdk.deciding import Context
from statestore.sdk.errors import JobSystemUnreachableError

FORGOTTEN: Final = "FORGOTTEN"
"""BigQuery does not know the job (any more)."""
FAILED: Final = "FAILED"
"""Done, with an error."""

_API: Final = "https://bigquery.googleapis.com/bigquery/v2"
_UNKNOWN: Final = frozenset({404})
_ALREADY_EXISTS: Final = 409


class BigQueryJob(PollingJob):
    """Inserts a job: a query, load, extract or copy.

    Args:
        project: that the job is billed to.
        configuration: of the job, `{"query": {"query": "SELECT …", "useLegacySql": False}}`.
        headers: a function of a module that gives `{"Authorization": "Bearer …"}`, for Google's access
            tokens live for an hour; or the headers themselves.
        location: where the job runs, `EU`.
        url: of the API, for endpoints of a private network.
        timeout: seconds without an answer after which BigQuery counts as unreachable.
        options: those of every `PollingJob`.
    """

    active = frozenset({"PENDING", "RUNNING"})
    succeeded = frozenset({"DONE"})
    submit_seconds = 0.0  # an id is taken once
    poll_interval = 5.0

    def __init__(
        self,
        project: str,
        configuration: Mapping[str, Any],
        *,
        headers: rest.Headers,
        location: str = "US",
        url: str = _API,
        timeout: float = 30.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.project, self.configuration, self.location = project, dict(configuration), location
        self.headers, self.url, self.timeout = headers, url.rstrip("/"), timeout

    def submit_job(self, context: Context) -> str:
        """Insert the job; its id."""
        token = str(context["submission"].token)
        named = {"projectId": self.project, "jobId": token, "location": self.location}
        job = {"jobReference": named, "configuration": self.configuration}
        # 409: an earlier request with this token has come first.
        self._call("POST", "", json=job, allowed=frozenset({_ALREADY_EXISTS}))
        return token

    def find_job(self, token: str, context: Context) -> str | None:
        """The job with that id."""
        return token if self._job(token) else None

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """`PENDING`, `RUNNING`, `DONE`, or `FAILED` where it is done with an error; or `FORGOTTEN`."""
        job = self._job(external_id)
        if job is None:
            return JobStatus(FORGOTTEN)
        status = job["status"]
        error = status.get("errorResult")
        if error:
            return JobStatus(FAILED, message=f"{error.get('reason')}: {error.get('message')}")
        return JobStatus(status["state"])

    def get_job_result(self, external_id: str, context: Context) -> dict[str, Any] | None:
        """What BigQuery tells of the job, in its words; None where it has forgotten it (6 months)."""
        return self._job(external_id)

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Ask to cancel it; one that has ended, or is unknown, is left as it is."""
        where = {"location": self.location}
        self._call("POST", f"/{external_id}/cancel", params=where, allowed=_UNKNOWN)

    def _job(self, external_id: str) -> dict[str, Any] | None:
        where = {"location": self.location}
        answer = self._call("GET", f"/{external_id}", params=where, allowed=_UNKNOWN)
        return None if answer.status_code in _UNKNOWN else dict(answer.json())

    def _call(self, method: str, path: str, **options: Any) -> Any:
        url = f"{self.url}/projects/{self.project}/jobs{path}"
        try:
            return rest.call(method, url, headers=self.headers, timeout=self.timeout, **options)
        except rest.RestError as error:
            if error.status >= 500 or "rateLimitExceeded" in str(error):  # both ask to come again
                raise JobSystemUnreachableError(str(error)) from error
            raise
