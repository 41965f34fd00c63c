"""An operating-system process that outlives the worker which started it.

Each submission has a folder named after its token. The runner in it (`process_runner.py`) claims the
folder before it starts the command, and only one runner can; so starting a runner again is harmless,
and a job is found by its token. Works on POSIX systems, on the host that started the process.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Unpack

from statestore.jobs import process_runner as runner
from statestore.jobs.polling import JobStatus, Options, PollingJob
from statestore.sdk.errors import StatestoreError
from statestore.sdk.resumable import Context

RUNNING: Final = "running"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
LOST: Final = "lost"  # it was killed with its runner, or the host was restarted

_CLAIM_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """How a process ended."""

    exit_status: int
    """0, or the command's exit status; negative: the number of the signal that ended it."""
    output: Path
    """The file with what it wrote to standard output."""
    error: Path
    """The file with what it wrote to standard error."""


def status_of(seen: Mapping[str, Any]) -> JobStatus:
    """What the runner sees of a submission, in a word; the message is why its command could not begin."""
    if seen["exit_status"] is None:
        return JobStatus(RUNNING if seen["alive"] else LOST)
    return JobStatus(FAILED if seen["exit_status"] else SUCCEEDED, message=seen["because"])


def _require_host(host: str, token: str) -> None:
    """Let pass the host that a process was, or would have been, started on: no other can see it."""
    if host not in {"", socket.gethostname()}:
        raise StatestoreError(
            f"The process of {token} may run on the host {host}, which cannot be seen from"
            f" {socket.gethostname()}: run the next attempt there, or clear the task's keys."
        )


class ProcessJob(PollingJob):
    """Runs a command as a process with a session of its own.

    Args:
        command: the program and its arguments.
        folder: where the submissions keep their files; the same for every attempt, on a disk that
            survives them.
        cwd: the folder that the command runs in; by default that of the worker.
        environment: variables beside those of the worker.
        options: those of every `PollingJob`.
    """

    active = frozenset({RUNNING})
    succeeded = frozenset({SUCCEEDED})
    poll_interval = 1.0
    submit_seconds = 0.0  # a folder is claimed once, however many runners are started

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        folder: str | os.PathLike[str],
        cwd: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.command = [os.fspath(part) for part in command]
        self.folder = Path(folder).absolute()
        self.cwd = os.fspath(cwd or Path.cwd())
        self.environment = dict(environment or {})

    def submit_job(self, context: Context) -> str:
        """Start the runner, and wait until it, or one before it, has claimed the job."""
        token = context["submission"].token
        folder = self.folder / token
        job = {"command": self.command, "cwd": self.cwd, "environment": self.environment}
        runner.prepare(folder, job)
        try:
            # It goes into the background once it has claimed.
            starting = subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-I", runner.__file__, folder],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_CLAIM_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StatestoreError(f"The runner of {folder} did not start in time.") from None
        external_id = self.find_job(token, context)
        if external_id is None:
            raise StatestoreError(
                f"The runner of {folder} ended before it could start: {starting.stderr.strip()}"
            )
        return external_id

    def find_job(self, token: str, context: Context) -> str | None:
        """The job whose runner has claimed the token's folder."""
        claim = runner.read(self.folder / token / runner.CLAIM)
        if claim is None:
            submission = context.get("submission")
            _require_host(submission.host if submission else "", token)
            return None
        return f"{claim['host']}:{claim['pid']}:{claim['started']}:{token}"

    def get_job_status(self, external_id: str, context: Context) -> str:
        """`running`, `succeeded`, `failed` or `lost`."""
        return status_of(runner.look(self._folder(external_id)))

    def get_job_result(self, external_id: str, context: Context) -> ProcessResult:
        """Its exit status and its output."""
        folder = self._folder(external_id)
        exit_status = runner.look(folder)["exit_status"]
        if exit_status is None:
            raise StatestoreError(f"The process of {folder} has left no exit status.")
        return ProcessResult(exit_status, folder / runner.OUTPUT, folder / runner.ERROR)

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Ask its process group to end (SIGTERM)."""
        runner.cancel(self._folder(external_id))

    def _folder(self, external_id: str) -> Path:
        host, _, _, token = external_id.split(":", 3)
        _require_host(host, token)
        return self.folder / token
