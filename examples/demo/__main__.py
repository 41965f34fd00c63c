"""Shows the main job: two tasks lose their worker in the middle, and the next one goes on from there."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django

from examples.demo.app import FOLDER, app, compress_folder, verify_packages
from examples.demo.packages import recorded_files
from statestore.sdk import StateStore, TaskStore

WATCHED_SECONDS = 20.0  # how long the paced task would take without the kill
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
    folder = str(Path(django.__file__).parent)
    verify_packages.apply_async(
        [], {"files_per_second": files_per_second}, task_id=f"{run}.verify", root_id=run
    )
    compress_folder.apply_async([folder], task_id=f"{run}.compress", root_id=run)


class Run:
    """The stores of both tasks of a run, read from outside as anyone may."""

    def __init__(self, store: StateStore, run: str) -> None:
        self.verify: TaskStore = store.task("demo", run, "verify_packages").task_store
        self.compress: TaskStore = store.task("demo", run, "compress_folder").task_store

    def is_in_the_middle(self, total: int) -> bool:
        """Whether a fifth is verified and the external job runs."""
        done = self.verify.get("last_package", default={}).get("files", 0)
        return done > total / 5 and self.compress.get("remote_job_id") is not None

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
    worker = Worker()
    say(
        f"demo  Two Celery tasks start in worker {worker.pid}; watch them at {os.environ['STATESTORE_URL']}/"
    )
    say(
        f"      verify_packages: the SHA-256 of {total:,} installed files, paced so that you can watch"
    )
    say("      compress_folder: an external process that compresses Django's folder")
    send(name, files_per_second=total / WATCHED_SECONDS)
    try:
        wait_for("the middle of both tasks", lambda: run.is_in_the_middle(total))
        job = run.compress.get("remote_job_id")
        worker.kill()
        in_the_middle = run.compress.get("result") is None
        say(f"demo  Worker {worker.pid} was killed with SIGKILL in the middle of both.")
        say(
            f"      The store has: {run.verify.get('last_package')['files']:,} files verified, job {job}"
        )
        worker = Worker()
        say(f"demo  Worker {worker.pid} gets the same two messages again.")
        send(name, files_per_second=total / WATCHED_SECONDS)
        results = wait_for("the second attempt", run.results)
        say("demo  Both tasks are done. Now the same once more, undisturbed, to compare.")
        send(f"{name}-undisturbed")
        expected = wait_for("the undisturbed run", undisturbed.results)
        return report(run, name, job, results, expected, total) if in_the_middle else too_fast()
    finally:
        worker.stop()


def too_fast() -> int:
    """This machine was done before the kill: what was shown shows nothing."""
    say("      WRONG The job had ended before its worker was killed. Try again.")
    return 1


def report(run: Run, name: str, job: str, results: Any, expected: Any, total: int) -> int:
    """Compare, and say what happened; 0 where all of it is as it should be."""
    skipped = run.verify.get("skipped_by_attempt_2", default=0)
    submission = run.compress.get("remote_job_id.submission")
    started = len(list((FOLDER / "jobs" / name).iterdir()))
    same_job = run.compress.get("remote_job_id") == job and submission["generation"] == started == 1
    checks = {
        f"Attempt 2 skipped {skipped:,} of {total:,} files.": 0 < skipped < total,
        f"The external job was reconnected to: {started} submission, not 2 ({job}).": same_job,
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
