"""What a service may refuse.

StateStoreError
├── NotFoundError                the entry is not there (or has expired)
├── StaleAttemptError            a newer attempt of the task instance has started
├── NotANumberError              only a number can be added to
├── PreconditionFailedError      If-Match or If-None-Match does not hold
├── InvalidInputError            something in the input is not allowed
├── NotAuthenticatedError        no credentials, or not valid ones
├── ForbiddenError               the credentials lack a right
│   └── HiddenError              what looks like a secret is hidden from people
├── TooLargeError                more bytes than the limit
├── TooLateError                 its deadline had passed when it arrived
├── BusyError                    the server has no place for it now
└── BatchError                   one operation of a batch was refused, and so all of them

The class docstring is the message where nothing more exact is given; `api/errors.py` alone decides
which HTTP status each has.
"""

from typing import Any

from statestore.protocol import ErrorCode, InvalidInput


class StateStoreError(Exception):
    """The request was refused."""

    code = ErrorCode.INTERNAL

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        super().__init__(detail or type(self).__doc__)
        self.detail = str(self)
        self.extra = extra  # further members of the error's JSON body


class NotFoundError(StateStoreError):
    """Not found."""

    code = ErrorCode.NOT_FOUND


class StaleAttemptError(StateStoreError):
    """A newer attempt of this task instance has started: stop this one."""

    code = ErrorCode.STALE_ATTEMPT


class NotANumberError(StateStoreError):
    """The value is no number."""

    code = ErrorCode.NOT_A_NUMBER


class PreconditionFailedError(StateStoreError):
    """The entry is not in the version that If-Match or If-None-Match asks for: read it again."""

    code = ErrorCode.PRECONDITION_FAILED


class InvalidInputError(StateStoreError):
    """The input is not valid."""

    code = ErrorCode.INVALID

    def __init__(self, *problems: InvalidInput) -> None:
        super().__init__("; ".join(problem.msg for problem in problems))
        self.problems = problems


class NotAuthenticatedError(StateStoreError):
    """Send a valid token: Authorization: Bearer TOKEN."""

    code = ErrorCode.NOT_AUTHENTICATED


class ForbiddenError(StateStoreError):
    """The credentials lack the right for this."""

    code = ErrorCode.FORBIDDEN


class HiddenError(ForbiddenError):
    """It looks like a secret: it is hidden from people until it is revealed on the Secrets page."""

    code = ErrorCode.HIDDEN


class TooLargeError(StateStoreError):
    """The body is too large."""

    code = ErrorCode.TOO_LARGE


class TooLateError(StateStoreError):
    """The deadline of this request had passed when it arrived: it was not carried out."""

    code = ErrorCode.TOO_LATE


class BusyError(StateStoreError):
    """The server has no place for this now: try again."""

    code = ErrorCode.UNAVAILABLE


class BatchError(StateStoreError):
    """One operation of the batch was refused, and so none was carried out."""

    def __init__(self, place: int, refusal: "StateStoreError | InvalidInput") -> None:
        super().__init__(f"Operation {place}: {refusal}")
        self.place, self.refusal = place, refusal
