"""The `server` fixture: a real web server that tests may stop, kill and start."""

import json
import urllib.request

import pytest

from tests.server import Server, answers


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


@pytest.mark.slow
def test_it_comes_back_on_the_same_port_after_a_kill(server: Server) -> None:
    server.kill()
    assert not answers(server.url)
    server.start()
    assert health(server) == {"status": "ok"}
