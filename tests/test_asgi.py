"""The ASGI application answers everything else as the WSGI one does."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from statestore.protocol import TaskScope
from tests.server import Server


def path(scope: TaskScope, key: str = "key") -> str:
    task = f"dags/{scope.dag_id}/dagRuns/{scope.run_id}/taskInstances/{scope.task_id}"
    return f"/api/v2/{task}/state-store/{key}"


@pytest.fixture
def client(people_server: Server) -> Iterator[httpx.Client]:
    """Talks to it, with a token."""
    headers = {"Authorization": f"Bearer {people_server.token}"}
    with httpx.Client(base_url=people_server.url, headers=headers) as client:
        yield client


def test_it_takes_and_gives_state(client: httpx.Client, scope: TaskScope) -> None:
    value = {"größe": "x" * 60_000}
    assert client.put(path(scope), json={"value": value}).status_code == 204
    assert client.get(path(scope)).json()["value"] == value


def test_it_takes_a_body_in_chunks(client: httpx.Client, scope: TaskScope) -> None:
    chunks = iter([b'{"value": ', b"[1, 2]}"])
    headers = {"Content-Type": "application/json"}
    assert client.put(path(scope), content=chunks, headers=headers).status_code == 204
    assert client.get(path(scope)).json()["value"] == [1, 2]


def test_it_has_headers_once_and_a_length(client: httpx.Client, scope: TaskScope) -> None:
    client.put(path(scope), json={"value": 1})
    answer = client.get(path(scope))
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_a_path_that_is_no_utf8_is_refused(client: httpx.Client, scope: TaskScope) -> None:
    answer = client.put(path(scope, "%FF"), json={"value": 1})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


def test_an_escaped_slash_stays_what_it_is_to_the_other_server(
    server: Server, client: httpx.Client, scope: TaskScope
) -> None:
    token = {"Authorization": f"Bearer {server.token}"}
    asked = path(scope, "a%2Fb")
    assert client.get(asked).status_code == httpx.get(server.url + asked, headers=token).status_code


def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    client: httpx.Client, scope: TaskScope
) -> None:
    body, headers = bytes(8 * 1024 * 1024), {"Content-Type": "application/json"}
    answer = client.put(path(scope), content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_body_that_is_cut_short_changes_nothing(
    people_server: Server, client: httpx.Client, scope: TaskScope
) -> None:
    client.put(path(scope), json={"value": 1})
    with socket.create_connection(("127.0.0.1", people_server.port)) as connection:
        head = f"PUT {path(scope)} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
        head += f"Content-Type: application/json\r\nAuthorization: Bearer {people_server.token}"
        connection.sendall(f'{head}\r\n\r\n{{"value": 2}}'.encode())
    assert client.get(path(scope)).json()["value"] == 1


def test_head_and_204_have_no_body(client: httpx.Client, scope: TaskScope) -> None:
    assert client.put(path(scope), json={"value": 1}).content == b""
    answer = client.head(path(scope))
    assert (answer.status_code, answer.content) == (200, b"")


def test_those_who_go_in_the_middle_keep_no_thread(
    people_server: Server, client: httpx.Client, scope: TaskScope
) -> None:
    """More of them than there are threads: they begin a body, and send no more of it."""
    head = f"PUT {path(scope)} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
    head += f"Content-Type: application/json\r\nAuthorization: Bearer {people_server.token}"
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", people_server.port)) as connection:
            connection.sendall(f"{head}\r\n\r\n{{".encode())
    assert client.put(path(scope), json={"value": 1}, timeout=10).status_code == 204


def test_a_header_with_underscores_passes_for_no_other(
    client: httpx.Client, scope: TaskScope
) -> None:
    def write(**headers: str) -> int:
        return client.put(path(scope), json={"value": 1}, headers=headers).status_code

    assert write() == 204
    assert write(**{"If-None-Match": "*"}) == 412
    assert write(If_None_Match="*") == 204
