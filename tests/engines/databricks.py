"""Databricks' Jobs API 2.2 as it is documented: `runs/submit`, `get`, `list` and `cancel`. No Databricks was
met to write it."""

from collections.abc import Mapping
from typing import Any

from tests.engines.board import CANCELLED, FAILED, RUNNING, SUCCEEDED, BoardHandler, Row, serve

CODES = {SUCCEEDED: "SUCCESS", FAILED: "RUN_EXECUTION_ERROR", CANCELLED: "USER_CANCELED"}


class Handler(BoardHandler):
    """Its routes; a run's name is in its body."""

    def route(self, method: str, path: list[str], query: Mapping[str, str], body: Any) -> None:
        """Below /api/2.2/jobs/runs."""
        if self.headers["Authorization"] != "Bearer tests":
            self.answer(
                403, {"error_code": "PERMISSION_DENIED", "message": "Invalid access token."}
            )
            return
        assert path[:4] == ["api", "2.2", "jobs", "runs"], path
        match method, path[4]:
            case "POST", "submit":
                folder = body["tasks"][0]["notebook_task"]["base_parameters"]["wait_for"]
                run, _ = self.board.start(body["idempotency_token"], folder, body, once=True)
                self.answer(200, {"run_id": run.number})
            case "GET", "get":
                self._with_run(int(query["run_id"]), lambda run: self.answer(200, shown(run)))
            case "GET", "list":
                self._list(query)
            case "POST", "cancel":
                self.board.end(body["run_id"], CANCELLED)
                self._with_run(body["run_id"], lambda _: self.answer(200, {}))
            case _:
                self.answer(404, {"error_code": "ENDPOINT_NOT_FOUND", "message": "No API found."})

    def _with_run(self, number: int, answer: Any) -> None:
        found = self.board.jobs("number = ?", number)
        if found:
            answer(found[0])
        else:
            message = f"Run {number} does not exist."
            self.answer(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": message})

    def _list(self, query: Mapping[str, str]) -> None:
        """Pages of two, the newest first."""
        before = int(query.get("page_token", 2**62))
        runs = self.board.jobs("number < ?", before)[::-1]
        page: dict[str, Any] = {"runs": [shown(run) for run in runs[:2]], "has_more": len(runs) > 2}
        if page["has_more"]:
            page["next_page_token"] = str(runs[1].number)
        self.answer(200, page)


def shown(run: Row) -> dict[str, Any]:
    """A run as the API shows it."""
    status: dict[str, Any] = {"state": "RUNNING" if run.state == RUNNING else "TERMINATED"}
    if run.state in CODES:
        status["termination_details"] = {"code": CODES[run.state], "message": ""}
    name = run.body["run_name"]
    return {"run_id": run.number, "run_name": name, "run_type": "SUBMIT_RUN", "status": status}


if __name__ == "__main__":
    serve(Handler)
