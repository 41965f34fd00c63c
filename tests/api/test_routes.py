"""Requests with a token go past what is for browsers, and find the same views without Django's resolver."""

import random
import urllib.request

from django.urls import resolve

from statestore.api import handler
from tests.server import Server

_PARTS = (
    "dags", "dagRuns", "taskInstances", "state-store", "increment", "attempts", "task-instances", "batch",
    "assets", "7", "1234567890123456789", "٣", "auth", "token", "task-tokens", "healthz", "readyz", "metrics",
    "schema", "docs", "a b", "ä", "x\ny", "\0", "\u2028", "%2F", "", "progress",
)  # fmt: skip
_TASK = "dags/d/dagRuns/r/taskInstances/t"


def test_a_route_is_the_one_that_django_finds() -> None:
    chance = random.Random(7)
    begins = ("", _TASK, f"{_TASK}/state-store", "assets/7", "assets/7/state-store")
    for _ in range(5_000):
        parts = chance.choices(_PARTS, k=chance.randrange(9))
        path = handler.API + "/".join([chance.choice(begins), *parts]).removeprefix("/")
        match = resolve(path)
        assert handler.route(path) == (match.func, match.args, match.kwargs), path


def test_a_browser_behind_a_proxy_with_a_password_gets_its_policy(server: Server) -> None:
    basic = {"Authorization": "Basic dmVyYTpzZXNhbWU="}  # which the proxy asked for
    request = urllib.request.Request(f"{server.url}/api/v2/docs", headers=basic)
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
