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
    """One line for each reason for which tests were skipped, missing parts last."""
    plain = [reason.removeprefix("Skipped: ") for reason in reasons]
    lines = []
    for reason in sorted(set(plain), key=lambda reason: (reason.startswith(PREFIX), reason)):
        word = "MISSING" if reason.startswith(PREFIX) else "SKIPPED"
        count = plain.count(reason)
        tests = "1 test was" if count == 1 else f"{count} tests were"
        lines.append(f"{word} {reason.removeprefix(PREFIX)} ({tests} skipped)")
    return lines
