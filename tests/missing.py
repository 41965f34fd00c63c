"""What a test needs from the machine, and what happens where it is not there."""

import os
from typing import NoReturn

import pytest

PREFIX = "missing part: "


def missing(part: str, remedy: str) -> NoReturn:
    """Skip the test; the run ends with one line for each missing part. With CI=true, fail.

    `remedy` says how to get the part: "install RabbitMQ, or set CELERY_BROKER_URL=amqp://…".
    """
    reason = f"{PREFIX}{part}: {remedy}"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def summary(reasons: list[str]) -> list[str]:
    """One line for each missing part, from the reasons of all skipped tests."""
    found = [
        reason.partition(PREFIX)[2]
        for reason in reasons
        if reason.find(PREFIX) in (0, len("Skipped: "))
    ]
    return [
        f"MISSING {part} ({found.count(part)} tests were skipped)" for part in dict.fromkeys(found)
    ]
