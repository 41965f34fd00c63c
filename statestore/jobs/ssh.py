"""An operating-system process on another host, started over `ssh`, that outlives every connection.

As in `process.py`, each submission has a folder named after its token, which one runner can claim. Here
the folder is on the other host, and `process_runner.py` is sent there with each request: that host needs
a shell, Python 3.8 or newer, and nothing of this project.
"""

import base64
import json
import os
import re
import secrets
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Unpack

from statestore.jobs import process_runner as runner
from statestore.jobs.polling import Options, PollingJob
from statestore.jobs.process import RUNNING, SUCCEEDED, status_of
from statestore.sdk.deciding import Context
from statestore.sdk.errors import JobSystemUnreachableError, StatestoreError

OUTPUT_BYTES: Final = 65_536

_SOURCE: Final = Path(runner.__file__).read_text()
_RECEIVE: Final = (  # what the Python there is started with
    'import json, sys; sys.version_info < (3, 8) and sys.exit("Python 3.8 is needed"); '
    'request = json.load(sys.stdin); runner = {"__name__": "runner"}; '
    'exec(request["source"], runner); runner["answer"](request)'
)
_NO_PROGRAM: Final = {126, 127}  # a shell's exit statuses
_SSH_FAILED: Final = 255
_REFUSED: Final = re.compile(
    r"Permission denied|Host key verification failed|Too many authentication failures"
    r"|Bad configuration option|ControlPath too long",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SshProcessResult:
    """How a process on another host ended."""

    exit_status: int
    """0, or the command's exit status; negative: the number of the signal that ended it."""
    output: str
    """The last 64 KiB of what it wrote to standard output."""
    error: str
    """The same of standard error."""
    folder: PurePosixPath
    """Where the files `output` and `error` are, whole, on that host."""


class SshProcessJob(PollingJob):
    """Runs a command as a process of another host.

    Args:
        command: the program and its arguments.
        host: as `ssh` takes it: `user@worker7`, or a name of its configuration. Names of the
            same machine may change; a job is refused where its name means another one.
        folder: where the submissions keep their files on that host; a relative path begins in the
            user's home. The same for every attempt.
        cwd: the folder of that host that the command runs in; by default the user's home.
        environment: variables beside those that `sshd` sets.
        python: the host's Python, 3.8 or newer.
        ssh: the program, and options that come before ours: `ssh -p 2222 -i key`, or as a list.
        timeout: seconds that one request may take before the host counts as unreachable.
        options: those of every `PollingJob`.
    """

    active = frozenset({RUNNING})
    succeeded = frozenset({SUCCEEDED})
    submit_seconds = 0.0  # a folder is claimed once, however many runners are started

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        host: str,
        folder: str | os.PathLike[str],
        cwd: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
        python: str = "python3",
        ssh: str | Sequence[str] = "ssh",
        timeout: float = 30.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        if not host or host.startswith("-"):
            raise ValueError(
                f"host must be a name that ssh knows, such as user@worker7, not {host!r}"
            )
        self.command = [os.fspath(part) for part in command]
        self.host, self.python, self.timeout = host, python, timeout
        self.ssh = shlex.split(ssh) if isinstance(ssh, str) else list(ssh)
        self.folder = PurePosixPath(folder)
        self.cwd = os.fspath(cwd or ".")
        self.environment = dict(environment or {})

    def submit_job(self, context: Context) -> str:
        """Start a runner there, and wait until it, or one before it, has claimed the job."""
        token = context["submission"].token
        job = {"command": self.command, "cwd": self.cwd, "environment": self.environment}
        return self._id(self._ask("submit", token, job=job), token)

    def find_job(self, token: str, context: Context) -> str | None:
        """The job whose runner has claimed the token's folder."""
        seen = self._ask("look", token)
        return None if seen["claim"] is None else self._id(seen, token)

    def get_job_status(self, external_id: str, context: Context) -> str:
        """`running`, `succeeded`, `failed` or `lost`."""
        return status_of(self._ask_about(external_id, "look"))

    def get_job_result(self, external_id: str, context: Context) -> SshProcessResult:
        """Its exit status and the end of its output."""
        seen = self._ask_about(external_id, "result", bytes=OUTPUT_BYTES)
        if seen["exit_status"] is None:
            raise StatestoreError(f"The process {external_id} has left no exit status.")
        output, error = (
            base64.b64decode(seen[name]).decode(errors="replace")
            for name in (runner.OUTPUT, runner.ERROR)
        )
        return SshProcessResult(seen["exit_status"], output, error, PurePosixPath(seen["folder"]))

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Ask its process group to end (SIGTERM)."""
        self._ask_about(external_id, "cancel")

    def _id(self, seen: Mapping[str, Any], token: str) -> str:
        claim = seen["claim"]
        return f"{claim.get('machine', claim['host'])}:{claim['pid']}:{claim['started']}:{token}"

    def _ask_about(self, external_id: str, action: str, **more: Any) -> dict[str, Any]:
        """As `_ask`, of a job, and only of the machine that runs it, by whichever of its names."""
        names, _, _, token = external_id.rsplit(":", 3)
        machine = names.rpartition(":")[2]  # ids once had the name that ssh was given in front
        seen = self._ask(action, token, **more)
        if machine not in {seen["machine"], seen["host"]}:
            raise StatestoreError(
                f"The process {token} was started on the machine {machine}, and {self.host} is"
                f" {seen['machine']}: name the host that is the former, or clear the task's keys."
            )
        return seen

    def _ask(self, action: str, token: str, **more: Any) -> dict[str, Any]:
        """What the runner there answers.

        Raises:
            JobSystemUnreachableError: the host did not answer, or the connection was lost meanwhile.
        """
        mark = secrets.token_hex(8)  # a shell may print a greeting of its own
        request = {"action": action, "folder": str(self.folder / token), "mark": mark, **more}
        ended = self._run(json.dumps({**request, "source": _SOURCE}))
        _, marked, rest = ended.stdout.rpartition(f"\n{mark}")
        answer, newline, _ = rest.partition("\n")
        if marked and newline:  # it is whole
            seen: dict[str, Any] = json.loads(answer)
            if "problem" in seen:
                raise StatestoreError(f"{self.host}: {seen['problem']}")
            return seen
        said = ended.stderr.strip() or f"ssh ended with {ended.returncode}"
        if ended.returncode in _NO_PROGRAM:
            raise StatestoreError(f"{self.host} cannot run {self.python}: {said}")
        if ended.returncode == _SSH_FAILED and not _REFUSED.search(said):
            raise JobSystemUnreachableError(f"{self.host} cannot be reached: {said}")
        raise StatestoreError(f"{self.host}: {said}")

    def _run(self, request: str) -> subprocess.CompletedProcess[str]:
        seconds = max(1, int(self.timeout / 2))
        told = {"BatchMode": "yes", "ConnectTimeout": seconds, "ServerAliveInterval": seconds}
        words = [f"-o{name}={value}" for name, value in told.items()]
        there = [self.python, "-I", "-c", _RECEIVE]
        try:
            return subprocess.run(  # noqa: S603 - ssh, without a shell here
                [*self.ssh, *words, "-T", "--", self.host, shlex.join(there)],
                input=request,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise JobSystemUnreachableError(
                f"{self.host} had no answer in {self.timeout:g} s."
            ) from None
        except FileNotFoundError:
            raise StatestoreError(
                f"The command {self.ssh[0]} is not there: install OpenSSH's client."
            ) from None
