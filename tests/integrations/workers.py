"""Real Celery workers in processes of their own, to be killed."""

import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis

from statestore.protocol import TaskScope
from tests.brokers import delete_queue
from tests.integrations.celery_app import new_app
from tests.server import ROOT, Server


@dataclass
class Workers:
    """Celery workers on one queue of a broker, which work with the server."""

    url: str
    server: Server
    folder: Path
    queue: str = field(default_factory=lambda: f"statestore-test-{uuid.uuid4().hex[:12]}")
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, concurrency: int = 1, *, control: bool = False) -> subprocess.Popen[bytes]:
        """Start a worker, with a process for each task that it may run at once."""
        command = [sys.executable, "-m", "celery", "-A", "tests.integrations.celery_app", "worker"]
        command += ["--pool", "prefork", "--concurrency", str(concurrency), "--queues", self.queue]
        command += ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]
        environment = {
            **os.environ,
            "STATESTORE_URL": self.server.url,
            "STATESTORE_TOKEN": self.server.token,
            "STATESTORE_TEST_APP": f"{self.url}|{self.queue}",
            "STATESTORE_TEST_FOLDER": str(self.folder),
        }
        # A task's worker knows nothing of Django; what runs the tests does.
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        if control:
            environment["STATESTORE_TEST_CONTROL"] = "1"
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                command, env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        self.running.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """End a worker and its processes as a power cut would."""
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        self.running.remove(worker)

    def have_received(self, messages: int) -> bool:
        """Whether they have received so many messages, redelivered ones too."""
        return (self.folder / "worker.log").read_text().count("] received\n") >= messages

    def stop(self) -> None:
        """End what runs; nothing of it is needed any more."""
        for worker in list(self.running):
            self.kill(worker)
        if self.url.startswith("redis"):
            with redis.Redis.from_url(self.url) as client:
                for key in client.scan_iter(f"{self.queue}.*"):
                    client.delete(key)
        elif not self.url.startswith("filesystem"):
            delete_queue(self.url, self.queue)

    def send(
        self, task: str, *args: object, task_id: str | None = None, expires: float | None = None
    ) -> TaskScope:
        """Send a message; the scope that its task should have."""
        with new_app(self.url, self.queue, self.folder) as app:
            sent = app.send_task(task, args, task_id=task_id, expires=expires)
        return TaskScope("work", sent.id, task)

    def revoke(self, task_id: str, *, terminate: bool) -> None:
        """Have the workers give a task up."""
        with new_app(self.url, self.queue, self.folder) as app:
            app.control.revoke(task_id, terminate=terminate)

    def notes(self, count: int, *, file: str = "notes", seconds: float = 40) -> list[str]:
        """What the tasks wrote down, once there are so many lines."""
        return self._lines(self.folder / file, count, time.monotonic() + seconds)

    def _lines(self, file: Path, count: int, end: float) -> list[str]:
        while not file.exists() or len(lines := file.read_text().splitlines()) < count:
            assert time.monotonic() < end, (self.folder / "worker.log").read_text()
            time.sleep(0.02)
        return lines
