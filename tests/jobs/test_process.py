"""ProcessJob, with real processes."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from statestore.jobs import process_runner as runner
from statestore.jobs.process import FAILED, LOST, RUNNING, SUCCEEDED, ProcessJob
from statestore.sdk import (
    JobFailedError,
    StateStore,
    StatestoreError,
    Submission,
    SubmissionState,
    TaskContext,
)
from tests.server import Server

pytestmark = pytest.mark.slow  # which database the server has makes no difference

NewJob = Callable[..., ProcessJob]
Attempt = Callable[[], TaskContext]
FOREVER = "echo run >> runs; exec sleep 600"


def reserved(token: str) -> dict[str, Submission]:
    return {"submission": Submission(token, 1, SubmissionState.RESERVED)}


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def process_of(folder: Path, token: str, name: str) -> int:
    """The process id of a job's runner or command, once it is there."""
    until(lambda: runner.read(folder / token / name))
    return int((runner.read(folder / token / name) or {})["pid"])


def test_its_result_is_the_exit_status_and_the_output(job: NewJob, attempt: Attempt) -> None:
    result = job("echo out; echo problem >&2").execute_resumable(attempt())
    assert result.exit_status == 0
    assert result.output.read_text() == "out\n"
    assert result.error.read_text() == "problem\n"


def test_it_runs_in_its_folder_with_its_environment(
    job: NewJob, attempt: Attempt, tmp_path: Path
) -> None:
    result = job('pwd; echo "$REGION"', REGION="eu/ü").execute_resumable(attempt())
    assert result.output.read_text() == f"{tmp_path}\neu/ü\n"


def test_it_leads_a_session_of_its_own(job: NewJob, folder: Path) -> None:
    job(FOREVER).submit_job(reserved("own"))
    assert os.getsid(process_of(folder, "own", runner.COMMAND)) != os.getsid(0)


def test_a_failed_command_fails_the_attempt_and_the_next_one_starts_it_afresh(
    job: NewJob, attempt: Attempt, tmp_path: Path
) -> None:
    flaky = job("echo run >> runs; test $(wc -l < runs) -gt 1")
    with pytest.raises(JobFailedError, match="failed"):
        flaky.execute_resumable(attempt())
    context = attempt()
    assert flaky.execute_resumable(context).exit_status == 0
    assert context["submission"].generation == 2
    assert (tmp_path / "runs").read_text() == "run\n" * 2


def test_a_command_that_does_not_exist_ends_with_127_and_says_so(folder: Path) -> None:
    job = ProcessJob(["no-such-command-here"], folder=folder)
    external_id = job.submit_job(reserved("missing"))
    until(lambda: job.get_job_status(external_id, {}) != RUNNING)
    assert job.get_job_status(external_id, {}) == FAILED
    result = job.get_job_result(external_id, {})
    assert result.exit_status == 127
    assert "no-such-command-here: " in result.error.read_text()


def test_a_command_that_a_signal_ends_has_its_negative_number(job: NewJob) -> None:
    killed = job("kill -9 $$")
    external_id = killed.submit_job(reserved("killed"))
    until(lambda: killed.get_job_status(external_id, {}) != RUNNING)
    assert killed.get_job_result(external_id, {}).exit_status == -signal.SIGKILL


def test_a_second_submission_of_a_token_starts_nothing(job: NewJob, tmp_path: Path) -> None:
    once = job("echo run >> runs")
    first = once.submit_job(reserved("once"))
    assert once.submit_job(reserved("once")) == first
    until(lambda: once.get_job_status(first, {}) == SUCCEEDED)
    assert once.submit_job(reserved("once")) == first
    assert (tmp_path / "runs").read_text() == "run\n"


def test_of_many_submissions_at_once_one_starts_the_process(job: NewJob, tmp_path: Path) -> None:
    for number in range(20):
        racing = job(f"echo run >> runs-{number}")
        barrier = Barrier(2)

        def submit(
            _: int, job: ProcessJob = racing, race: int = number, at: Barrier = barrier
        ) -> str:
            at.wait(20)
            return job.submit_job(reserved(f"race-{race}"))

        with ThreadPoolExecutor(2) as workers:
            first, second = workers.map(submit, range(2))
        assert first == second

        def ended(job: ProcessJob = racing, job_id: str = first) -> bool:
            return job.get_job_status(job_id, {}) == SUCCEEDED

        until(ended)
        assert (tmp_path / f"runs-{number}").read_text() == "run\n"


def test_it_is_found_by_its_token_and_no_other(job: NewJob) -> None:
    running = job(FOREVER)
    assert running.find_job("token", {}) is None
    external_id = running.submit_job(reserved("token"))
    assert running.find_job("token", {}) == external_id
    assert running.find_job("toke", {}) is None


def test_a_job_of_another_host_is_refused_and_not_taken_for_lost(job: NewJob) -> None:
    with pytest.raises(StatestoreError, match=r"elsewhere.* cannot be seen from"):
        job("true").get_job_status("elsewhere:1:2:token", {})


# --- processes are killed ---


def work(url: str, token: str, ids: tuple[str, str, str], job: ProcessJob) -> None:
    """A worker's life: one attempt."""
    with StateStore(url, token) as store, store.task(*ids) as context:
        job.execute_resumable(context)


def test_a_job_outlives_its_worker_and_the_next_attempt_reconnects(
    job: NewJob, attempt: Attempt, server: Server, folder: Path, tmp_path: Path
) -> None:
    slow = job("echo run >> runs; until test -e go; do sleep 0.05; done; echo done")
    context = attempt()
    scope = context.scope
    worker = multiprocessing.get_context("forkserver").Process(
        target=work,
        args=(server.url, server.token, (scope.dag_id, scope.run_id, scope.task_id), slow),
    )
    worker.start()
    until(lambda: context.task_store.get("remote_job_id"))
    assert worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    external_id = context.task_store.get("remote_job_id")
    assert slow.get_job_status(external_id, {}) == RUNNING
    (tmp_path / "go").touch()
    assert slow.execute_resumable(attempt()).output.read_text() == "done\n"
    assert (tmp_path / "runs").read_text() == "run\n"
    assert context.task_store.get("remote_job_id") == external_id


def test_a_command_whose_runner_was_killed_is_still_active(
    job: NewJob, folder: Path, tmp_path: Path
) -> None:
    orphan = job(FOREVER)
    external_id = orphan.submit_job(reserved("orphan"))
    command = process_of(folder, "orphan", runner.COMMAND)
    os.kill(process_of(folder, "orphan", runner.CLAIM), signal.SIGKILL)
    time.sleep(0.1)
    assert orphan.get_job_status(external_id, {}) == RUNNING
    os.kill(command, signal.SIGKILL)
    until(lambda: orphan.get_job_status(external_id, {}) == LOST)


def test_a_job_that_was_killed_with_its_runner_is_lost_and_started_afresh(
    job: NewJob, attempt: Attempt, folder: Path, tmp_path: Path
) -> None:
    first = attempt()
    unlucky = job("echo run >> runs; test $(wc -l < runs) -gt 1 || exec sleep 600; echo second")
    with ThreadPoolExecutor(1) as worker:
        lost = worker.submit(unlucky.execute_resumable, first)
        until(lambda: first.task_store.get("remote_job_id"))
        token = first.task_store.get("remote_job_id.submission")["token"]
        for name in (runner.CLAIM, runner.COMMAND):
            os.kill(process_of(folder, token, name), signal.SIGKILL)
        with pytest.raises(JobFailedError, match="lost"):
            lost.result(20)
    assert unlucky.execute_resumable(attempt()).output.read_text() == "second\n"
    assert (tmp_path / "runs").read_text() == "run\n" * 2


def test_another_process_with_the_same_id_is_not_taken_for_the_job(
    job: NewJob, folder: Path
) -> None:
    (folder / "old").mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"]) as other:
        real = runner.identity(other.pid)
        for name in (runner.CLAIM, runner.COMMAND):
            runner.write(folder / "old" / name, {**real, "started": "another time"})
        external_id = f"{socket.gethostname()}:{other.pid}:another time:old"
        assert job("true").get_job_status(external_id, {}) == LOST
        runner.write(folder / "old" / runner.COMMAND, real)
        assert job("true").get_job_status(external_id, {}) == RUNNING
        other.kill()


def test_cancelling_ends_the_command_and_its_children(job: NewJob, tmp_path: Path) -> None:
    parent = job("sleep 600 & echo $! > child; wait")
    external_id = parent.submit_job(reserved("cancelled"))
    until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip())
    child = int((tmp_path / "child").read_text())
    parent.cancel_job(external_id, {})
    until(lambda: parent.get_job_status(external_id, {}) == FAILED)
    assert parent.get_job_result(external_id, {}).exit_status == -signal.SIGTERM
    until(lambda: runner.started(child) is None)
    parent.cancel_job(external_id, {})  # of what has ended does no harm


def test_a_job_that_is_cancelled_before_it_begins_does_not_run(
    job: NewJob, folder: Path, tmp_path: Path
) -> None:
    early = job("echo run >> runs")
    mine = folder / "early"
    runner.prepare(mine, {"command": early.command, "cwd": early.cwd, "environment": {}})
    steps = "runner.claim(folder); runner.cancel(folder); runner.run(folder)"
    imports = "from pathlib import Path; from statestore.jobs import process_runner as runner"
    line = f"{imports}; folder = Path({str(mine)!r}); {steps}"
    subprocess.run([sys.executable, "-c", line], check=True)
    external_id = early.find_job("early", {})
    assert external_id is not None
    assert early.get_job_result(external_id, {}).exit_status == -signal.SIGTERM
    assert not (tmp_path / "runs").exists()


def test_cancelling_a_process_that_ends_at_this_moment_does_no_harm(
    job: NewJob, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief = job(FOREVER)
    external_id = brief.submit_job(reserved("brief"))
    command = process_of(folder, "brief", runner.COMMAND)
    os.killpg(command, signal.SIGKILL)
    until(lambda: brief.get_job_status(external_id, {}) == FAILED)
    (folder / "brief" / runner.END).unlink()
    monkeypatch.setattr(runner, "is_alive", lambda _: True)  # as it was a moment ago
    brief.cancel_job(external_id, {})


def test_a_command_that_cannot_begin_says_why(job: NewJob, folder: Path) -> None:
    (folder / "full" / runner.OUTPUT).mkdir(parents=True)
    stuck = job("true")
    external_id = stuck.submit_job(reserved("full"))
    with pytest.raises(JobFailedError, match=r"it could not begin: .*Is a directory"):
        stuck.poll_until_complete(external_id, {})


def test_a_job_that_another_host_may_have_started_is_not_taken_for_none(
    job: NewJob, attempt: Attempt
) -> None:
    context, unfinished = attempt(), job("echo")
    context["submission"] = Submission("t-1", 1, SubmissionState.RESERVED, host="elsewhere")
    with pytest.raises(StatestoreError, match=r"elsewhere.* cannot be seen from"):
        unfinished.find_job("t-1", context)


def test_the_id_names_the_host_that_claimed_the_job(job: NewJob, attempt: Attempt) -> None:
    context, ended = attempt(), job("echo")
    ended.execute_resumable(context)
    token = context["submission"].token
    claim = runner.read(ended.folder / token / runner.CLAIM)
    assert claim is not None
    runner.write(ended.folder / token / runner.CLAIM, {**claim, "host": "elsewhere"})

    found = ended.find_job(token, context)

    assert found is not None
    assert found.startswith("elsewhere:")
    with pytest.raises(StatestoreError, match=r"elsewhere.* cannot be seen from"):
        ended.get_job_status(found, context)
