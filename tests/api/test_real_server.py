"""What only a real web server shows: its paths, its bodies, its connections, its database gone."""

import contextlib
import http.client
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest
from django.db import OperationalError, connections

from statestore.protocol import LOCK_SECONDS, TaskScope
from tests.api.conftest import task_path
from tests.server import Server


@pytest.fixture
def http_client(server: Server) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.url, headers=headers, follow_redirects=False) as client:
        yield client


def entry_path(scope: TaskScope, key: str) -> str:
    return task_path(scope, f"state-store/{quote(key, safe='')}")


def keys(client: httpx.Client, scope: TaskScope) -> list[str]:
    return [row["key"] for row in client.get(task_path(scope)).json()["task_state_store"]]


def raw(server: Server, request: bytes) -> tuple[int, dict[str, str]]:
    """Status and body of the answer to bytes that no client would send."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, json.loads(response.read() or b"null")


def head(server: Server, method: str, path: str, *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *headers]
    lines += [f"Authorization: Bearer {server.token}", "Content-Type: application/json", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def test_percent_encoded_slashes_reach_keys_and_ids_whole(
    http_client: httpx.Client, scope: TaskScope
) -> None:
    odd = TaskScope("a/b", f"2026-01-01T00:00:00+00:00/{scope.run_id}", "100%/🦆")
    for key in ("part/1", "50%", "a%2Fb", "a+b:c", "?#&", "שלום"):
        assert http_client.put(entry_path(odd, key), json={"value": key}).status_code == 204
        assert http_client.get(entry_path(odd, key)).json()["value"] == key
    assert len(keys(http_client, odd)) == 6


def test_a_slash_at_the_end_is_never_redirected(
    http_client: httpx.Client, scope: TaskScope
) -> None:
    for path in (f"{task_path(scope)}/", f"{entry_path(scope, 'key')}/", "/api/v2/healthz/"):
        for method in ("GET", "PUT", "DELETE"):
            assert not 300 <= http_client.request(method, path, json={"value": 1}).status_code < 400


@pytest.mark.parametrize("encoded", ["%FF", "%C3%28", "a%80b", "%ED%A0%80"])
def test_a_path_that_is_not_utf_8_is_400_and_stores_nothing(
    server: Server, http_client: httpx.Client, scope: TaskScope, encoded: str
) -> None:
    path = f"{task_path(scope)}/{encoded}"
    body = b'{"value": 1}'
    status, answer = raw(server, head(server, "PUT", path, f"Content-Length: {len(body)}") + body)
    assert (status, answer["code"]) == (400, "malformed_request")
    assert keys(http_client, scope) == []


def test_a_chunked_body_is_read_like_any_other(http_client: httpx.Client, scope: TaskScope) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"value": "'
        yield b"x" * 50_000
        yield b'"}'

    path = entry_path(scope, "chunked")
    answer = http_client.put(path, content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 204
    assert http_client.get(path).json()["value"] == "x" * 50_000


def test_a_chunked_body_over_the_limit_is_413(http_client: httpx.Client, scope: TaskScope) -> None:
    chunks = (b"x" * 10_000 for _ in range(20))
    answer = http_client.put(
        entry_path(scope, "huge"), content=chunks, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert keys(http_client, scope) == []


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(
    server: Server, scope: TaskScope
) -> None:
    path = entry_path(scope, "huge")
    status, answer = raw(server, head(server, "PUT", path, "Content-Length: 5000000000"))
    assert (status, answer["code"]) == (413, "too_large")


def test_a_body_that_ends_too_early_is_400_and_stores_nothing(
    server: Server, http_client: httpx.Client, scope: TaskScope
) -> None:
    """Also where what arrived is whole JSON by chance."""
    request = head(server, "PUT", entry_path(scope, "cut"), "Content-Length: 20") + b'{"value": 1}'
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert (response.status, json.loads(response.read())["code"]) == (400, "malformed_request")
    assert keys(http_client, scope) == []


def test_a_connection_is_good_for_more_requests_after_refusals(
    server: Server, scope: TaskScope
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    bodies = [b"{", b'{"value": null}', b'{"value": "' + b"x" * 70_000 + b'"}', b'{"value": NaN}']
    statuses = []
    for body in [*bodies, b'{"value": 1}']:
        connection.request("PUT", entry_path(scope, "key"), body, headers)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    assert statuses == [400, 422, 422, 422, 204]
    connection.close()


def test_a_body_that_nobody_wants_does_not_cost_the_connection(
    http_client: httpx.Client, scope: TaskScope
) -> None:
    path = entry_path(scope, "key")
    statuses = {http_client.request("DELETE", path, json={}).status_code for _ in range(300)}
    assert statuses == {204}


def test_slow_bodies_without_credentials_hold_no_thread(server: Server, scope: TaskScope) -> None:
    start = head(server, "PUT", entry_path(scope, "key"), "Content-Length: 1000")
    start = start.replace(server.token.encode(), b"nobody") + b"{"
    with contextlib.ExitStack() as connections:
        for _ in range(8):  # twice as many as the server has threads
            slow = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            connections.enter_context(slow).sendall(start)
        assert httpx.get(f"{server.url}/api/v2/healthz", timeout=20).status_code == 200
        assert slow.recv(12) == b"HTTP/1.1 401"


def test_a_body_that_is_refused_unread_does_not_become_the_next_request(
    server: Server, scope: TaskScope
) -> None:
    """A request hidden in a refused body must not be carried out."""
    hidden = (
        head(server, "PUT", entry_path(scope, "hidden"), "Content-Length: 12") + b'{"value": 1}'
    )
    body = hidden + b" " * 200_000
    outer = head(server, "PUT", entry_path(scope, "outer"), f"Content-Length: {len(body)}")
    with contextlib.suppress(OSError):
        assert raw(server, outer + body)[0] == 413
    with httpx.Client(headers={"Authorization": f"Bearer {server.token}"}) as client:
        time.sleep(0.2)
        assert client.get(server.url + task_path(scope)).json()["total_entries"] == 0


def test_head_and_options_do_not_fail(http_client: httpx.Client, scope: TaskScope) -> None:
    assert http_client.head(task_path(scope)).status_code in {200, 405}
    assert http_client.options(task_path(scope)).status_code in {200, 405}


@contextlib.contextmanager
def database_away(url: str) -> Iterator[None]:
    """Nobody can use the database meanwhile: connections end, new ones are refused."""
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        away = file.with_name("away.sqlite3")
        file.rename(away)
        file.mkdir()
        try:
            yield
        finally:
            file.rmdir()
            away.rename(file)
        return
    name = url.rpartition("/")[2]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())


def test_a_database_that_is_away_is_503_until_it_is_back(
    server: Server, http_client: httpx.Client, scope: TaskScope
) -> None:
    path = entry_path(scope, "key")
    assert http_client.put(path, json={"value": 1}).status_code == 204
    with database_away(server.environment["DATABASE_URL"]):
        if server.environment["DATABASE_URL"].startswith("sqlite"):
            time.sleep(5.2)  # then its connections are old, and opened anew
        for method in ("GET", "PUT", "DELETE"):
            refused = http_client.request(method, path, json={"value": 2})
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
            assert refused.headers["Retry-After"].isdecimal()
        assert http_client.get("/api/v2/healthz").status_code == 200
    end = time.monotonic() + 10
    while (answer := http_client.get(path)).status_code == 503 and time.monotonic() < end:
        time.sleep(0.05)  # each thread of the server finds out by itself
    assert answer.json()["value"] == 1
    server.restart()  # its other threads would find out in other tests


@pytest.mark.postgresql
@pytest.mark.django_db
def test_a_database_that_answers_nothing_is_away_within_seconds() -> None:
    """As a host that lost its power or its network: no connection is refused there, none is made."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = {"HOST": "127.0.0.1", "PORT": silent.getsockname()[1]}
        ours = connections["default"]
        database = type(ours)({**ours.settings_dict, **there})
        begin = time.monotonic()
        with pytest.raises(OperationalError):
            database.ensure_connection()
        assert time.monotonic() - begin < 3 * LOCK_SECONDS
