"""What workers import: `from statestore.sdk import StateStore`. Needs no Django, only an HTTP client."""

from statestore.protocol import NEVER_EXPIRE, TaskScope
from statestore.sdk.accessors import AssetStore, TaskStore
from statestore.sdk.client import StateStore
from statestore.sdk.context import TaskContext
from statestore.sdk.errors import (
    ConcurrentSubmissionError,
    ConfigurationError,
    ForbiddenError,
    InvalidValueError,
    JobActiveError,
    JobDeadlineError,
    JobFailedError,
    JobSystemUnreachableError,
    NotANumberError,
    NotFoundError,
    PreconditionFailedError,
    ServerError,
    StaleAttemptError,
    StatestoreError,
    TooLargeError,
    UnauthorizedError,
    UnknownSubmissionError,
    UnreachableError,
)
from statestore.sdk.progress import Progress
from statestore.sdk.records import Asset, Entry, Submission, SubmissionState
from statestore.sdk.resumable import (
    AsyncResumableJobMixin,
    Context,
    DeferrableJobMixin,
    ResumableJobMixin,
    event_counts,
)

__all__ = [
    "NEVER_EXPIRE",
    "Asset",
    "AssetStore",
    "AsyncResumableJobMixin",
    "ConcurrentSubmissionError",
    "ConfigurationError",
    "Context",
    "DeferrableJobMixin",
    "Entry",
    "ForbiddenError",
    "InvalidValueError",
    "JobActiveError",
    "JobDeadlineError",
    "JobFailedError",
    "JobSystemUnreachableError",
    "NotANumberError",
    "NotFoundError",
    "PreconditionFailedError",
    "Progress",
    "ResumableJobMixin",
    "ServerError",
    "StaleAttemptError",
    "StateStore",
    "StatestoreError",
    "Submission",
    "SubmissionState",
    "TaskContext",
    "TaskScope",
    "TaskStore",
    "TooLargeError",
    "UnauthorizedError",
    "UnknownSubmissionError",
    "UnreachableError",
    "event_counts",
]
