"""When a request is sent again, and when it is given up."""

import logging
import random
import time
from datetime import UTC, datetime
from typing import Final

from statestore.protocol import TIME_HEADER
from statestore.sdk.answers import Answer
from statestore.sdk.errors import UnreachableError

logger = logging.getLogger(__name__)

_TOO_LATE: Final = 408
RETRIED: Final = frozenset({_TOO_LATE, 429, 502, 503, 504})
# Of these it is known that the request was not carried out, so that any may be sent again. Not of 503:
# the database may have been lost while it committed.
_NOT_CARRIED_OUT: Final = frozenset({_TOO_LATE, 429})
_FIRST_PAUSE: Final = 0.1  # seconds
_LONGEST_PAUSE: Final = 5.0


class Failure:
    """A try that brought no answer."""

    def __init__(self, problem: str, never_sent: bool, wanted: float = 0.0) -> None:
        self.problem = problem
        self.never_sent = never_sent
        self.wanted = wanted  # seconds until the next try, where somebody said so


class Tries:
    """When to try again, and when to give up: jittered exponential backoff, Retry-After respected."""

    def __init__(self, url: str, seconds: float, *, repeatable: bool) -> None:
        self._url = url
        self._seconds = seconds
        self._repeatable = repeatable
        self._give_up_at = time.monotonic() + seconds
        self._count = 0

    def after(
        self, outcome: Answer | Failure, deadline: float
    ) -> tuple[float, UnreachableError | None]:
        """Seconds until the next try; or until there is none, and why.

        Neither comes before `deadline`, where this try may still be on its way.
        """
        if isinstance(outcome, Answer):
            problem, wanted = f"it answered {outcome.status}", retry_after(outcome)
            ended = TIME_HEADER.lower() in outcome.headers  # else a proxy answered
            certain = ended and outcome.status in _NOT_CARRIED_OUT
        else:
            problem, wanted = outcome.problem, outcome.wanted
            ended = certain = outcome.never_sent
        if wanted > _LONGEST_PAUSE:
            problem += f" and asks to wait for {wanted:.0f} s"
        at_least = 0.0 if ended else max(0.0, deadline - time.monotonic())
        pause = min(_FIRST_PAUSE * 2.0 ** min(self._count, 10), _LONGEST_PAUSE)
        pause *= random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        left = self._give_up_at - time.monotonic()
        if (
            wanted
        ):  # whoever says how long is not asked before: the jitter comes on top, where it fits
            pause = max(wanted, min(wanted + pause, left))
        pause = max(pause, at_least)
        self._count += 1
        if not (self._repeatable or certain):
            return at_least, UnreachableError(
                f"The state store at {self._url} gave no answer ({problem}), and it is not known whether"
                " this request, which must not be carried out twice, was: read the key."
            )
        if pause > left:
            return at_least, UnreachableError(
                f"The state store at {self._url} cannot be reached ({problem}); tried {self._count}"
                f" times in {self._seconds:.0f} s. Is it running, and is STATESTORE_URL right?"
            )
        slow = certain and isinstance(outcome, Answer) and outcome.status == _TOO_LATE
        if self._count == 1 and not slow:  # this side, or the way, was slow: nothing is wrong there
            logger.warning(
                "the state store at %s cannot be reached (%s): trying for up to %.0f s",
                self._url,
                problem,
                self._seconds,
            )
        return pause, None


def retry_after(answer: Answer) -> float:
    """The seconds that an answer asks to wait for: a number of them, or a date (RFC 9110, 10.2.3)."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - only this costs it

    try:
        wanted = parsedate_to_datetime(text)
        # By the clock that says it: this side's may be minutes off.
        date = answer.headers.get("date")
        sent = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return max(0.0, (wanted - sent).total_seconds())
    except (TypeError, ValueError):  # no date, or one without a zone
        return 0.0
