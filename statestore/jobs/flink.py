"""A job of a Flink session cluster, run from a jar by the REST API of its JobManager.

The job id is made from the token, so a job is found by asking for that id, and Flink itself refuses a
second job of the same id.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Unpack

import httpx

from statestore.jobs import rest
from statestore.jobs.polling import JobStatus, Options, PollingJob
from statestore.sdk.deciding import Context
from statestore.sdk.errors import StatestoreError

FORGOTTEN: Final = "FORGOTTEN"
"""The cluster does not know the job (any more)."""

_UNKNOWN: Final = frozenset({404})


@dataclass(frozen=True, slots=True)
class FlinkResult:
    """What is left of a job that has finished."""

    seconds: float
    """How long it took."""
    accumulators: Mapping[str, str]
    """Its own accumulators, as Flink writes their values."""


class FlinkJob(PollingJob):
    """Runs the `main` of a jar.

    Args:
        url: of the JobManager's REST API, such as `http://jobmanager:8081`.
        jar: the path of a jar here, which is uploaded for each submission; or the id of one that the
            cluster has (`…_name.jar`, as its `/jars` lists it), with `jar_on_cluster=True`.
        jar_on_cluster: see above.
        entry_class: the class with `main`; by default what the jar's manifest names.
        arguments: of `main`.
        parallelism: by default the cluster's.
        savepoint: the path of the savepoint to begin from.
        allow_non_restored_state: whether that may hold state that the job does not have.
        configuration: Flink's options for this job.
        headers: of every request; a function of a module, where they have to be renewed.
        timeout: seconds without an answer after which the cluster counts as unreachable. `main` runs
            before the answer to a submission.
        options: those of every `PollingJob`.
    """

    active = frozenset(
        {"INITIALIZING", "CREATED", "RUNNING", "FAILING", "CANCELLING", "RESTARTING"}
        | {"SUSPENDED", "RECONCILING"}
    )
    succeeded = frozenset({"FINISHED"})
    submit_seconds = 0.0  # an id is taken once

    def __init__(
        self,
        url: str,
        jar: str | os.PathLike[str],
        *,
        jar_on_cluster: bool = False,
        entry_class: str | None = None,
        arguments: Sequence[str] = (),
        parallelism: int | None = None,
        savepoint: str | None = None,
        allow_non_restored_state: bool = False,
        configuration: Mapping[str, str] | None = None,
        headers: rest.Headers = {},  # noqa: B006 - is only read
        timeout: float = 60.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.url, self.headers, self.timeout = url.rstrip("/"), headers, timeout
        self.jar, self.jar_on_cluster = os.fspath(jar), jar_on_cluster
        self.run = {
            "entryClass": entry_class,
            "programArgsList": list(arguments),
            "parallelism": parallelism,
            "savepointPath": savepoint,
            "allowNonRestoredState": allow_non_restored_state,
            "flinkConfiguration": dict(configuration or {}),
        }

    def submit_job(self, context: Context) -> str:
        """Upload the jar and run it; the job's id."""
        token = context["submission"].token
        jar_id = self.jar if self.jar_on_cluster else self._upload()
        try:
            self._run(jar_id, token, context)
        finally:
            if not self.jar_on_cluster:
                with suppress(StatestoreError):  # one jar too many there does no harm
                    self._call("DELETE", f"/jars/{jar_id}")
        return job_id(token)

    def find_job(self, token: str, context: Context) -> str | None:
        """The job whose id is made from the token."""
        answer = self._call("GET", f"/jobs/{job_id(token)}", allowed=_UNKNOWN)
        return None if answer.status_code in _UNKNOWN else job_id(token)

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """Flink's word, with how many of its vertices have finished; or `FORGOTTEN`."""
        answer = self._call("GET", f"/jobs/{external_id}", allowed=_UNKNOWN)
        if answer.status_code in _UNKNOWN:
            return JobStatus(FORGOTTEN)
        job = answer.json()
        counts = job["status-counts"]
        return JobStatus(
            job["state"],
            message=self._why(external_id) if job["state"] == "FAILED" else None,
            current=counts.get("FINISHED", 0),
            total=sum(counts.values()),
            unit="vertices",
        )

    def get_job_result(self, external_id: str, context: Context) -> FlinkResult | None:
        """Its time and its accumulators; None where the cluster has forgotten it."""
        job = self._call("GET", f"/jobs/{external_id}", allowed=_UNKNOWN)
        told = self._call("GET", f"/jobs/{external_id}/accumulators", allowed=_UNKNOWN)
        if {job.status_code, told.status_code} & _UNKNOWN:
            return None
        own = told.json()["user-task-accumulators"]
        accumulators = {each["name"]: each["value"] for each in own}
        return FlinkResult(job.json()["duration"] / 1000, accumulators)

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Cancel it, without a savepoint; one that has ended, or is unknown, is left as it is."""
        allowed = _UNKNOWN | {409}
        self._call("PATCH", f"/jobs/{external_id}", params={"mode": "cancel"}, allowed=allowed)

    def _run(self, jar_id: str, token: str, context: Context) -> None:
        document = {name: value for name, value in self.run.items() if value not in (None, {}, [])}
        try:
            self._call("POST", f"/jars/{jar_id}/run", json={**document, "jobId": job_id(token)})
        except rest.RestError as error:
            # Another attempt's request with the same token may have come first.
            if self.find_job(token, context) is None:
                raise StatestoreError(f"Flink did not run {self.jar}: {error}") from None

    def _upload(self) -> str:
        path = Path(self.jar)
        with path.open("rb") as jar:
            form = {"jarfile": (path.name, jar, "application/java-archive")}
            answer = self._call("POST", "/jars/upload", files=form)
        return str(answer.json()["filename"]).rpartition("/")[2]

    def _why(self, external_id: str) -> str | None:
        answer = self._call("GET", f"/jobs/{external_id}/exceptions", allowed=_UNKNOWN)
        entries = answer.json().get("exceptionHistory", {}).get("entries", [])
        causes = [
            line.removeprefix("Caused by: ")
            for line in (entries[0]["stacktrace"].splitlines() if entries else [])
            if not line.startswith(("\t", " "))
        ]
        return causes[-1] if causes else None  # the innermost says most

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        url = f"{self.url}{path}"
        return rest.call(method, url, headers=self.headers, timeout=self.timeout, **options)


def job_id(token: str) -> str:
    """Flink's job id for a token: 32 hexadecimal digits."""
    return hashlib.blake2b(token.encode(), digest_size=16).hexdigest()
