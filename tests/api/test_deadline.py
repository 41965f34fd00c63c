"""Statestore-Deadline: what its sender has given up is not carried out."""

import time
from typing import Any

import pytest

from statestore.protocol import DEADLINE_HEADER, TIME_HEADER
from tests.api.conftest import Answer, Api, problem, task_path


def by(seconds: float) -> dict[str, Any]:
    return {DEADLINE_HEADER: f"{time.time() + seconds:.6f}"}


def put(api: Api, **headers: Any) -> Answer:
    return api.entry("PUT", "key", b'{"value": 2}', **headers)


def test_every_answer_tells_the_servers_time(api: Api) -> None:
    for answer in (put(api), api.get("key"), api.get("nothing"), put(api.at(token=None))):
        assert abs(float(answer[TIME_HEADER]) - time.time()) < 60
    health = api.at(token=None).send("GET", "/api/v2/healthz", b"")
    assert abs(float(health[TIME_HEADER]) - time.time()) < 60


def test_a_write_in_time_is_carried_out(api: Api) -> None:
    assert put(api, **by(60)).status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "state-store/key", b'{"value": 2}'),
        ("PATCH", "state-store/key", b'{"value": 2}'),
        ("DELETE", "state-store/key", b""),
        ("DELETE", "state-store", b""),
        ("POST", "state-store/key/increment", b'{"by": 1}'),
        ("POST", "attempts", b""),
    ],
)
def test_a_write_that_comes_too_late_is_not(api: Api, method: str, path: str, body: bytes) -> None:
    api.put("key", 1)
    answer = api.send(method, task_path(api.scope, path), body, **by(-0.01))
    assert (answer.status_code, answer.json()["code"]) == (408, "too_late")
    assert api.get("key").json()["value"] == 1
    started = api.send("POST", task_path(api.scope, "attempts"), b"")
    assert started.json() == {"attempt": 1}


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e", "nan", "12:00", " "])
def test_what_is_no_time_is_refused(api: Api, text: str) -> None:
    answer = put(api, **{DEADLINE_HEADER: text})
    assert answer.status_code == 422
    assert problem(answer)["loc"] == ["header", DEADLINE_HEADER]
