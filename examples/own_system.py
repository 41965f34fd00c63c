"""A job class for a system of one's own: a service that runs what is PUT under a name.

STATESTORE_URL=… STATESTORE_TOKEN=… python -m examples.own_system http://jobs.example.com 2026-11-20
"""

import sys
from typing import Any, Unpack

from statestore.jobs.asking import ask, read_json
from statestore.jobs.polling import JobStatus, Options, PollingJob
from statestore.sdk import StateStore
from statestore.sdk.resumable import Context


class ServiceJob(PollingJob):
    """The token is the job's name, so the same job can be sent twice, and is found by asking for it."""

    active = frozenset({"waiting", "running"})
    succeeded = frozenset({"done"})

    def __init__(self, url: str, work: dict[str, Any], **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.url, self.work = url, work

    def submit_job(self, context: Context) -> str:
        """Have it done; the job's id is its name."""
        token = str(context["submission"].token)
        ask("PUT", f"{self.url}/jobs/{token}", json=self.work).raise_for_status()
        return token

    def find_job(self, token: str, context: Context) -> str | None:
        """The job of this name."""
        return token if ask("GET", f"{self.url}/jobs/{token}").status_code == 200 else None

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """What the service says; of a job that it does not know, that it is gone."""
        answer = ask("GET", f"{self.url}/jobs/{external_id}")
        if answer.status_code == 404:
            return JobStatus("gone")
        job = read_json(answer)
        return JobStatus(job["state"], current=job.get("current"), total=job.get("total"))

    def cancel_job(self, external_id: str, context: Context) -> None:
        """End it."""
        ask("DELETE", f"{self.url}/jobs/{external_id}")


if __name__ == "__main__":
    with StateStore() as store, store.task("sales", sys.argv[2], "service") as context:
        job = ServiceJob(sys.argv[1], {"day": sys.argv[2]}, poll_interval=0.5)
        print(f"{job.execute_resumable(context)} is done")  # noqa: T201 - a program's output
