"""A server of jobs over HTTP, in a process of its own, which may be killed: what its routes are, a
subclass says. Its jobs wait for the file `end` of their folder, as those of every rig do."""

import json
import sqlite3
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.engines.daemons import Daemon
from tests.ports import free_port
from tests.server import ROOT

RUNNING, SUCCEEDED, FAILED, CANCELLED = "running", "succeeded", "failed", "cancelled"


class Row(NamedTuple):
    """One job."""

    number: int
    token: str
    folder: str
    state: str
    body: dict[str, Any]


class Board:
    """The jobs, in a file that survives the server."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._rows = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS jobs (number INTEGER PRIMARY KEY, token, folder, state, body)"
        )
        threading.Thread(target=self._end_jobs, daemon=True).start()

    def start(self, token: str, folder: str, body: Any, *, once: bool) -> tuple[Row, bool]:
        """A job, and whether it is new. `once`: of one token there is one job."""
        with self._lock:
            same = self._select("token = ?", token) if once else []
            if not same:
                self._rows.execute(
                    "INSERT INTO jobs (token, folder, state, body) VALUES (?, ?, ?, ?)",
                    (token, folder, RUNNING, json.dumps(body)),
                )
                return self._select("number = last_insert_rowid()")[0], True
            return same[0], False

    def jobs(self, condition: str = "true", *values: Any) -> list[Row]:
        """Those that fulfil the condition, the oldest first."""
        with self._lock:
            return self._select(condition, *values)

    def end(self, number: int, state: str) -> bool:
        """End a job; whether it ran."""
        with self._lock:
            done = self._rows.execute(
                "UPDATE jobs SET state = ? WHERE number = ? AND state = ?", (state, number, RUNNING)
            )
            return done.rowcount == 1

    def _select(self, condition: str, *values: Any) -> list[Row]:
        query = (
            f"SELECT number, token, folder, state, body FROM jobs WHERE {condition} ORDER BY number"
        )
        rows = self._rows.execute(query, values)
        return [
            Row(number, token, folder, state, json.loads(body))
            for number, token, folder, state, body in rows
        ]

    def _end_jobs(self) -> None:
        while True:
            for job in self.jobs("state = ?", RUNNING):
                end = Path(job.folder) / "end"
                if end.exists():
                    self.end(job.number, FAILED if int(end.read_text()) else SUCCEEDED)
            time.sleep(0.02)


class BoardHandler(BaseHTTPRequestHandler):
    """Answers requests; `route` is what a kind of server has of its own."""

    protocol_version = "HTTP/1.1"
    board: Board

    def route(self, method: str, path: list[str], query: Mapping[str, str], body: Any) -> None:
        """Call `answer` once."""
        raise NotImplementedError

    def answer(self, status: int, document: Any = None, **headers: str) -> None:
        """Answer with JSON."""
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        url = urlsplit(self.path)
        path = url.path.strip("/").split("/")
        if path == ["all"]:  # for the tests alone: what the system itself knows
            jobs = self.board.jobs("folder = ?", dict(parse_qsl(url.query))["folder"])
            self.answer(200, [[job.number, job.state] for job in jobs])
        else:
            self.route(self.command, path, dict(parse_qsl(url.query)), body)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


class BoardServer:
    """The server as tests see it: `module` has a `Handler`."""

    def __init__(self, module: str, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", module, str(port), str(folder / "jobs.sqlite3")]
        self.daemon = Daemon(command, folder / "log", {"PYTHONPATH": str(ROOT)})
        self._http = httpx.Client(verify=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.daemon.start(self._answers)

    def stop(self) -> None:
        """Stop it for good."""
        self._http.close()
        self.daemon.stop()

    def jobs(self, folder: Path) -> dict[str, str]:
        """The states of the jobs of a folder, by their numbers."""
        answer = self._http.get(f"{self.url}/all", params={"folder": str(folder)})
        return {str(number): state for number, state in answer.json()}

    def _answers(self) -> bool:
        try:
            return self._http.get(f"{self.url}/all?folder=-").is_success
        except httpx.TransportError:
            return False


def serve(handler: type[BoardHandler]) -> None:
    """Be that process."""
    port, file = sys.argv[1:]
    handler.board = Board(Path(file))
    ThreadingHTTPServer(("127.0.0.1", int(port)), handler).serve_forever()
