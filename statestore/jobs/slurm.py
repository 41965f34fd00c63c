"""A batch job of a Slurm cluster, submitted with `sbatch`; its commands are all that is needed.

Slurm knows no client tokens, and forgets a job soon after its end. So a job is submitted with a start
in the far future, where it stays in the queue, and is found by the token in its comment and its name.
Only once its id is stored does the attempt that stored it move the start to now: a job that nobody
knows never runs.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final, Unpack

from statestore.jobs.forgotten import require_seen_end
from statestore.jobs.polling import JobStatus, Options, PollingJob
from statestore.sdk.deciding import Context
from statestore.sdk.errors import JobSystemUnreachableError, StatestoreError

FENCED: Final = "FENCED"
"""Submitted, and not yet let go: the start is in the far future."""
FORGOTTEN: Final = "FORGOTTEN"
"""Slurm does not know the job (any more)."""

_FAR: Final = "2100-06-01"
_AWAY: Final = re.compile(
    r"Unable to contact|timed out|Connection refused|temporarily unable|Zero Bytes|connect failure"
    r"|Unexpected message received",
    re.IGNORECASE,
)
_UNKNOWN_ID: Final = re.compile(r"Invalid job id", re.IGNORECASE)
_OURS: Final = frozenset(
    {"array", "clusters", "comment", "hold", "job-name", "parsable", "test-only", "wait", "wrap"}
)


class SlurmJob(PollingJob):
    """Runs a batch script.

    Args:
        script: the path of the batch script; its own `#SBATCH` lines count.
        arguments: of the script.
        job_name: the name to show; the token is appended.
        sbatch: options of `sbatch` by their long names: `{"partition": "gpu", "exclusive": True}`.
        conf: the path of `slurm.conf`, where it is not where Slurm's commands look for it.
        timeout: seconds that a command may take before the cluster counts as unreachable.
        options: those of every `PollingJob`. `on_unknown` also says what becomes of a job that Slurm has
            forgotten before anybody saw its end (`MinJobAge`, 300 s by default).
    """

    active = frozenset(
        {
            *(FENCED, "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING"),
            *("SUSPENDED", "STOPPED", "RESIZING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD"),
            *("SPECIAL_EXIT", "RESV_DEL_HOLD"),
        }
    )
    succeeded = frozenset({"COMPLETED"})
    submit_seconds = 0.0  # a job that comes too late stays held, and is cancelled
    held = frozenset({FENCED})

    def __init__(
        self,
        script: str | os.PathLike[str],
        *,
        arguments: Sequence[str] = (),
        job_name: str = "",
        sbatch: Mapping[str, str | int | bool] | None = None,
        conf: str | os.PathLike[str] | None = None,
        timeout: float = 60.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.script, self.arguments = os.fspath(script), list(arguments)
        self.job_name, self.timeout = job_name, timeout
        self.sbatch = dict(sbatch or {})
        self.conf = None if conf is None else os.fspath(conf)
        if taken := _OURS & self.sbatch.keys():
            raise ValueError(
                f"sbatch's options {sorted(taken)} cannot be used here: one SlurmJob is one job, which"
                " is found by its name and its comment. Instead of an array run mapped tasks."
            )

    def submit_job(self, context: Context) -> str:
        """Submit the script, to start in the far future."""
        token = context["submission"].token
        name = f"{self.job_name}.{token}" if self.job_name else token
        words = {**self.sbatch, "begin": _FAR, "comment": token, "job-name": name}
        answer = self._run("sbatch", "--parsable", *_words(words), self.script, *self.arguments)
        return answer.strip().partition(";")[0]

    def find_job(self, token: str, context: Context) -> str | None:
        """The job that carries the token; one that may run comes before one that was never let go."""
        mine = re.compile(rf"(?<![\w-]){re.escape(token)}(?![\w-])")
        found = []
        for line in self._squeue("%i|%T|%S|%j %k").splitlines():
            job_id, state, start, words = line.split("|", 3)
            if mine.search(words):
                never_ran = _state(state, start) == FENCED or state == "CANCELLED"
                found.append((never_ran, int(job_id), job_id))
        return min(found)[2] if found else None

    def get_job_status(self, external_id: str, context: Context) -> JobStatus:
        """Slurm's state of the job, `FENCED` or `FORGOTTEN`; the message is Slurm's reason."""
        line = self._squeue("%T|%S|%r|%j %k", external_id).strip()
        state, start, reason, words = line.split("|", 3) if line else (FORGOTTEN, "", "", "")
        submission = context.get("submission")
        if submission is not None and submission.token not in words:
            state = FORGOTTEN  # a cluster that was set up anew gives the same ids again
        if state == FORGOTTEN:
            require_seen_end(self, external_id, context, f"Slurm has forgotten job {external_id}")
        return JobStatus(_state(state, start), message=None if reason == "None" else reason or None)

    def release_job(self, external_id: str, context: Context) -> None:
        """Let the job start."""
        begin = str(self.sbatch.get("begin", "now"))
        try:
            self._run("scontrol", "update", f"JobId={external_id}", f"StartTime={begin}")
        except JobSystemUnreachableError:
            raise
        except StatestoreError as problem:
            if "no longer pending" not in str(problem):  # another attempt has let it go
                raise

    def cancel_job(self, external_id: str, context: Context) -> None:
        """Have Slurm end the job; one that has ended, or is unknown, is left as it is."""
        self._run("scancel", external_id)

    def _squeue(self, shown: str, job_id: str | None = None) -> str:
        which = ["--jobs", job_id] if job_id else []
        try:
            return self._run("squeue", "--noheader", "--states=all", *which, "--format", shown)
        except _UnknownIdError:
            return ""

    def _run(self, *command: str) -> str:
        """What one of Slurm's commands prints."""
        environment = {**os.environ, **({"SLURM_CONF": self.conf} if self.conf else {})}
        try:
            ended = subprocess.run(  # noqa: S603 - Slurm's own commands, without a shell
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=self.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise JobSystemUnreachableError(
                f"{command[0]} had no answer in {self.timeout:g} s."
            ) from None
        except FileNotFoundError:
            raise StatestoreError(
                f"The command {command[0]} is not there: install Slurm's client commands."
            ) from None
        if ended.returncode == 0:
            return ended.stdout
        problem = f"{command[0]}: {ended.stderr.strip() or f'exit status {ended.returncode}'}"
        if _AWAY.search(problem):
            raise JobSystemUnreachableError(problem)
        raise (_UnknownIdError if _UNKNOWN_ID.search(problem) else StatestoreError)(problem)


class _UnknownIdError(StatestoreError):
    """Slurm has no such job."""


def _state(state: str, start: str) -> str:
    return FENCED if state == "PENDING" and start.startswith("2100-0") else state


def _words(options: Mapping[str, str | int | bool]) -> list[str]:
    """Options as the command takes them."""
    words = []
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not False:
            words.append(f"--{name}={value}")
    return words
