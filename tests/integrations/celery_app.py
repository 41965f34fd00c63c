"""The Celery app of the tests: its workers run it, and the tests send its tasks."""

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery

from statestore.integrations.celery import StatefulTask
from statestore.sdk import StaleAttemptError


def new_app(broker: str, queue: str, folder: Path) -> Celery:
    """An app on a broker; the embedded one keeps its messages in the folder."""
    created = Celery("work", broker=broker, set_as_current=False)
    created.conf.update(
        task_default_queue=queue,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
    )
    if broker.startswith("filesystem"):
        (folder / "messages").mkdir(exist_ok=True)
        folders = {
            "data_folder_in": "messages",
            "data_folder_out": "messages",
            "control_folder": "control",
        }
        created.conf.broker_transport_options = {
            **{name: str(folder / place) for name, place in folders.items()},
            "polling_interval": 0.1,
        }
    elif broker.startswith("redis"):
        # How long Redis waits for a worker that is gone; longer than any task of these tests.
        created.conf.broker_transport_options = {"visibility_timeout": 5}
    return created


def note(folder: str, line: str) -> None:
    """Write down what happened, for the test to read."""
    with (Path(folder) / "notes").open("a") as notes:
        notes.write(f"{line}\n")


def wait_for(file: Path) -> None:
    """Wait until the test, or another delivery, has made a file."""
    end = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def define(app: Celery) -> None:
    """The tasks."""

    @app.task(bind=True, base=StatefulTask, name="count")
    def count(self: Any, pages: int, folder: str) -> None:
        """Load pages; stop at the third until the test goes on, or kills the worker."""
        done = self.task_store.get("last_page", default=0)
        for page in range(done + 1, pages + 1):
            if page == 3 and self.context.attempt == 1:
                (Path(folder) / "in-the-middle").write_text(str(os.getpid()))
                wait_for(Path(folder) / "go")
            self.task_store.set("last_page", page)
            note(folder, f"attempt {self.context.attempt} page {page}")
        note(folder, "done")

    @app.task(bind=True, base=StatefulTask, name="flaky")
    def flaky(self: Any, folder: str) -> None:
        """Succeed at the third try."""
        tries = self.task_store.get("tries", default=0) + 1
        self.task_store.set("tries", tries)
        note(folder, f"{self.task_store.scope} attempt {self.context.attempt} try {tries}")
        if tries < 3:
            raise self.retry(countdown=0.05)

    @app.task(bind=True, base=StatefulTask, name="overtaken")
    def overtaken(self: Any, folder: str) -> None:
        """Write once a second delivery of the same message has started."""
        attempt = self.context.attempt
        (Path(folder) / f"started-{attempt}").touch()
        wait_for(Path(folder) / "started-2")
        try:
            self.task_store.set("writer", attempt)
        except StaleAttemptError:
            note(folder, f"attempt {attempt} is stale")
            raise
        note(folder, f"attempt {attempt} wrote")


if "STATESTORE_TEST_APP" in os.environ:
    app = new_app(
        *os.environ["STATESTORE_TEST_APP"].split("|", 1), Path(os.environ["STATESTORE_TEST_FOLDER"])
    )
    define(app)
