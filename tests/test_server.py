"""The `server` fixture: a real web server that tests may stop, kill and start."""

import json
import resource
import socket
import urllib.request
from contextlib import ExitStack

import pytest

from tests.server import Server, answers

CLIENTS = 1_100  # more than granian takes unless told otherwise


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


def test_it_answers_while_a_thousand_keep_their_connections(server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CLIENTS + 400), hard))
    asked = b"GET /api/v2/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with ExitStack() as clients:
        for _ in range(CLIENTS):
            address = ("127.0.0.1", server.port)
            client = clients.enter_context(socket.create_connection(address, timeout=10))
            client.sendall(asked)
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.slow
def test_it_comes_back_on_the_same_port_after_a_kill(server: Server) -> None:
    server.kill()
    assert not answers(server.url)
    server.start()
    assert health(server) == {"status": "ok"}
