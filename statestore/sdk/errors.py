"""What a call of the SDK may raise, each saying what to do.

StatestoreError
├── ConfigurationError           no URL or token, or not usable ones
├── UnreachableError             no answer from the server, for as long as was allowed
├── ServerError                  the server failed, or answered what the SDK does not understand
├── UnauthorizedError            the token is missing, unknown, expired or revoked
├── ForbiddenError               the token lacks the right
├── NotFoundError                the key is not there (get() returns its default instead)
├── StaleAttemptError            a newer attempt of this task has started: stop
├── NotANumberError              only a number can be added to
├── PreconditionFailedError      the entry is in another version than was expected
├── InvalidValueError            a key, id, value or retention is not allowed (also a ValueError)
├── TooLargeError                the value is larger than the server takes
├── JobActiveError               an external job has not ended yet: look again later
├── JobFailedError               an external job ended without success
├── JobDeadlineError             an external job had not ended in the time that it was given
├── JobSystemUnreachableError    no answer from the system that runs an external job
├── UnknownSubmissionError       it cannot be known whether a job was submitted
└── ConcurrentSubmissionError    another attempt is submitting the same job
"""

from statestore.protocol import InvalidInput


class StatestoreError(Exception):
    """Anything that goes wrong between a task and its state."""


class ConfigurationError(StatestoreError):
    """The SDK does not know where the server is, or how to log in."""


class UnreachableError(StatestoreError):
    """The server did not answer."""


class ServerError(StatestoreError):
    """The server failed; its log says more."""


class UnauthorizedError(StatestoreError):
    """The server does not accept the token."""


class ForbiddenError(StatestoreError):
    """The token lacks the right for this."""


class NotFoundError(StatestoreError):
    """There is no such entry."""


class StaleAttemptError(StatestoreError):
    """A newer attempt of this task has started; this one must stop."""


class NotANumberError(StatestoreError):
    """The value is no number, so nothing can be added to it."""


class PreconditionFailedError(StatestoreError):
    """The entry is in another version; `version` is the present one, None where there is no entry."""

    def __init__(self, message: str, version: int | None = None) -> None:
        super().__init__(message)
        self.version = version


class InvalidValueError(StatestoreError, ValueError):
    """Something that was passed cannot be stored; `loc` is its place (`("value", "rows", 3)`)."""

    def __init__(self, message: str, loc: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.loc = loc

    @classmethod
    def of(cls, problem: InvalidInput) -> "InvalidValueError":
        """The error that carries a problem which both sides know."""
        return cls(f"{_place(problem.loc)}: {problem.msg}", problem.loc)


def _place(loc: tuple[str | int, ...]) -> str:
    """`("value", "rows", 3)` as people write it: `value["rows"][3]`."""
    head, *rest = loc or ("input",)
    return str(head) + "".join(f"[{part!r}]" for part in rest)


class TooLargeError(StatestoreError):
    """The value is larger than the server takes: keep it elsewhere, and store where it is."""


class JobActiveError(StatestoreError):
    """The external job has not ended yet."""


class JobFailedError(StatestoreError):
    """The external job ended without success."""


class JobDeadlineError(StatestoreError):
    """The external job had not ended at its deadline."""


class JobSystemUnreachableError(StatestoreError):
    """The system that runs the external job does not answer; the job itself may well go on."""


class UnknownSubmissionError(StatestoreError):
    """An earlier attempt died while it submitted, and nothing tells whether the job exists."""


class ConcurrentSubmissionError(StatestoreError):
    """Another attempt of this task is submitting the same job."""
