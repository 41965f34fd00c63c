"""SshProcessJob, over a real sshd of this host."""

import ast
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from statestore.jobs import process_runner as runner
from statestore.jobs.process import RUNNING
from statestore.jobs.ssh import OUTPUT_BYTES, SshProcessJob
from statestore.sdk import (
    JobSystemUnreachableError,
    StatestoreError,
    Submission,
    SubmissionState,
)
from tests.engines.ssh import Sshd
from tests.jobs.attempts import Attempts, until
from tests.jobs.contract import WAIT_FOR_END, EngineContract, EngineRig

pytestmark = pytest.mark.engine

LOST_ANSWER = """\
#!/bin/sh
# A Python whose first request is done, and not answered.
mkdir "$0.once" 2>/dev/null || exec python3 "$@"
python3 "$@" > "$0.answer"
touch "$0.arrived"
sleep 5
"""
LATE_REQUEST = """\
#!/bin/sh
# A Python whose first request is done only once the file `go` is there.
mkdir "$0.once" 2>/dev/null || exec python3 "$@"
cat > "$0.request"
touch "$0.arrived"
until test -e "$0.go"; do sleep 0.05; done
python3 "$@" < "$0.request" > "$0.answer"
touch "$0.done"
"""


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """The session's server."""
    engine = Sshd(tmp_path_factory.mktemp("ssh"))
    engine.start()
    yield engine
    engine.stop()


class SshRig(EngineRig):
    """Processes of this host: each that was started has left its process id in a file."""

    def __init__(self, folder: Path, sshd: Sshd) -> None:
        super().__init__(folder)
        self.sshd = sshd
        self.unknown_id = f"{runner.machine()}:1:never:ss-none-1"

    def job(self, script: str = WAIT_FOR_END, **options: Any) -> SshProcessJob:
        told: dict[str, Any] = {
            "host": self.sshd.host,
            "folder": self.folder / "jobs",
            "ssh": self.sshd.ssh,
        }
        told |= {"poll_interval": 0.05, "timeout": 20, **options}
        command = ["/bin/sh", "-c", f'echo $$ >> "$0/started"; {script}', str(self.folder)]
        return SshProcessJob(command, **told)

    def submissions(self) -> list[str]:
        file = self.folder / "started"
        return file.read_text().split() if file.exists() else []

    def running(self) -> list[str]:
        return [pid for pid in self.submissions() if runner.started(int(pid))]

    def restart(self) -> None:
        with self.away():
            pass

    def away(self) -> AbstractContextManager[None]:
        return self.sshd.away()

    def python(self, script: str) -> Path:
        """A Python on that host that behaves as the script says."""
        program = self.folder / "python"
        program.write_text(script)
        program.chmod(0o755)
        return program


@pytest.fixture
def rig(sshd: Sshd, folder: Path, tmp_path: Path) -> SshRig:
    """`folder` kills what is left."""
    return SshRig(tmp_path, sshd)


class TestSshProcessJob(EngineContract):
    """The contract."""


def reserved(token: str) -> dict[str, Submission]:
    return {"submission": Submission(token, 1, SubmissionState.RESERVED)}


def ended(job: SshProcessJob, token: str = "token") -> str:
    """The id of a job that was submitted, and has ended."""
    external_id = job.submit_job(reserved(token))
    until(lambda: job.get_job_status(external_id, {}) != RUNNING)
    return external_id


# --- connections are lost ---


def test_a_submission_whose_answer_is_lost_is_found(rig: SshRig, task: Attempts) -> None:
    python = rig.python(LOST_ANSWER)
    attempt = task.start(rig.job(python=str(python)))
    until(Path(f"{python}.arrived").exists)
    rig.sshd.cut()
    rig.end()
    outcome = attempt.outcome()
    assert outcome.error is None, outcome
    assert len(rig.submissions()) == 1
    assert "after submit_job" not in task.steps
    assert task.steps.count("after find_job") == 1


def test_a_request_that_arrives_after_the_next_one_starts_nothing(
    rig: SshRig, task: Attempts
) -> None:
    python = rig.python(LATE_REQUEST)
    attempt = task.start(rig.job(python=str(python)))
    until(Path(f"{python}.arrived").exists)
    rig.sshd.cut()
    task.has_come_to("after submit_job")
    Path(f"{python}.go").touch()
    until(Path(f"{python}.done").exists)
    rig.end()
    outcome = attempt.outcome()
    assert outcome.error is None, outcome
    assert task.steps.count("before submit_job") == 2
    assert len(rig.submissions()) == 1


def test_a_host_that_says_nothing_is_unreachable(rig: SshRig) -> None:
    job = rig.job()
    external_id = job.submit_job(reserved("silent"))
    with rig.sshd.silent(), pytest.raises(JobSystemUnreachableError):
        rig.job(timeout=1).get_job_status(external_id, {})
    assert job.get_job_status(external_id, {}) == RUNNING


def test_one_connection_can_serve_all_requests(rig: SshRig) -> None:
    shared = ["-oControlMaster=auto", "-oControlPersist=10", f"-oControlPath={rig.sshd.folder}/c"]
    job = rig.job("true", ssh=[*rig.sshd.ssh, *shared])
    external_id = ended(job)
    with rig.away():  # a connection that is there goes on
        assert job.get_job_result(external_id, {}).exit_status == 0
    rig.sshd.cut()


# --- what it runs ---


def test_its_result_is_the_exit_status_and_the_end_of_its_output(
    rig: SshRig, task: Attempts
) -> None:
    job = rig.job("pwd; echo $REGION; echo problem >&2", cwd="/", environment={"REGION": "eu/ü"})
    result = job.get_job_result(ended(job), {})
    assert (result.exit_status, result.output, result.error) == (0, "/\neu/ü\n", "problem\n")
    assert (Path(result.folder) / "output").read_text() == result.output
    job = rig.job("head -c 100000 /dev/zero | tr '\\0' x; echo; kill -9 $$")
    result = job.get_job_result(ended(job, "long"), {})
    assert result.exit_status == -signal.SIGKILL
    assert result.output == f"{'x' * (OUTPUT_BYTES - 1)}\n"


def test_it_begins_at_home_as_do_relative_folders(rig: SshRig) -> None:
    job = rig.job("pwd", folder=os.path.relpath(rig.folder / "jobs", Path.home()))
    assert job.get_job_result(ended(job), {}).output == f"{Path.home()}\n"
    assert (rig.folder / "jobs" / "token").is_dir()


def test_cancelling_ends_the_command_and_its_children(rig: SshRig) -> None:
    job = rig.job('sleep 600 & echo $! > "$0/child"; wait')
    external_id = job.submit_job(reserved("cancelled"))
    child = int(until(lambda: (rig.folder / "child").exists() and _text(rig.folder / "child")))
    job.cancel_job(external_id, {})
    until(lambda: job.get_job_status(external_id, {}) != RUNNING)
    assert job.get_job_result(external_id, {}).exit_status == -signal.SIGTERM
    until(lambda: runner.started(child) is None)


# --- what cannot be ---


def test_a_process_of_another_host_is_refused_and_not_taken_for_lost(rig: SshRig) -> None:
    job = rig.job("true")
    external_id = ended(job)
    name, slash, machine_id = runner.machine().partition("/")
    for other in (f"otherbox{slash}{machine_id}", f"{name}/0123456789ab"):
        with pytest.raises(StatestoreError, match=f"was started on the machine {other}, and .* is"):
            job.get_job_status(external_id.replace(runner.machine(), other), {})


def test_a_host_may_be_spelled_in_another_way(rig: SshRig, task: Attempts) -> None:
    alias = ["-oHostName=127.0.0.1", f"-oHostKeyAlias=[127.0.0.1]:{rig.sshd.port}"]
    first = task.start(rig.job())
    until(rig.running)
    again = rig.job(host="worker7.example.com", ssh=[*rig.sshd.ssh, *alias])
    external_id = until(lambda: task.keys().get("remote_job_id"))
    assert again.get_job_status(external_id, {}) == RUNNING
    assert again.find_job(external_id.rpartition(":")[2], {}) == external_id
    rig.end()
    assert first.outcome().error is None
    assert task.run(again).error is None
    assert len(rig.submissions()) == 1


def test_what_another_try_would_not_mend_is_no_outage(rig: SshRig) -> None:
    nobody = [word for word in rig.sshd.ssh if not word.endswith("/key") and word != "-i"]
    stranger = [*rig.sshd.ssh, "-oHostKeyAlias=stranger"]
    wrong: dict[str, dict[str, Any]] = {
        "cannot run nopython: .*not found": {"python": "nopython"},
        "Permission denied": {"ssh": [*nobody, "-oIdentityFile=/dev/null"]},
        "Host key verification failed": {"ssh": stranger},
        "No such file or directory: '/proc/jobs": {"folder": "/proc/jobs"},
        "is not there: install OpenSSH's client": {"ssh": "no-such-ssh"},
    }
    for message, options in wrong.items():
        with pytest.raises(StatestoreError, match=message) as raised:
            rig.job("true", **options).submit_job(reserved("wrong"))
        assert not isinstance(raised.value, JobSystemUnreachableError)
    assert rig.submissions() == []


def test_what_a_shell_says_by_itself_is_no_answer(rig: SshRig) -> None:
    chatty = rig.python('#!/bin/sh\necho Welcome; python3 "$@"; printf "Bye"\n')
    job = rig.job("true", python=str(chatty))
    assert job.get_job_result(ended(job), {}).exit_status == 0
    silent = rig.python("#!/bin/sh\necho Welcome\n")
    with pytest.raises(StatestoreError, match="ssh ended with 0"):
        rig.job("true", python=str(silent)).submit_job(reserved("silent"))


def test_a_host_cannot_be_an_option_of_ssh() -> None:
    with pytest.raises(ValueError, match="must be a name that ssh knows"):
        SshProcessJob(["true"], host="-oProxyCommand=true", folder="jobs")


def test_the_runner_is_a_program_for_older_pythons() -> None:
    ast.parse(Path(runner.__file__).read_text(), feature_version=(3, 8))


def _text(file: Path) -> str:
    return file.read_text().strip()
