"""The servers that are measured: each in processes of its own, with a database of its own."""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from statestore.launcher.processes import beat_command, worker_command
from tests.ports import free_port
from tests.server import ROOT, Server, answers, database_for, environment_for


class Web(NamedTuple):
    """How many web processes there are, and how many threads each has for requests."""

    workers: int
    threads: int


TWO_OF_FOUR = Web(workers=2, threads=4)
"""As README starts it."""
ONE_OF_EIGHT = Web(workers=1, threads=8)
"""Writes single keys faster on some machines whose two cores are PostgreSQL's as well (webs.py)."""


@contextlib.contextmanager
def statestore(database_url: str, web: Web = TWO_OF_FOUR, **settings: str) -> Iterator[Server]:
    """Statestore as it is deployed; `.port` is that of its web server."""
    with tempfile.TemporaryDirectory() as name, database(database_url) as url:
        environment = environment_for(Path(name), url)
        environment |= {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "STATESTORE_LOG_LEVEL": "WARNING",
            **settings,
        }
        server = Server(environment, Path(name) / "server.log", **web._asdict())
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def people(beside: Server) -> Iterator[Server]:
    """One process for people, who are pushed to, over the database of a server."""
    log = Path(beside.environment["STATESTORE_VAR_DIR"]) / "people.log"
    server = Server(beside.environment, log, interface="asginl", token=beside.token)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def bare(beside: Server, web: Web = TWO_OF_FOUR) -> Iterator[str]:
    """The bare view over the database of a server; its URL."""
    port = free_port()
    granian = [sys.executable, "-m", "granian", "--interface", "wsgi"]
    granian += ["--workers", str(web.workers), "--blocking-threads", str(web.threads)]
    granian += ["--host", "127.0.0.1", "--port", str(port)]
    with serving([*granian, "tests.benchmarks.bare:application"], beside.environment, port) as url:
        yield url


@contextlib.contextmanager
def serving(command: list[str], environment: dict[str, str], port: int) -> Iterator[str]:
    """A web server on this port, once it answers; its URL.

    Raises:
        RuntimeError: it does not; with its log.
    """
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 60
            while not answers(url):
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    raise RuntimeError(f"{command[2]} did not start:\n{log.read().decode()}")
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def worker(beside: Server) -> contextlib.AbstractContextManager[int]:
    """The worker of a server, as `make run` starts it; its process."""
    return running(worker_command(f"statestore-{beside.port}"), beside.environment)


def beat(beside: Server) -> contextlib.AbstractContextManager[int]:
    """What tells the worker when; its process."""
    return running(beat_command(), beside.environment)


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[int]:
    """A process beside a server; its number."""
    process = subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def database(url: str) -> Iterator[str]:
    """The URL of a new database on this PostgreSQL server; dropped afterwards."""
    before = os.environ.get("DATABASE_URL")
    os.environ["DATABASE_URL"] = url
    folder = Path(tempfile.mkdtemp())
    try:
        with database_for(f"statestore_bench_{uuid.uuid4().hex[:8]}", folder) as made:
            yield made
    finally:
        shutil.rmtree(folder)
        if before is None:
            del os.environ["DATABASE_URL"]
        else:
            os.environ["DATABASE_URL"] = before
