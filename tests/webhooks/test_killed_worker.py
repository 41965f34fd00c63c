"""A real Celery worker is killed in the middle of a delivery: another one sends it again."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from statestore.launcher.processes import worker_command
from tests.receiver import receiving
from tests.server import ROOT, Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]
MAKE = """
from statestore import services
from statestore.webhooks.events import Event
webhook, secret = services.webhook_create(name={name!r}, url={url!r}, events=[Event.FAILED])
services.webhook_test(webhook_id=webhook.pk)
print(secret)
"""
LEASE_ENDS = """
from datetime import UTC, datetime
from statestore.webhook_models import WebhookDelivery
print(WebhookDelivery.objects.filter(webhook__name={name!r}, state="waiting", tries=1).update(
    due_at=datetime.now(UTC)))
"""


class Workers:
    """Statestore's own workers on a queue of the embedded broker."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.queue, self.folder = f"statestore-test-{uuid.uuid4().hex[:12]}", folder
        self.environment = {
            **server.environment,
            "CELERY_BROKER_URL": "filesystem://",
            "STATESTORE_QUEUE": self.queue,
            "STATESTORE_VAR_DIR": str(folder),
            "STATESTORE_WEBHOOK_HTTP": "true",
            "STATESTORE_WEBHOOK_PRIVATE": "true",
            "SECRET_KEY": "k" * 25 + "0123456789" * 3,
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """Start one."""
        with (self.folder / "worker.log").open("ab") as log:
            name = f"{self.queue}-{len(self.running)}"
            worker = subprocess.Popen(
                worker_command(name), env=self.environment, cwd=ROOT, stdout=log, stderr=log
            )
        self.running.append(worker)
        return worker

    def ask(self) -> None:
        """Send the message that beat sends."""
        messages = str(self.folder / "broker" / "messages")
        with Celery("tests", broker="filesystem://") as app:
            app.conf.broker_transport_options = {
                "data_folder_in": messages,
                "data_folder_out": messages,
                "control_folder": str(self.folder / "broker" / "control"),
            }
            app.send_task("statestore.tasks.send_webhooks", queue=self.queue)


@pytest.fixture
def workers(server: Server, tmp_path: Path) -> Iterator[Workers]:
    """None runs yet."""
    for name in ("messages", "control"):
        (tmp_path / "broker" / name).mkdir(parents=True)
    workers = Workers(server, tmp_path)
    try:
        yield workers
    finally:
        for worker in workers.running:
            worker.kill()
            worker.wait()


def test_what_a_killed_worker_was_sending_arrives_under_the_same_id(
    workers: Workers, server: Server
) -> None:
    name = uuid.uuid4().hex
    with receiving() as receiver:
        receiver.hold.clear()
        first = workers.start()
        make = MAKE.format(name=name, url=receiver.url)
        secret = server.manage("shell", "--verbosity", "0", "--command", make).strip()
        workers.ask()
        sent = receiver.wait(40)
        workers.start()
        first.kill()
        first.wait()
        receiver.hold.set()
        lease_ends = LEASE_ENDS.format(name=name)
        assert server.manage("shell", "--verbosity", "0", "--command", lease_ends).strip() == "1"
        workers.ask()
        again = receiver.wait(40)
        assert again is not sent
        assert again.id == sent.id
        assert sent.signed_by(secret)
        assert again.signed_by(secret)
        assert again.json == sent.json
