"""A job behind an HTTP API: a POST starts it, and its answer (202) says in `Location` where to look.

The token goes out as `Idempotency-Key`: a server that honours it makes one job of one key, however often
it is asked. Beside or instead of that, a server may offer a search for the token.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, Unpack
from urllib.parse import quote, urljoin, urlsplit

import httpx

from statestore.jobs import rest
from statestore.jobs.polling import JobStatus, Options, PollingJob
from statestore.sdk.deciding import Context
from statestore.sdk.errors import JobSystemUnreachableError, StatestoreError

ReadStatus = Callable[[httpx.Response], str]
"""From the answer at the job's URL to its status."""

LOST: Final = "lost"
"""The server does not know the job (any more)."""

_GONE: Final = frozenset({404, 410})


class HttpJob(PollingJob):
    """Starts a job with a POST, looks at it with GET, and cancels it with DELETE.

    Args:
        url: where jobs are started.
        json: the body of that POST; `{token}` in its texts is replaced by the token.
        headers: of every request to that host; a function of a module, where they have to be renewed.
        status: the field of the job's JSON that holds its status, `state.name` for a field of a field;
            or a function of a module that reads it from the answer, as a `JobStatus` with progress
            where the server tells any.
        active: the words, in lower case, of a job that is still going to end.
        succeeded: those of a job that has done its work.
        failed: those of a job that has ended otherwise. Any other word is an error, not an end.
        location: the job's URL, where the answer has no such header: a pattern with the fields of its
            JSON, such as `/v1/jobs/{id}`.
        idempotency_key: the header that carries the token; None where the server ignores it.
        search: where jobs are searched for, with `{token}`. A 404 or an empty list says that there is
            none; else the answer is a job, or a list of jobs, whose URLs `location` tells.
        result: where the result is, seen from the job's URL, such as `result` or `/v1/results/{id}`;
            by default the job's JSON is the result.
        timeout: seconds without an answer after which the server counts as unreachable.
        options: those of every `PollingJob`. `on_unknown` counts where there is neither a key nor a search.
    """

    active: ClassVar[frozenset[str]] = frozenset(
        {
            "accepted",
            "created",
            "notstarted",
            "pending",
            "queued",
            "scheduled",
            "submitted",
            "waiting",
        }
        | {
            "running",
            "started",
            "processing",
            "in_progress",
            "inprogress",
            "canceling",
            "cancelling",
        }
    )
    succeeded: ClassVar[frozenset[str]] = frozenset(
        {"complete", "completed", "done", "finished", "ok", "succeeded", "success", "successful"}
    )
    failed: ClassVar[frozenset[str]] = frozenset(
        {"aborted", "canceled", "cancelled", "dead", "error", "expired", "failed", "failure"}
        | {"killed", "timed_out"}
    )

    def __init__(
        self,
        url: str,
        *,
        json: Any = None,
        headers: rest.Headers = {},  # noqa: B006 - is only read
        status: str | ReadStatus = "status",
        active: Iterable[str] | None = None,
        succeeded: Iterable[str] | None = None,
        failed: Iterable[str] | None = None,
        location: str = "{location}",
        idempotency_key: str | None = "Idempotency-Key",
        search: str | None = None,
        result: str | None = None,
        timeout: float = 30.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.url, self.json, self.headers, self.status = url, json, headers, status
        self.location, self.idempotency_key, self.search = location, idempotency_key, search
        self.result, self.timeout = result, timeout
        if idempotency_key is not None:
            self.submit_seconds = options.get("submit_seconds", 0.0)  # the server takes a key once
        own = {"active": active, "succeeded": succeeded, "failed": failed}
        vars(self).update(
            {name: frozenset(words) for name, words in own.items() if words is not None}
        )

    def submit_job(self, context: Context) -> str:
        """POST; the job's URL."""
        token = context["submission"].token
        key = {self.idempotency_key: token} if self.idempotency_key else {}
        json = rest.with_token(self.json, token)
        answer = self._call("POST", self.url, key, json=json, allowed=frozenset({409}))
        if answer.status_code == 409:
            if self.idempotency_key is None:
                raise rest.RestError(f"POST {self.url} met a conflict: {answer.text}", 409)
            raise JobSystemUnreachableError(
                f"{self.url} is still answering an earlier request with this {self.idempotency_key}."
            )
        if "location" in answer.headers:
            return urljoin(self.url, answer.headers["location"])
        return self._location(rest.body(answer))

    def offers(self, method: str) -> bool:
        """With neither search nor key nobody can tell whether there is a job."""
        found = self.search is not None or self.idempotency_key is not None
        return super().offers(method) and (method != "find_job" or found)

    def find_job(self, token: str, context: Context) -> str | None:
        """The URL of the job that the search finds.

        Without a search, but with a key that the server honours, None: to submit once more gives the
        same job.
        """
        if self.search is None:
            return None
        url = urljoin(self.url, self.search.replace("{token}", quote(token, safe="")))
        answer = self._call("GET", url, allowed=_GONE)
        found = None if answer.status_code in _GONE else rest.body(answer)
        if not found:
            return None
        return self._location(found[0] if isinstance(found, list) else found)

    def get_job_status(self, external_id: str, context: Context) -> str:
        """The server's word in lower case, or `lost`."""
        answer = self._call("GET", external_id, allowed=_GONE)
        if answer.status_code in _GONE:
            return LOST
        read = self.status if callable(self.status) else self._field
        status = read(answer)
        if status not in self.active | self.succeeded | self.failed:
            raise StatestoreError(
                f"{external_id} is {str(status)!r}, which is neither in `active` nor in `succeeded` nor in"
                " `failed`: name it in one of them."
            )
        return status

    def get_job_result(self, external_id: str, context: Context) -> Any:
        """The JSON (or the text) at the result's URL; None where the server has forgotten the job."""
        url = external_id
        if self.result is not None:
            job_id = urlsplit(external_id).path.rstrip("/").rpartition("/")[2]
            url = urljoin(f"{external_id.rstrip('/')}/", self.result.replace("{id}", job_id))
        answer = self._call("GET", url, allowed=_GONE)
        return None if answer.status_code in _GONE else rest.body(answer)

    def cancel_job(self, external_id: str, context: Context) -> None:
        """DELETE; a job that has ended, or is unknown, is left as it is."""
        self._call("DELETE", external_id, allowed=_GONE | {409})

    def _field(self, answer: httpx.Response) -> JobStatus:
        job = rest.body(answer)
        value: Any = job
        for name in str(self.status).split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if not isinstance(value, str):
            raise StatestoreError(
                f"{answer.url} has no field {self.status!r} with the job's status: name the right one, or"
                " pass a function that reads it."
            )
        message = job.get("message") or job.get("error")
        return JobStatus(value.lower(), message=message if isinstance(message, str) else None)

    def _location(self, job: Any) -> str:
        try:
            return urljoin(self.url, self.location.format_map(job))
        except (KeyError, TypeError, ValueError):
            raise StatestoreError(
                f"{self.url} answered without a Location, and its JSON lacks what `location`"
                f" ({self.location!r}) asks for. The job may run: look for it at the server."
            ) from None

    def _call(
        self, method: str, url: str, more: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        home = rest.origin(url) == rest.origin(self.url)  # else they could leak to another host
        own = self.headers() if callable(self.headers) else self.headers
        headers = {**(own if home else {}), **(more or {})}
        return rest.call(method, url, headers=headers, timeout=self.timeout, **options)
