"""An HTTP API of jobs, in three kinds, each with a path of its own.

`/keyed` makes one job of one Idempotency-Key; `/searched` ignores the key, and finds jobs by a label in
their body; `/plain` does neither.
"""

from collections.abc import Mapping
from typing import Any

from tests.engines.board import RUNNING, BoardHandler, serve


class Handler(BoardHandler):
    """Its routes."""

    def route(self, method: str, path: list[str], query: Mapping[str, str], body: Any) -> None:
        """POST /KIND/jobs, GET /KIND/jobs?label=…, GET and DELETE /KIND/jobs/N, GET …/N/result."""
        match method, path:
            case "POST", [kind, "jobs"]:
                token = (
                    self.headers["Idempotency-Key"] if kind == "keyed" else body.get("label", "")
                )
                job, _ = self.board.start(token, body["wait_for"], body, once=kind == "keyed")
                self.answer(202, Location=f"/{kind}/jobs/{job.number}")
            case "GET", ["searched", "jobs"]:
                jobs = self.board.jobs("token = ?", query["label"])
                self.answer(200, [{"id": job.number, "label": job.token} for job in jobs])
            case _, [_, "jobs", number, *rest]:
                self._job(method, int(number), rest)
            case _:
                self.answer(404, {"message": "no such path"})

    def _job(self, method: str, number: int, rest: list[str]) -> None:
        found = self.board.jobs("number = ?", number)
        if not found:
            self.answer(404, {"message": "no such job"})
        elif method == "DELETE":
            self.answer(204 if self.board.end(number, "cancelled") else 409)
        elif rest == ["result"]:
            self.answer(200, {"rows": 3, "of": number, "secret": self.headers["X-Secret"]})
        elif rest == ["elsewhere"]:  # the same host by another name
            host = self.headers["Host"].replace("127.0.0.1", "localhost")
            self.answer(303, Location=f"http://{host}{self.path.replace('elsewhere', 'result')}")
        elif rest == ["in-circles"]:
            self.answer(307, Location=self.path)
        else:
            state = found[0].state.upper()
            ended = found[0].state != RUNNING
            self.answer(200, {"status": state, "progress": {"done": 4 if ended else 1, "of": 4}})


if __name__ == "__main__":
    serve(Handler)
