"""What the jobs of AWS share: how a service is asked, and what its errors mean."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import Any, ClassVar, Final, Unpack

import boto3
from botocore import exceptions
from botocore.config import Config

from statestore.jobs.polling import Options, PollingJob
from statestore.sdk.deciding import Context
from statestore.sdk.errors import JobSystemUnreachableError, StatestoreError

FORGOTTEN: Final = "FORGOTTEN"
"""The service does not know the job (any more)."""

_AWAY: Final = (
    exceptions.HTTPClientError,  # no connection, no answer in time, a broken one
    exceptions.IncompleteReadError,
)
_THROTTLED: Final = frozenset(
    {"ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException"}
    | {"RequestLimitExceeded", "ServiceUnavailable", "ServiceUnavailableException"}
    | {"InternalServerException", "InternalServiceException", "InternalFailure"}
)

_CLOCKS: Final = timedelta(hours=1)
"""How far a worker's clock may be wrong."""


class AwsError(StatestoreError):
    """A service refused a request; `code` is the name of its error."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class AwsOptions(Options, total=False):
    """What every job of AWS takes beside its own arguments; see `AwsJob`."""

    region: str | None
    profile: str | None
    endpoint_url: str | None
    timeout: float


class AwsJob(PollingJob):
    """A job of one service.

    Credentials and region come from where boto3 looks for them, or from these options:
        region: such as `eu-central-1`.
        profile: of boto3's configuration.
        endpoint_url: where the service is, for endpoints of a private network.
        timeout: seconds without an answer after which the service counts as unreachable.
    """

    service: ClassVar[str]
    """boto3's name of it."""
    unknown: ClassVar[frozenset[str]]
    """The codes of the errors that say that there is no such job."""

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    timeout: float = 30.0
    poll_interval = 10.0

    def __init__(self, **options: Unpack[AwsOptions]) -> None:
        given: dict[str, Any] = {**options}
        for name in ("region", "profile", "endpoint_url", "timeout"):
            if name in given:
                setattr(self, name, given.pop(name))
        super().__init__(**given)

    def ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one request. It is sent once: boto3's own retries could start a job twice.

        Raises:
            JobSystemUnreachableError: there was no answer, or one that asks to come again.
            AwsError: the service refuses.
        """
        with _problems(operation):
            answer = getattr(self._client, operation)(**parameters)
        return dict(answer)

    def pages(self, operation: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """The answers of an operation that lists, page by page."""
        with _problems(operation):
            yield from self._client.get_paginator(operation).paginate(**parameters)

    def ask_about(self, operation: str, **parameters: Any) -> dict[str, Any] | None:
        """As `ask`; None where the service knows no such job."""
        try:
            return self.ask(operation, **parameters)
        except AwsError as error:
            if error.code in self.unknown:
                return None
            raise

    @property
    def _client(self) -> Any:
        with _creating:
            return _client(
                self.service,
                self.region,
                self.profile,
                self.endpoint_url,
                self.timeout,
                os.getpid(),
            )


def searched_since(context: Context) -> datetime | None:
    """From when on a job of the context's submission can have been started; None: unknown."""
    reserved_at = getattr(context.get("submission"), "reserved_at", "")
    return datetime.fromisoformat(reserved_at) - _CLOCKS if reserved_at else None


@contextmanager
def _problems(operation: str) -> Iterator[None]:
    """Turns boto3's errors into ours."""
    try:
        yield
    except exceptions.ClientError as error:
        told: Mapping[str, Any] = error.response
        code = str(told.get("Error", {}).get("Code", ""))
        if code in _THROTTLED or told.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            raise JobSystemUnreachableError(str(error)) from error
        raise AwsError(str(error), code) from error
    except _AWAY as error:
        raise JobSystemUnreachableError(f"{operation}: {error}") from error
    except exceptions.BotoCoreError as error:
        raise StatestoreError(f"{operation}: {error}") from error


_creating = threading.Lock()


@cache
def _client(
    service: str,
    region: str | None,
    profile: str | None,
    endpoint_url: str | None,
    timeout: float,
    process: int,
) -> Any:
    """A client of this process: threads may share one, forks may not."""
    session = boto3.Session(region_name=region, profile_name=profile)
    config = Config(
        connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 1}
    )
    try:
        return session.client(service, endpoint_url=endpoint_url, config=config)
    except exceptions.BotoCoreError as error:
        raise StatestoreError(f"boto3 has no client for {service}: {error}") from error
