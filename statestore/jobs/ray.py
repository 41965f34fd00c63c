"""A job of a Ray cluster, by the documented REST API of its head. The submission id is the token, so it is
known before the job is submitted, and Ray refuses a second job of the same id."""

from collections.abc import Mapping
from typing import Any, Final, Unpack

from statestore.jobs import rest
from statestore.jobs.polling import JobStatus, Options, PollingJob
from statestore.sdk.deciding import Context

FORGOTTEN: Final = "FORGOTTEN"
"""The head does not know the job (any more)."""

_UNKNOWN: Final = frozenset({404})


class RayJob(PollingJob):
    """Runs a shell command on the cluster.

    Args:
        url: of the dashboard of its head, `http://head:8265`.
        entrypoint: the command, `python report.py --day 2026-11-20`.
        runtime_env: its packages, variables and files, as Ray takes them. What is only here has to be on
            the cluster already: nothing is uploaded.
        metadata: texts to show beside the job.
        request: further fields of Ray's request, `{"entrypoint_num_cpus": 1}`.
        headers: of every request; a function of a module, where they have to be renewed.
        timeout: seconds without an answer after which the head counts as unreachable.
        options: those of every `PollingJob`.
    """

    active = frozenset({"PENDING", "RUNNING"})
    succeeded = frozenset({"SUCCEEDED"})
    submit_seconds = 0.0  # an id is taken once

    def __init__(
        self,
        url: str,
        entrypoint: str,
        *,
        runtime_env: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
        request: Mapping[str, Any] | None = None,
        headers: rest.Headers = {},  # noqa: B006 - is only read
        timeout: float = 60.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.url, self.headers, self.timeout = url.rstrip("/"), headers, timeout
        self.request = {
            **(request or {}),
            "entrypoint": entrypoint,
            "runtime_env": dict(runtime_env or {}),
            "metadata": dict(metadata or {}),
        }

    def submit_job(self, context: Context) -> str:
        """Submit it; its submission id."""
        token = str(context["submission"].token)
        try:
            self._call("POST", "", json={**self.request, "submission_id": token})
        except rest.RestError:
            if self._job(token) is None:  # else an earlier request with this token came first
                raise
        return token

    def find_job(self, token: str, context: Context) -> str | None:
        """The job with that submission id."""
        return token if self._job(token) else None

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """Ray's word, or `FORGOTTEN`: a head that is restarted forgets all jobs, and ends them."""
        job = self._job(external_id)
        if job is None:
            return JobStatus(FORGOTTEN)
        failed = job["status"] == "FAILED"
        return JobStatus(job["status"], message=job.get("message") if failed else None)

    def get_job_result(self, external_id: str, context: Context) -> dict[str, Any] | None:
        """What Ray tells of the job, in its words; None where the head has forgotten it."""
        return self._job(external_id)

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Stop it; one that has ended, or is unknown, is left as it is."""
        self._call("POST", f"{external_id}/stop", allowed=_UNKNOWN)

    def _job(self, external_id: str) -> dict[str, Any] | None:
        answer = self._call("GET", external_id, allowed=_UNKNOWN)
        return None if answer.status_code in _UNKNOWN else dict(answer.json())

    def _call(self, method: str, path: str, **options: Any) -> Any:
        url = f"{self.url}/api/jobs/{path}"
        return rest.call(method, url, headers=self.headers, timeout=self.timeout, **options)
