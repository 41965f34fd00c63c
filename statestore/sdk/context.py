"""What a task is handed: its stores by the names that Airflow uses, its scope and its attempt."""

from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from statestore.protocol import AssetScope, TaskScope
from statestore.sdk import answers, requests
from statestore.sdk.accessors import AssetStore, TaskStore
from statestore.sdk.records import Asset
from statestore.sdk.transport import Transport


class TaskContext(dict[str, Any]):
    """A task's context. As a context manager it starts the next attempt, which fences off older ones."""

    def __init__(self, transport: Transport, scope: TaskScope, attempt: int | None = None) -> None:
        super().__init__()
        self._transport = transport
        self.scope = scope
        self.task_store = TaskStore(transport, scope, attempt)
        self.asset_store = AssetStores(transport)
        self.update(
            task_store=self.task_store,
            task_state_store=self.task_store,
            task_state=self.task_store,
            asset_store=self.asset_store,
            asset_state_store=self.asset_store,
            asset_state=self.asset_store,
            dag_id=scope.dag_id,
            run_id=scope.run_id,
            task_id=scope.task_id,
            map_index=scope.map_index,
        )

    @property
    def attempt(self) -> int | None:
        """The number of this attempt; None before it has started."""
        return self.task_store.attempt

    def start_attempt(self) -> int:
        """Start the next attempt: what older ones write from now on is refused."""
        answer = self._transport.send(requests.attempt_start(self.scope))
        self.task_store.attempt = answers.read_attempt(answer)
        return self.task_store.attempt

    async def astart_attempt(self) -> int:
        """As `start_attempt`."""
        answer = await self._transport.asend(requests.attempt_start(self.scope))
        self.task_store.attempt = answers.read_attempt(answer)
        return self.task_store.attempt

    def task_token(self, ttl: timedelta = timedelta(hours=1)) -> str:
        """A token that reaches this task instance alone, for whoever works on it; at most 30 days.

        Raises:
            ForbiddenError: the own token lacks the right to view, to write or to clear.
        """
        return answers.read_token(self._transport.send(requests.task_token(self.scope, ttl)))

    async def atask_token(self, ttl: timedelta = timedelta(hours=1)) -> str:
        """As `task_token`."""
        request = requests.task_token(self.scope, ttl)
        return answers.read_token(await self._transport.asend(request))

    def __enter__(self) -> Self:
        if self.attempt is None:
            self.start_attempt()
        return self

    async def __aenter__(self) -> Self:
        if self.attempt is None:
            await self.astart_attempt()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to give back; keys stay for the next attempt."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to give back; keys stay for the next attempt."""


class AssetStores:
    """The stores of assets, by name or by `Asset`: `context["asset_store"]["s3://lake/orders"]`.

    An asset that is not there yet is registered.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._known: dict[Asset, AssetStore] = {}

    def __getitem__(self, asset: "str | Asset") -> AssetStore:
        asset = asset if isinstance(asset, Asset) else Asset(asset)
        if asset not in self._known:
            request = requests.asset_register(asset.name, asset.uri or asset.name)
            self._keep(asset, self._transport.send(request))
        return self._known[asset]

    async def aget(self, asset: "str | Asset") -> AssetStore:
        """As `[asset]`, for asyncio."""
        asset = asset if isinstance(asset, Asset) else Asset(asset)
        if asset not in self._known:
            request = requests.asset_register(asset.name, asset.uri or asset.name)
            self._keep(asset, await self._transport.asend(request))
        return self._known[asset]

    def _keep(self, asset: Asset, answer: answers.Answer) -> None:
        scope = AssetScope(answers.read_asset_id(answer))
        self._known[asset] = AssetStore(self._transport, scope)
