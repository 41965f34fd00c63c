"""The backend of Airflow 3.3's own state store: its tasks keep `context["task_state_store"]`, unchanged.

Airflow asks for a backend in two places. `[state_store] backend` is called by the API server, with the
value, its expiry and a database session; `[workers] state_store_backend` in the task's own process,
which stores the value and hands Airflow a reference to it. Either will do, and so will both: keys and
values in Statestore are the same.
"""

import importlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from statestore.integrations.airflow.connection import state_store
from statestore.integrations.airflow.references import (
    REFERENCE,
    is_reference,
    reference_to,
    referred,
)
from statestore.integrations.airflow.tasks import current_context, scope_of, task_store_for
from statestore.protocol import NEVER_EXPIRE, TaskScope
from statestore.sdk import (
    Asset,
    AssetStore,
    ForbiddenError,
    InvalidValueError,
    PreconditionFailedError,
    StateStore,
    StatestoreError,
    TaskStore,
    TooLargeError,
    UnreachableError,
)
from statestore.sdk.checks import Retention
from statestore.sdk.steps import Step, Steps, adrive, drive

logger = logging.getLogger(__name__)

API_SERVER_SECONDS: Final = 2.0
"""For one try, and for all: workers wait 5 s for the API server, and try again after a 503.

It has few threads, which serve heartbeats too.
"""

_STATUS: Final[dict[type[StatestoreError], int]] = {
    TooLargeError: 413,
    InvalidValueError: 422,
    ForbiddenError: 403,
    UnreachableError: 503,
}


def _bases() -> tuple[type, ...]:
    """The classes that Airflow wants a backend to be of: one for the API server, one for workers."""
    found = []
    for module in ("airflow.state", "airflow.sdk.state"):
        try:
            found.append(importlib.import_module(module).BaseStoreBackend)
        except (
            ImportError,
            AttributeError,
        ):  # an older Airflow, none, or a worker with the SDK alone
            continue
    return tuple(found)


class StatestoreBackend(*_bases()):  # type: ignore[misc]  # which ones depends on what is installed
    """Keeps the state of Airflow's tasks and assets in Statestore.

    The server is that of `state_store`: STATESTORE_URL and STATESTORE_TOKEN, or the connection
    `statestore_default`.
    """

    def __init__(self) -> None:
        self._assets: dict[tuple[int | None, str | None, str | None], Asset] = {}
        self._asset_stores: dict[Asset, AssetStore] = {}

    # --- what both sides call; a session tells the API server ---

    def get(self, scope: Any, key: str, *, session: Any = None) -> str | None:
        """The value as JSON; None where there is none."""
        with _errors_for(session):
            return drive(self._get(scope, key, session))

    def set(
        self,
        scope: Any,
        key: str,
        value: str,
        *,
        expires_at: datetime | None = None,
        session: Any = None,
    ) -> None:
        """Store a value, given as JSON, until then (None: for ever)."""
        with _errors_for(session):
            drive(self._set(scope, key, value, expires_at, session))

    def delete(self, scope: Any, key: str, *, session: Any = None) -> None:
        """Delete a key, if it is there."""
        with _errors_for(session):
            drive(self._delete(scope, key, session))

    def clear(self, scope: Any, *, all_map_indices: bool = False, session: Any = None) -> None:
        """Delete every key of a task instance (or of all its map indices), or of an asset."""
        with _errors_for(session):
            drive(self._clear(scope, all_map_indices, session))

    async def aget(self, scope: Any, key: str, *, session: Any = None) -> str | None:
        """As `get`."""
        with _errors_for(session):
            return await adrive(self._get(scope, key, session))

    async def aset(
        self,
        scope: Any,
        key: str,
        value: str,
        *,
        expires_at: datetime | None = None,
        session: Any = None,
    ) -> None:
        """As `set`."""
        with _errors_for(session):
            await adrive(self._set(scope, key, value, expires_at, session))

    async def adelete(self, scope: Any, key: str, *, session: Any = None) -> None:
        """As `delete`."""
        with _errors_for(session):
            await adrive(self._delete(scope, key, session))

    async def aclear(
        self, scope: Any, *, all_map_indices: bool = False, session: Any = None
    ) -> None:
        """As `clear`."""
        with _errors_for(session):
            await adrive(self._clear(scope, all_map_indices, session))

    # --- what a worker calls ---

    def serialize_task_state_store_to_ref(self, *, value: Any, key: str, scope: Any) -> str:
        """Store a value; the reference that Airflow keeps instead.

        For ever, since Airflow tells the expiry only to the backend of its API server: where that one
        is also this class, it sets the expiry as soon as it is handed the reference.
        """
        return drive(self._keep(scope, key, value))

    def deserialize_task_state_store_from_ref(self, stored: str) -> Any:
        """The value of a reference; None, with a warning, where it has been deleted since."""
        return drive(self._fetch(stored))

    serialize_asset_state_store_to_ref = serialize_task_state_store_to_ref
    deserialize_asset_state_store_from_ref = deserialize_task_state_store_from_ref

    # --- how it is done, with threads or with asyncio ---

    def _get(self, scope: Any, key: str, session: Any) -> Steps[str | None]:
        store = yield from self._store(scope, session)
        entry = yield Step(store, "entry", (key,))
        return None if entry is None else json.dumps(entry.value)

    def _set(
        self, scope: Any, key: str, text: str, expires_at: datetime | None, session: Any
    ) -> Steps[None]:
        store = yield from self._store(scope, session)
        value = json.loads(text)
        owner = yield from self._owner(scope, session)
        if value == {REFERENCE: reference_to(owner, key)}:  # a worker has stored the value itself
            if isinstance(store, TaskStore):
                yield from _expire(store, key, _retention(expires_at))
        elif isinstance(store, TaskStore):
            yield Step(store, "set", (key, value), {"retention": _retention(expires_at)})
        else:
            yield Step(store, "set", (key, value))

    def _delete(self, scope: Any, key: str, session: Any) -> Steps[None]:
        store = yield from self._store(scope, session)
        yield Step(store, "delete", (key,))

    def _clear(self, scope: Any, all_map_indices: bool, session: Any) -> Steps[None]:
        store = yield from self._store(scope, session)
        options = {"all_map_indices": all_map_indices} if isinstance(store, TaskStore) else {}
        yield Step(store, "clear", (), options)

    def _keep(self, scope: Any, key: str, value: Any) -> Steps[str]:
        store = yield from self._store(scope, None)
        options = {"retention": NEVER_EXPIRE} if isinstance(store, TaskStore) else {}
        yield Step(store, "set", (key, value), options)
        return reference_to((yield from self._owner(scope, None)), key)

    def _fetch(self, stored: str) -> Steps[Any]:
        if not is_reference(stored):
            return json.loads(stored)  # as Airflow's own class writes it
        owner, key = referred(stored)
        store = yield from self._store_of(owner, None)
        entry = yield Step(store, "entry", (key,))
        if entry is None:
            logger.warning("The value of key %r has been deleted from Statestore.", key)
            return None
        return entry.value

    def _store(self, scope: Any, session: Any) -> Steps[TaskStore | AssetStore]:
        return (yield from self._store_of((yield from self._owner(scope, session)), session))

    def _store_of(self, owner: TaskScope | Asset, session: Any) -> Steps[TaskStore | AssetStore]:
        if isinstance(owner, TaskScope):
            return _task_store(owner, session)
        if owner not in self._asset_stores:
            registered = yield Step(_server(session), "asset", (owner.name, owner.uri))
            self._asset_stores[owner] = registered
        return self._asset_stores[owner]

    def _owner(self, scope: Any, session: Any) -> Steps[TaskScope | Asset]:
        """Whose keys: told by the scope's attributes, for each side of Airflow has classes of its own."""
        if hasattr(scope, "dag_id"):
            return TaskScope(scope.dag_id, scope.run_id, scope.task_id, scope.map_index)
        known_as = (scope.asset_id, scope.name, scope.uri)
        if known_as not in self._assets:
            found = yield _question(scope, session)
            if not hasattr(found, "uri"):
                raise LookupError(f"Airflow knows no active asset of {scope}.")
            self._assets[known_as] = Asset(found.name, found.uri)
        return self._assets[known_as]


def _server(session: Any) -> StateStore:
    if session is None:
        return state_store()
    chosen = "STATESTORE_RETRY_SECONDS" in os.environ
    seconds = None if chosen else API_SERVER_SECONDS
    return state_store(timeout=API_SERVER_SECONDS, retry_seconds=seconds)


def _task_store(scope: TaskScope, session: Any) -> TaskStore:
    """In the task's own process its writes are those of its attempt; Airflow fences its API server."""
    if session is None:
        try:
            context = current_context()
        except (ImportError, RuntimeError):
            pass
        else:
            if scope_of(context) == scope:
                return task_store_for(context)
    return _server(session).task(*astuple(scope)).task_store


def _question(scope: Any, session: Any) -> Step:
    """What tells an asset's name and uri: the API server knows its number, a worker one of the two."""
    if scope.asset_id is not None:
        model = importlib.import_module("airflow.models.asset").AssetModel
        return Step(session or _OwnSession(), "get", (model, scope.asset_id))
    messages = importlib.import_module("airflow.sdk.execution_time.comms")
    runner = importlib.import_module("airflow.sdk.execution_time.task_runner")
    if scope.name is not None:
        return Step(runner.SUPERVISOR_COMMS, "send", (messages.GetAssetByName(name=scope.name),))
    return Step(runner.SUPERVISOR_COMMS, "send", (messages.GetAssetByUri(uri=scope.uri),))


class _OwnSession:
    """A session for one question, where Airflow gave none."""

    def get(self, model: Any, number: int) -> Any:
        """The row of this number."""
        with importlib.import_module("airflow.utils.session").create_session() as session:
            return session.get(model, number)


def _retention(expires_at: datetime | None) -> Retention:
    """How long from now: the clock that will decide is the server's."""
    if expires_at is None:
        return NEVER_EXPIRE
    return max(expires_at - datetime.now(UTC), timedelta(0))


def _expire(store: TaskStore, key: str, retention: Retention) -> Steps[None]:
    """Change the expiry of what a worker has just stored."""
    entry = yield Step(store, "entry", (key,))
    if entry is None or (retention is NEVER_EXPIRE and entry.expires_at is None):
        return
    options = {"version": entry.version, "retention": retention}
    with suppress(
        PreconditionFailedError
    ):  # written again meanwhile: that write brings its own expiry
        yield Step(store, "compare_and_set", (key, entry.value), options)


@contextmanager
def _errors_for(session: Any) -> Iterator[None]:
    """For the API server: a status that tells its caller whether to try again. Never 404: no key."""
    try:
        yield
    except tuple(_STATUS) as error:
        if session is None:
            raise
        (status,) = {status for kind, status in _STATUS.items() if isinstance(error, kind)}
        detail = {"reason": f"statestore_{type(error).__name__}", "message": str(error)}
        answer = importlib.import_module("fastapi").HTTPException(status, detail=detail)
        raise answer from error
