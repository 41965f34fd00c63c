"""The message brokers that tests use: the embedded one, Redis and RabbitMQ."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator

from kombu.connection import Connection
from kombu.exceptions import OperationalError

from tests.missing import missing
from tests.ports import free_port

SCHEMES = {"redis": ("redis://", "rediss://"), "rabbitmq": ("amqp://", "amqps://", "pyamqp://")}
LOCAL = {"redis": "redis://127.0.0.1:6379/0", "rabbitmq": "amqp://guest:guest@127.0.0.1:5672//"}
REMEDIES = {
    "redis": "install redis-server, or set CELERY_BROKER_URL=redis://host/0",
    "rabbitmq": "start RabbitMQ here, or set CELERY_BROKER_URL=amqp://user:password@host//",
}
NAMES = ["filesystem", "redis", "rabbitmq"]


@contextlib.contextmanager
def broker(name: str) -> Iterator[str]:
    """The URL of a broker: CELERY_BROKER_URL's, a local one, or one that is started here."""
    if name == "filesystem":
        yield "filesystem://"
        return
    chosen = os.environ.get("STATESTORE_TEST_BROKER", "")
    for url in (chosen if chosen.startswith(SCHEMES[name]) else "", LOCAL[name]):
        if url and reachable(url):
            yield url
            return
    program = shutil.which("redis-server")
    if name == "rabbitmq" or program is None:
        missing({"redis": "Redis", "rabbitmq": "RabbitMQ"}[name], REMEDIES[name])
    with _redis(program) as url:
        yield url


def reachable(url: str) -> bool:
    """Whether a broker answers there."""
    with Connection(url, connect_timeout=3) as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0.1)
        except (OperationalError, OSError):
            return False
    return True


@contextlib.contextmanager
def _redis(program: str) -> Iterator[str]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        options = f"--bind 127.0.0.1 --port {port} --dir {folder} --save".split()
        process = subprocess.Popen([program, *options, ""], stdout=subprocess.DEVNULL)
        try:
            url, end = f"redis://127.0.0.1:{port}/0", time.monotonic() + 20
            while not reachable(url):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("redis-server did not start")
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def delete_queue(url: str, queue: str) -> None:
    """Leave nothing of a test on a broker that others use."""
    with Connection(url) as connection:
        channel = connection.default_channel
        channel.queue_delete(queue)
        if url.startswith(SCHEMES["rabbitmq"]):
            channel.exchange_delete(queue)
        else:
            channel.client.delete(f"_kombu.binding.{queue}", f"_kombu.binding_permanent.{queue}")
