"""A service that runs jobs by name, for the example of a job class of one's own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.ports import free_port


class Service:
    """Its jobs are files, so they outlast it; one runs until the file `end` of its `folder` is there."""

    def __init__(self, folder: Path) -> None:
        self.jobs, self.port = folder / "service", free_port()
        self.jobs.mkdir()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Listen on its port."""
        service = self

        class Handler(_Handler):
            jobs = service.jobs

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens meanwhile."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def states(self) -> dict[str, str]:
        """The state of each job."""
        return {file.name: state_of(file)["state"] for file in self.jobs.iterdir()}


class _Handler(BaseHTTPRequestHandler):
    jobs: Path

    def do_PUT(self) -> None:
        """Run a job; one of that name that is there already goes on."""
        work = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            with self._job().open("xb") as file:
                file.write(work)
        except FileExistsError:
            self._answer(HTTPStatus.OK)
        else:
            self._answer(HTTPStatus.CREATED)

    def do_GET(self) -> None:
        """How it is."""
        if not self._job().exists():
            self._answer(HTTPStatus.NOT_FOUND)
        else:
            self._answer(HTTPStatus.OK, state_of(self._job()))

    def do_DELETE(self) -> None:
        """End a job."""
        if self._job().exists() and state_of(self._job())["state"] == "running":
            self._job().write_text(json.dumps({"ended": "cancelled"}))
        self._answer(HTTPStatus.NO_CONTENT)

    def _job(self) -> Path:
        return self.jobs / self.path.rpartition("/")[2]

    def _answer(self, status: HTTPStatus, body: Any = None) -> None:
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


def state_of(job: Path) -> dict[str, Any]:
    """What the service says of a job. Once ended, it stays as it ended."""
    work = json.loads(job.read_text() or "{}")
    if "folder" in work and (end := Path(work["folder"]) / "end").exists():
        work = {"ended": "done" if end.read_text() == "0" else "failed"}
        job.write_text(json.dumps(work))
    if "ended" in work:
        return {"state": work["ended"]}
    return {"state": "running", "current": 1, "total": 2}
