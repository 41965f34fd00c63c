"""The `server` fixture: a real web server that tests may stop, kill and start."""

import json
import os
import re
import resource
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest

from statestore.launcher.processes import web_command
from tests.server import CONNECTIONS, ROOT, Server, answers

CLIENTS = 1_100  # more than granian takes unless told otherwise
SPARE = 400  # file descriptors of this process for all else


def health(server: Server) -> object:
    with urllib.request.urlopen(f"{server.url}/api/v2/healthz", timeout=5) as answer:
        return json.load(answer)


def test_it_answers_and_its_token_is_known(server: Server) -> None:
    assert health(server) == {"status": "ok"}
    request = urllib.request.Request(
        f"{server.url}/api/v2/dags/d/dagRuns/r/taskInstances/t/state-store",
        headers={"Authorization": f"Bearer {server.token}"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert json.load(answer) == {"task_state_store": [], "total_entries": 0}


@pytest.fixture
def few_files() -> Iterator[None]:
    """As few file descriptors as a shell gives a process by default, for what is started meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < CLIENTS + SPARE:
        pytest.skip(f"no process may have {CLIENTS + SPARE} file descriptors here: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_thousand_clients_keep_their_connections(few_files: None, server: Server) -> None:
    server.restart()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (CLIENTS + SPARE, hard))  # for the clients
    with ExitStack() as stack:
        clients = [HTTPConnection("127.0.0.1", server.port, timeout=10) for _ in range(CLIENTS)]
        for client in (*clients, clients[0]):
            stack.callback(client.close)
            client.request("GET", "/api/v2/healthz")
            answer = client.getresponse()
            assert (answer.status, json.load(answer)) == (200, {"status": "ok"})
            assert client.sock is not None  # the server keeps it


@pytest.mark.slow
def test_a_web_process_that_is_killed_is_replaced(server: Server) -> None:
    (worker,) = _web_processes(server)
    os.kill(worker, signal.SIGKILL)
    until = time.monotonic() + 30
    while not (answers(server.url) and worker not in _web_processes(server)):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert health(server) == {"status": "ok"}


def _web_processes(server: Server) -> list[int]:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    return [int(number) for number in children.read_text().split()]


def test_readme_and_launcher_take_as_many_clients() -> None:
    taken = f"--backpressure {CONNECTIONS}"
    assert taken in " ".join(web_command(8000))
    servers = re.findall(r"^granian .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert servers
    assert all(f"{taken} --respawn-failed-workers" in command for command in servers)


@pytest.mark.slow
def test_it_comes_back_on_the_same_port_after_a_kill(server: Server) -> None:
    server.kill()
    assert not answers(server.url)
    server.start()
    assert health(server) == {"status": "ok"}
