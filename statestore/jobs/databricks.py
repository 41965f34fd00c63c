"""A one-time run of Databricks (`jobs/runs/submit`), by its documented REST API, version 2.2.

The token goes as `idempotency_token`, of which Databricks makes one run, and at the end of the run's name,
by which it is found among the workspace's runs.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Unpack

from statestore.jobs import rest
from statestore.jobs.polling import JobStatus, Options, PollingJob
from statestore.sdk.deciding import Context

FORGOTTEN: Final = "FORGOTTEN"
"""Databricks does not know the run (any more)."""

_CLOCKS: Final = timedelta(hours=1)
"""How far a worker's clock may be wrong."""
_REFUSED: Final = frozenset({400, 404})


class DatabricksJob(PollingJob):
    """Submits a run.

    Args:
        url: of the workspace, `https://….cloud.databricks.com`.
        tasks: those of the run, as `runs/submit` takes them.
        headers: `{"Authorization": "Bearer …"}`; or a function of a module that gives it, where the
            token has to be renewed.
        run_name: what the run's name begins with.
        request: further fields of `runs/submit`, `{"timeout_seconds": 3600, "git_source": …}`.
        timeout: seconds without an answer after which the workspace counts as unreachable.
        options: those of every `PollingJob`.
    """

    active = frozenset({"BLOCKED", "PENDING", "QUEUED", "RUNNING", "TERMINATING", "WAITING"})
    succeeded = frozenset({"SUCCESS", "SUCCESS_WITH_FAILURES"})
    submit_seconds = 0.0  # a token is taken once
    poll_interval = 10.0

    def __init__(
        self,
        url: str,
        tasks: Sequence[Mapping[str, Any]],
        *,
        headers: rest.Headers,
        run_name: str = "statestore",
        request: Mapping[str, Any] | None = None,
        timeout: float = 30.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.url, self.headers, self.timeout = url.rstrip("/"), headers, timeout
        self.tasks, self.run_name = [dict(task) for task in tasks], run_name
        self.request = dict(request or {})

    def submit_job(self, context: Context) -> int:
        """Submit the run; its id."""
        token = context["submission"].token
        run = {
            **self.request,
            "run_name": self._name(token),
            "tasks": self.tasks,
            "idempotency_token": token,
        }
        return int(self._ask("POST", "submit", json=run)["run_id"])

    def find_job(self, token: str, context: Context) -> int | None:
        """The run of that name, among those that began since the reservation."""
        asked: dict[str, Any] = {"run_type": "SUBMIT_RUN", "limit": 25}
        if reserved_at := getattr(context.get("submission"), "reserved_at", ""):
            since = datetime.fromisoformat(reserved_at) - _CLOCKS
            asked["start_time_from"] = int(since.timestamp() * 1000)
        while True:
            page = self._ask("GET", "list", params=asked)
            for run in page.get("runs", []):
                if run.get("run_name") == self._name(token):
                    return int(run["run_id"])
            if not page.get("next_page_token"):
                return None
            asked["page_token"] = page["next_page_token"]

    def get_job_status(self, external_id: int, context: Context) -> JobStatus:
        """Databricks' word, of a run that has ended why it has; or `FORGOTTEN`."""
        run = self._run(external_id)
        if run is None:
            return JobStatus(FORGOTTEN)
        status = run["status"]
        ended = status.get("termination_details") or {}
        word = ended.get("code") if status["state"] == "TERMINATED" else None
        return JobStatus(word or status["state"], message=ended.get("message") or None)

    def get_job_result(self, external_id: int, context: Context) -> dict[str, Any] | None:
        """What Databricks tells of the run, in its words; None where it has forgotten it (60 days)."""
        return self._run(external_id)

    def cancel_job(self, external_id: int, context: Context) -> None:
        """Cancel it; one that has ended, or is unknown, is left as it is."""
        if self._run(external_id):
            self._ask("POST", "cancel", json={"run_id": external_id})

    def _name(self, token: str) -> str:
        return f"{self.run_name} {token}"

    def _run(self, external_id: int) -> dict[str, Any] | None:
        answer = self._call("GET", "get", params={"run_id": external_id}, allowed=_REFUSED)
        if answer.is_success:
            return dict(answer.json())
        if "does not exist" in answer.text or "RESOURCE_DOES_NOT_EXIST" in answer.text:
            return None
        raise rest.RestError(
            f"Databricks refuses to show run {external_id}: {answer.text}", answer.status_code
        )

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        return rest.body(self._call(method, path, **options)) or {}

    def _call(self, method: str, path: str, **options: Any) -> Any:
        url = f"{self.url}/api/2.2/jobs/runs/{path}"
        return rest.call(method, url, headers=self.headers, timeout=self.timeout, **options)
