"""What Airflow's two sides ask of the backend, with scopes like theirs; test_airflow3.py has real ones."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from statestore.integrations.airflow import StatestoreBackend, state_store, task_store_for
from statestore.integrations.airflow.tasks import current_context
from statestore.protocol import VALUE_MAX_BYTES, TaskScope
from statestore.sdk import (
    ConfigurationError,
    StaleAttemptError,
    StateStore,
    TaskStore,
    TooLargeError,
)
from tests.ports import free_port
from tests.server import Server
from tests.threads import run_async

REFERENCE = "__airflow_state_ref__"


@dataclass(frozen=True)
class AssetScope:
    """As Airflow's: its API server knows the number, its workers the name or the uri."""

    asset_id: int | None = None
    name: str | None = None
    uri: str | None = None


class Session:
    """A database session that knows one asset, and counts what it is asked."""

    asked = 0

    def get(self, model: str, number: int) -> Any:
        assert model == "the table of assets"
        self.asked += 1
        return SimpleNamespace(name=f"orders-{number}", uri=f"s3://lake/{number}")


class HTTPException(Exception):  # noqa: N818 - FastAPI's name
    def __init__(self, status_code: int, detail: Any) -> None:
        super().__init__(detail)
        self.status_code, self.detail = status_code, detail


def module(monkeypatch: pytest.MonkeyPatch, name: str, **names: Any) -> None:
    """Have a module of Airflow's, with these names."""
    made = ModuleType(name)
    vars(made).update(names)
    monkeypatch.setitem(sys.modules, name, made)


@pytest.fixture(autouse=True)
def process(airflow_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of Airflow's API server has these too."""
    module(monkeypatch, "fastapi", HTTPException=HTTPException)
    module(monkeypatch, "airflow.models.asset", AssetModel="the table of assets")


@pytest.fixture
def backend() -> StatestoreBackend:
    return StatestoreBackend()


@pytest.fixture
def keys(server: Server, scope: TaskScope) -> Iterator[TaskStore]:
    with StateStore(server.url, server.token) as store:
        yield store.task(scope.dag_id, scope.run_id, scope.task_id).task_store


def context(scope: TaskScope, try_number: int = 1) -> dict[str, Any]:
    """What Airflow hands to a task."""
    ids = {"dag_id": scope.dag_id, "run_id": scope.run_id, "task_id": scope.task_id}
    return {"ti": SimpleNamespace(**ids, map_index=scope.map_index, try_number=try_number)}


def runs(monkeypatch: pytest.MonkeyPatch, found: dict[str, Any]) -> None:
    """Be in the process of a task."""
    module(monkeypatch, "airflow.sdk", get_current_context=lambda: found)


# --- the API server's side ---


def test_values_keep_the_expiry_that_airflow_says(
    backend: StatestoreBackend, scope: TaskScope, keys: TaskStore
) -> None:
    expires_at = datetime.now(UTC) + timedelta(hours=6)
    backend.set(scope, "page", '{"n": [1, "ü"]}', expires_at=expires_at, session=Session())
    backend.set(scope, "job", '"j-1"', session=Session())
    page, job = keys.entry("page"), keys.entry("job")
    assert page is not None
    assert page.value == {"n": [1, "ü"]}
    assert page.expires_at is not None
    assert abs(page.expires_at - expires_at) < timedelta(minutes=1)
    assert job is not None
    assert job.expires_at is None
    assert json.loads(backend.get(scope, "page", session=Session()) or "") == page.value


def test_a_missing_key_is_none_and_is_deleted_without_a_word(
    backend: StatestoreBackend, scope: TaskScope
) -> None:
    assert backend.get(scope, "page", session=Session()) is None
    backend.delete(scope, "page", session=Session())
    backend.clear(scope, session=Session())


@pytest.mark.parametrize("every", [False, True])
def test_clear_leaves_other_map_indices_unless_it_is_told(
    backend: StatestoreBackend, scope: TaskScope, every: bool
) -> None:
    for index in (0, 1):
        backend.set(scope.at(index), "page", "1", session=Session())
    backend.clear(scope.at(0), all_map_indices=every, session=Session())
    assert backend.get(scope.at(0), "page") is None
    assert backend.get(scope.at(1), "page") == (None if every else "1")


def test_it_does_the_same_for_asyncio(backend: StatestoreBackend, scope: TaskScope) -> None:
    class AsyncSession(Session):
        async def get(self, model: str, number: int) -> Any:
            return super().get(model, number)

    async def work() -> list[str | None]:
        for each in (scope, AssetScope(asset_id=77)):
            await backend.aset(each, "page", "1", session=AsyncSession())
        found = [await backend.aget(scope, "page")]
        found.append(await backend.aget(AssetScope(asset_id=77), "page", session=AsyncSession()))
        await backend.adelete(scope, "page")
        await backend.aclear(AssetScope(asset_id=77), session=AsyncSession())
        found.append(await backend.aget(scope, "page"))
        found.append(await backend.aget(AssetScope(asset_id=77), "page", session=AsyncSession()))
        await state_store().aclose()
        await state_store(timeout=2.0, retry_seconds=2.0).aclose()  # the API server's
        return found

    assert run_async(work()) == ["1", "1", None, None]


def test_an_asset_is_kept_by_its_name_and_uri_not_by_airflows_number(
    backend: StatestoreBackend, server: Server
) -> None:
    session = Session()
    backend.set(AssetScope(asset_id=5), "watermark", "12", session=session)
    assert backend.get(AssetScope(asset_id=5), "watermark", session=session) == "12"
    assert session.asked == 1
    with StateStore(server.url, server.token) as store:
        assert store.asset("orders-5", "s3://lake/5").get("watermark") == 12


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [("page", "x" * VALUE_MAX_BYTES, 413), ("page", "\0" * 99, 204), ("..", 1, 422), ("", 1, 422)],
)
def test_the_api_server_is_told_what_to_answer(
    backend: StatestoreBackend, scope: TaskScope, key: str, value: Any, status: int
) -> None:
    if status == 204:
        backend.set(scope, key, json.dumps(value), session=Session())
        return
    with pytest.raises(HTTPException) as refused:
        backend.set(scope, key, json.dumps(value), session=Session())
    assert refused.value.status_code == status
    assert refused.value.detail["message"]


def test_the_api_server_answers_503_while_statestore_is_away(
    backend: StatestoreBackend, scope: TaskScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATESTORE_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("STATESTORE_RETRY_SECONDS", "0")
    with pytest.raises(HTTPException) as refused:
        backend.get(scope, "page", session=Session())
    assert refused.value.status_code == 503  # not 404, which Airflow reads as a missing key


# --- a worker's side ---


def test_a_worker_stores_the_value_and_gives_a_reference(
    backend: StatestoreBackend, scope: TaskScope, keys: TaskStore
) -> None:
    names: dict[str, Any] = {"key": "a/b ü", "scope": scope}
    reference = backend.serialize_task_state_store_to_ref(value={"n": 1}, **names)
    assert keys.get("a/b ü") == {"n": 1}
    assert backend.deserialize_task_state_store_from_ref(reference) == {"n": 1}
    assert backend.serialize_task_state_store_to_ref(value=2, **names) == reference
    assert backend.deserialize_task_state_store_from_ref('{"inline": true}') == {"inline": True}


def test_a_value_that_people_have_deleted_is_none(
    backend: StatestoreBackend,
    scope: TaskScope,
    keys: TaskStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reference = backend.serialize_task_state_store_to_ref(value=1, key="page", scope=scope)
    keys.clear()
    assert backend.deserialize_task_state_store_from_ref(reference) is None
    assert "has been deleted" in caplog.text


def test_a_worker_asks_airflow_for_what_it_does_not_know_of_an_asset(
    backend: StatestoreBackend, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    comms = SimpleNamespace(send=lambda _: SimpleNamespace(name="orders", uri="s3://lake/orders"))
    module(monkeypatch, "airflow.sdk.execution_time.comms", GetAssetByName=dict)
    module(monkeypatch, "airflow.sdk.execution_time.task_runner", SUPERVISOR_COMMS=comms)
    asset = AssetScope(name="orders")
    reference = backend.serialize_asset_state_store_to_ref(value=1, key="watermark", scope=asset)
    assert backend.deserialize_asset_state_store_from_ref(reference) == 1
    with StateStore(server.url, server.token) as store:
        assert store.asset("orders", "s3://lake/orders").get("watermark") == 1


def test_a_worker_hears_of_refusals_as_the_sdks_errors(
    backend: StatestoreBackend, scope: TaskScope
) -> None:
    with pytest.raises(TooLargeError):
        backend.serialize_task_state_store_to_ref(
            value="x" * VALUE_MAX_BYTES, key="page", scope=scope
        )


def test_a_newer_try_fences_off_what_an_older_ones_process_writes(
    backend: StatestoreBackend, scope: TaskScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(monkeypatch, context(scope, try_number=1))
    backend.serialize_task_state_store_to_ref(value=1, key="page", scope=scope)
    runs(monkeypatch, context(scope, try_number=2))
    backend.serialize_task_state_store_to_ref(value=2, key="page", scope=scope)
    runs(monkeypatch, context(scope, try_number=1))
    with pytest.raises(StaleAttemptError):
        backend.serialize_task_state_store_to_ref(value=1, key="page", scope=scope)


# --- both sides ---


def test_the_api_server_adds_the_expiry_to_what_a_worker_has_stored(
    backend: StatestoreBackend, scope: TaskScope, keys: TaskStore
) -> None:
    reference = backend.serialize_task_state_store_to_ref(value=7, key="page", scope=scope)
    stored, expires_at = json.dumps({REFERENCE: reference}), datetime.now(UTC) + timedelta(hours=1)
    before = keys.entry("page")
    assert before is not None
    assert before.expires_at is None
    backend.set(scope, "page", stored, session=Session())  # for ever: as it is
    backend.set(scope, "page", stored, expires_at=expires_at, session=Session())
    after = keys.entry("page")
    assert after is not None
    assert (after.value, after.version) == (7, 2)
    assert after.expires_at is not None
    assert abs(after.expires_at - expires_at) < timedelta(minutes=1)


def test_a_reference_to_another_key_is_a_value_like_any_other(
    backend: StatestoreBackend, scope: TaskScope, keys: TaskStore
) -> None:
    value = {REFERENCE: f"statestore:task/other/{scope.run_id}/ingest/-1/page"}
    backend.set(scope, "page", json.dumps(value), session=Session())
    assert keys.get("page") == value


# --- where the server is, and which task runs ---


@pytest.mark.parametrize(
    ("scheme", "host", "port", "schema"),
    [
        ("http", "127.0.0.1", True, None),
        ("https", "127.0.0.1", True, "http"),
        ("", "127.0.0.1", True, ""),
        ("generic", "http://127.0.0.1", True, ""),
        ("generic", "{url}", False, "https"),
    ],
)
def test_a_connection_of_airflows_names_the_server(
    server: Server,
    scope: TaskScope,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    host: str,
    port: bool,
    schema: str | None,
) -> None:
    connection = SimpleNamespace(
        conn_id="state", conn_type=scheme, schema=schema, host=host.format(url=server.url),
        port=server.port if port else None, password=server.token,
    )  # fmt: skip
    hook = SimpleNamespace(get_connection={"state": connection}.__getitem__)
    module(monkeypatch, "airflow.sdk", BaseHook=hook)
    monkeypatch.setenv("STATESTORE_URL", "http://elsewhere.invalid")
    task_store = task_store_for(context(scope), conn_id="state")
    task_store.set("page", 1)
    assert task_store.get("page") == 1


def test_neither_variable_nor_connection_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATESTORE_URL")
    module(monkeypatch, "airflow.sdk", BaseHook=SimpleNamespace(get_connection={}.__getitem__))
    with pytest.raises(ConfigurationError, match=r"Set STATESTORE_URL .* 'statestore_default'"):
        state_store()


def test_a_connection_without_a_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = SimpleNamespace(conn_id="state", host=None, password="secret")
    hook = SimpleNamespace(get_connection=lambda _: connection)
    module(monkeypatch, "airflow.sdk", BaseHook=hook)
    with pytest.raises(ConfigurationError, match="has no host"):
        state_store("state")


def test_each_try_of_a_task_is_one_attempt_however_often_it_asks(scope: TaskScope) -> None:
    first = task_store_for(context(scope))
    assert task_store_for(context(scope)) is first
    assert task_store_for(context(scope.at(3))).scope == scope.at(3)
    second = task_store_for(context(scope, try_number=2))
    assert (first.attempt, second.attempt) == (1, 2)
    with pytest.raises(StaleAttemptError):
        first.set("page", 1)
    second.set("page", 1)


def test_the_task_that_runs_needs_no_context(
    scope: TaskScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(monkeypatch, context(scope))
    assert task_store_for().scope == scope


def test_airflow_2_has_the_context_elsewhere(
    scope: TaskScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "airflow.sdk", None)
    found = context(scope)
    module(monkeypatch, "airflow.operators.python", get_current_context=lambda: found)
    assert current_context() is found


def test_outside_a_task_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> None:
        raise LookupError("no context")

    module(monkeypatch, "airflow.sdk", get_current_context=nothing)
    with pytest.raises(RuntimeError, match="No task runs here"):
        task_store_for()
