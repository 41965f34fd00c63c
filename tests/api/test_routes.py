"""Requests with a token find their views without Django's resolver, and find the same ones."""

import random

from django.urls import resolve

from statestore.api import handler

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
