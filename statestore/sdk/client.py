"""The way in: where the server is, and which task the keys belong to."""

import logging
import math
import os
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from statestore.protocol import MAP_INDEX_NONE, InvalidInput, TaskScope, check_scope
from statestore.sdk import checks
from statestore.sdk.accessors import AssetStore
from statestore.sdk.assets import AssetLike, AssetStores
from statestore.sdk.context import TaskContext
from statestore.sdk.errors import ConfigurationError, InvalidValueError
from statestore.sdk.memory import shared_memory
from statestore.sdk.records import Asset
from statestore.sdk.transport import HttpTransport, Transport, in_process

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)


class StateStore:
    """A server of Statestore, as a worker sees it. One per process is enough; safe with threads and forks.

    Args:
        url: where the server is, by default STATESTORE_URL.
        token: the API token, by default STATESTORE_TOKEN.
        timeout: seconds for one try of a request.
        retry_seconds: how long a request is tried while the server is away, by default
            STATESTORE_RETRY_SECONDS or 300.
        transport: sends the requests instead of HTTP.

    Without `url`, STATESTORE_MODE=off keeps everything in the memory of this process, and needs no server;
    STATESTORE_MODE=django calls the server's code in this process, which has its settings.

    Raises:
        ConfigurationError: there is no URL or no token.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 10.0,
        retry_seconds: float | None = None,
        transport: Transport | None = None,
    ) -> None:
        mode = os.environ.get("STATESTORE_MODE", "") if url is None else ""
        self._transport = transport or _transport(mode, url, token, timeout, retry_seconds)

    def task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        map_index: int = MAP_INDEX_NONE,
        *,
        attempt: int | None = None,
        assets: Iterable[AssetLike] = (),
    ) -> TaskContext:
        """The context of one task instance; `with` starts its next attempt.

        Args:
            dag_id: what the task belongs to: a workflow, an application.
            run_id: one run of it; the same for every retry.
            task_id: the task.
            map_index: which one of a mapped task's instances, from 0; -1 where it is not mapped.
            attempt: the attempt's number, where it was started elsewhere.
            assets: those that the task reads or writes; of exactly one, `context["asset_store"]` has the
                keys at hand: `context["asset_store"].get("watermark")`.

        Raises:
            InvalidValueError: an id is empty, too long, or has characters that it may not; or the
                attempt is no number from 1 on.
        """
        try:
            scope = check_scope(TaskScope(dag_id, run_id, task_id, map_index), where=("scope",))
        except InvalidInput as problem:
            raise InvalidValueError.of(problem) from None
        number = None if attempt is None else checks.attempt(attempt)
        return TaskContext(self._transport, scope, number, assets)

    def asset(self, name: str, uri: str = "") -> AssetStore:
        """The store of an asset; one that is not there yet is registered."""
        return AssetStores(self._transport)[Asset(name, uri)]

    async def aasset(self, name: str, uri: str = "") -> AssetStore:
        """As `asset`."""
        return await AssetStores(self._transport).aitem(Asset(name, uri))

    def close(self) -> None:
        """Close the connections of this process; those of an event loop close with `aclose`."""
        self._transport.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
        self.close()  # what progress has sent from its thread

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _transport(
    mode: str, url: str | None, token: str | None, timeout: float, retry_seconds: float | None
) -> Transport:
    if mode == "off":
        logger.warning("STATESTORE_MODE=off: state is kept in memory, and gone with this process")
        return shared_memory()
    if mode == "django":
        return _http("http://localhost", token, timeout, retry_seconds, in_process())
    if mode:
        raise ConfigurationError(
            f"STATESTORE_MODE={mode!r}: set it to off or django, or leave it out."
        )
    return _http(url, token, timeout, retry_seconds)


def _http(
    url: str | None,
    token: str | None,
    timeout: float,
    retry_seconds: float | None,
    http: "httpx.BaseTransport | None" = None,
) -> HttpTransport:
    url = url or os.environ.get("STATESTORE_URL")
    token = token or os.environ.get("STATESTORE_TOKEN")
    if not url:
        raise ConfigurationError(
            "Set STATESTORE_URL to the server's URL, for instance http://127.0.0.1:8000;"
            " STATESTORE_MODE=off does without a server, and keeps state in memory."
        )
    if not token:
        raise ConfigurationError(
            "Set STATESTORE_TOKEN to an API token:"
            " on the server `manage.py create_api_token NAME` prints one."
        )
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise ConfigurationError(
            "STATESTORE_TOKEN has characters that no token has: was it copied whole?"
        )
    if retry_seconds is None:
        text = os.environ.get("STATESTORE_RETRY_SECONDS", "300")
        try:
            retry_seconds = float(text)
        except ValueError:
            retry_seconds = -1.0
        if not 0 <= retry_seconds < math.inf:  # nor is nan
            raise ConfigurationError(f"STATESTORE_RETRY_SECONDS={text!r} is no number of seconds.")
    return HttpTransport(url, token, timeout=timeout, retry_seconds=retry_seconds, http=http)
