"""Shows the main job: two tasks lose their worker in the middle, and the next one goes on from there."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django

from examples.demo import gate
from examples.demo.app import FOLDER, GATE, Compression, app, compress_folder, verify_packages
from examples.demo.packages import recorded_files
from statestore.jobs.process import RUNNING
from statestore.sdk import StateStore, TaskStore
from statestore.sdk.deciding import RECONNECT

SOURCE = str(Path(django.__file__).parent)
WATCHED_SECONDS = float(os.environ.get("DEMO_SECONDS", "20"))  # of the paced task, without the kill
PATIENCE = 180.0  # seconds


def say(text: str = "") -> None:
    """Tell the person who watches."""
    print(text, flush=True)  # noqa: T201 - that is its output


class Worker:
    """A real Celery worker process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "celery", "-A", "examples.demo.app", "worker"]
        options = [
            "--pool",
            "threads",
            "--concurrency",
            "2",
            "--loglevel",
            "WARNING",
            "--without-mingle",
        ]
        log = (FOLDER / "worker.log").open("ab")
        self._process = subprocess.Popen(  # noqa: S603 - fixed
            [*command, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        log.close()
        self.pid = self._process.pid

    def kill(self) -> None:
        """End it as a lost host does: SIGKILL, no last word."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it as a deployment does."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


@contextlib.contextmanager
def worker() -> Iterator[Worker]:
    """A worker for as long as the block lasts; the tasks lose nothing where it is interrupted."""
    started = Worker()
    try:
        yield started
    except BaseException:
        started.kill()
        raise
    started.stop()


def wait_for(what: str, found: Callable[[], Any]) -> Any:
    """What `found` returns once it is neither None nor False."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if value := found():
            return value
        time.sleep(0.1)
    raise SystemExit(
        f"The demo gave up: {what} took more than {PATIENCE:.0f} s. See {FOLDER}/worker.log."
    )


def send(run: str, files_per_second: float | None = None) -> None:
    """Send both tasks of a run, with the ids that they always have."""
    verify_packages.apply_async(
        [], {"files_per_second": files_per_second}, task_id=f"{run}.verify", root_id=run
    )
    compress_folder.apply_async([SOURCE], task_id=f"{run}.compress", root_id=run)


@dataclass(frozen=True, slots=True)
class Left:
    """What a worker left when it was lost."""

    files: int
    """How many were verified."""
    job: Any
    """The id of the external job; None where none ran."""


class Run:
    """The stores of both tasks of a run, read from outside as anyone may."""

    def __init__(self, store: StateStore, name: str) -> None:
        self.name = name
        self.verify: TaskStore = store.task("demo", name, "verify_packages").task_store
        self.compress: TaskStore = store.task("demo", name, "compress_folder").task_store

    def verified(self) -> int:
        """How many files are."""
        return int(self.verify.get("last_package", default={}).get("files", 0))

    def running_job(self) -> Any:
        """The id of the external job, while its process runs."""
        job = self.compress.get("remote_job_id")
        if job is None or Compression(self.name, SOURCE).get_job_status(job, {}) != RUNNING:
            return None
        return job

    def second_attempts_have_begun(self) -> bool:
        """Whether both have, and know what the first ones left."""
        found = self.verify.get("skipped_by_attempt_2"), self.compress.get("job_of_attempt_2")
        return None not in found

    def results(self) -> tuple[Any, Any] | None:
        """Both results, once both are there."""
        both = self.verify.get("result"), self.compress.get("result")
        return both if None not in both else None


def main() -> int:
    """Tell the story, and check that it is true."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the worker is stopped too
    logging.getLogger("httpx").setLevel(logging.WARNING)
    store, total = StateStore(), len(recorded_files())
    name = f"demo-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}"
    run, undisturbed = Run(store, name), Run(store, f"{name}-undisturbed")
    app.control.purge()
    with contextlib.ExitStack() as workers:
        # On a machine of any speed, both tasks are in the middle until the second attempt has begun.
        with gate.closed(GATE):
            left = lose_worker(workers.enter_context(worker()), run, total)
            if left is None:
                return 1
            second = workers.enter_context(worker())
            say(f"demo  Worker {second.pid} gets the same two messages again.")
            send(run.name, total / WATCHED_SECONDS)
            wait_for("the start of the second attempt", run.second_attempts_have_begun)
        results = wait_for("the second attempt", run.results)
        say("demo  Both tasks are done. Now the same once more, undisturbed, to compare.")
        send(undisturbed.name)
        expected = wait_for("the undisturbed run", undisturbed.results)
    if len(recorded_files()) != total:
        say(
            "      Packages were installed meanwhile, so that the two runs do not compare: start it again."
        )
        return 1
    return report(run, left, results, expected, total)


def lose_worker(worker: Worker, run: Run, total: int) -> Left | None:
    """Send both tasks, and kill their worker in the middle; what it left, None where it was not that."""
    say(
        f"demo  Two Celery tasks start in worker {worker.pid};"
        f" watch them at {os.environ['STATESTORE_URL']}/"
    )
    say(f"      verify_packages: the SHA-256 of {total:,} installed files, paced for you to watch")
    say("      compress_folder: an external process that compresses Django's folder")
    send(run.name, total / WATCHED_SECONDS)
    wait_for("the middle of both tasks", lambda: run.verified() > total / 5 and run.running_job())
    worker.kill()
    left = Left(run.verified(), run.running_job())
    if run.verify.get("result") is not None or left.job is None:
        say("      WRONG A task had ended before its worker was killed.")
        return None
    say(f"demo  Worker {worker.pid} was killed with SIGKILL in the middle of both.")
    say(f"      The store has: {left.files:,} files verified, job {left.job}, which runs on")
    return left


def report(run: Run, left: Left, results: Any, expected: Any, total: int) -> int:
    """Compare, and say what happened; 0 where all of it is as it should be."""
    skipped = run.verify.get("skipped_by_attempt_2", default=0)
    submission = run.compress.get("remote_job_id.submission")
    started = len(list((FOLDER / "jobs" / run.name).iterdir()))
    same_job = run.compress.get("remote_job_id") == left.job
    reconnected = same_job and run.compress.get("job_of_attempt_2") == RECONNECT
    checks = {
        f"Attempt 2 skipped {skipped:,} of {total:,} files.": left.files <= skipped < total,
        f"The external job was reconnected to: {started} submission, not 2 ({left.job}).": (
            reconnected and submission["generation"] == started == 1
        ),
        f"{results[0]['files']:,} files verified, each once; the digest is that of the undisturbed run.": (
            results[0] == expected[0]
        ),
        "The archive is the same, byte for byte, as that of the undisturbed run.": results[1]
        == expected[1],
    }
    for text, right in checks.items():
        say(f"      {'ok   ' if right else 'WRONG'} {text}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
