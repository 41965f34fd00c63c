"""BigQuery's REST API, version 2, as it is documented: `jobs.insert`, `get` and `cancel`. No BigQuery was met
to write it."""

from collections.abc import Mapping
from typing import Any

from tests.engines.board import CANCELLED, FAILED, RUNNING, BoardHandler, Row, serve


class Handler(BoardHandler):
    """Its routes; a job's id is its token, and its query tells the folder."""

    def route(self, method: str, path: list[str], query: Mapping[str, str], body: Any) -> None:
        """Below /bigquery/v2/projects/PROJECT/jobs."""
        assert path[:3] == ["bigquery", "v2", "projects"], path
        if self.headers["Authorization"] != "Bearer tests":
            self._refuse(401, "authError", "Request had invalid authentication credentials.")
            return
        match method, path[4:]:
            case "POST", ["jobs"]:
                folder = body["configuration"]["query"]["query"].removeprefix("wait_for ")
                job, new = self.board.start(body["jobReference"]["jobId"], folder, body, once=True)
                if new:
                    self.answer(200, shown(job))
                else:
                    self._refuse(409, "duplicate", f"Already Exists: Job {job.token}")
            case "GET", ["jobs", job_id]:
                self._with_job(job_id, query, lambda job: self.answer(200, shown(job)))
            case "POST", ["jobs", job_id, "cancel"]:
                self._with_job(job_id, query, self._cancel)
            case _:
                self._refuse(404, "notFound", "Not Found")

    def _with_job(self, job_id: str, query: Mapping[str, str], answer: Any) -> None:
        found = self.board.jobs("token = ?", job_id)
        if found and query["location"] == found[0].body["jobReference"]["location"]:
            answer(found[0])
        else:
            self._refuse(404, "notFound", f"Not found: Job {job_id}")

    def _cancel(self, job: Row) -> None:
        self.board.end(job.number, CANCELLED)
        self.answer(200, {"kind": "bigquery#jobCancelResponse", "job": shown(job)})

    def _refuse(self, status: int, reason: str, message: str) -> None:
        errors = [{"reason": reason, "message": message, "domain": "global"}]
        self.answer(status, {"error": {"code": status, "message": message, "errors": errors}})


def shown(job: Row) -> dict[str, Any]:
    """A job as the API shows it."""
    status: dict[str, Any] = {"state": "RUNNING" if job.state == RUNNING else "DONE"}
    if job.state == FAILED:
        status["errorResult"] = {"reason": "invalidQuery", "message": "Syntax error"}
    elif job.state == CANCELLED:
        status["errorResult"] = {"reason": "stopped", "message": "Job execution was cancelled"}
    return {"kind": "bigquery#job", "jobReference": job.body["jobReference"], "status": status}


if __name__ == "__main__":
    serve(Handler)
