"""What a webhook can tell of."""

import enum
from typing import Final


class Event(enum.StrEnum):
    """The `type` of what is sent."""

    STALLED = "task.stalled"
    FAILED = "task.failed"
    SECRET = "secret.found"  # noqa: S105 - a word
    SWEEP_LATE = "sweep.late"
    TEST = "webhook.test"


CHOICES: Final = (
    (Event.STALLED.value, "task stalled"),
    (Event.FAILED.value, "task failed"),
    (Event.SECRET.value, "secret found"),
    (Event.SWEEP_LATE.value, "sweep late"),
)
"""What can be chosen; a test is sent by hand."""
